"""Services that cut images out of sky surveys, described by TOML files: those in ``catalogs/surveys``, or your own."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from zooactive.foundation.catalogs import NamedFiles
from zooactive.foundation.errors import CatalogueError, WorkspaceError, explained
from zooactive.foundation.settings import read_section
from zooactive.foundation.vocabulary import CUTOUT_FORMS, CutoutForm

_FILES = NamedFiles(
    "surveys",
    "survey of cutouts",
    CatalogueError,
    "Known services are {known}; give your own service as the path of a .toml file like those in catalogs/surveys",
)

_PLACES = frozenset({"ra", "dec", "scale", "size", "degrees", "bands", "pixels", "radius", "reach"})
"""The placeholders in a URL: right ascension and declination in degrees, arcsec per pixel, pixels on a side, degrees on a
side, letters of the bands, the survey's own pixels on a side, and degrees from the place to the middle of an edge and to a
corner. Their order is ra, dec, scale, size, degrees, bands, pixels, radius, reach."""

COLOURS = ("red", "green", "blue")
FILE_PLACES = ("file", *COLOURS)
"""The placeholders for file names, once the service has listed them: one band's file, or those of the first three bands."""


@dataclass(frozen=True)
class FileList:
    """The first of two steps: a list of the files that cover a place. The URL of an image needs their names.

    Parameters
    ----------
    address : str
        The URL, with ``{ra}`` and ``{dec}``; ``{bands}``, ``{radius}`` and ``{reach}`` are also filled in.
    table : {"ascii", "csv", "votable"}
        The format of the list: words separated by spaces under a line of names, CSV, or a VOTable.
    file : tuple of str
        The columns with the file's name. The texts of several columns are joined by a slash.
    band : str
        The column that names the band of a file.
    group : tuple of str
        The columns that say which files belong together, such as those of a tile. All bands of a galaxy come from one group.
    bands : tuple of str
        The bands that can be requested.
    called : tuple of str, optional
        The name of each of these bands in the column of bands; by default the same name.
    """

    address: str = ""
    table: Literal["ascii", "csv", "votable"] = "ascii"
    file: tuple[str, ...] = ()
    band: str = ""
    group: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    called: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.address:
            return
        _check_address("the list of files", self.address, _PLACES)
        if not (self.file and self.band and self.bands):
            raise CatalogueError("a list of files needs the entries file, band and bands")
        if self.called and len(self.called) != len(self.bands):
            raise CatalogueError(f"{len(self.bands)} bands have {len(self.called)} names under called; give one for each")
        object.__setattr__(self, "called", self.called or self.bands)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        return (*self.file, self.band, *self.group)


@dataclass(frozen=True)
class Form:
    """The way in which a service is asked for one kind of file.

    Parameters
    ----------
    address : str
        The URL, with ``{ra}`` and ``{dec}``, and ``{size}`` with ``{scale}`` or ``{degrees}``; with ``{bands}`` if they can
        be chosen. A service that gives the survey's own pixels has ``{pixels}`` or ``{radius}``. With ``{file}``, or
        ``{red}``, ``{green}`` and ``{blue}``, the service's list of files is requested first.
    blank : tuple of int, optional
        The grey level or colour of an image off the survey. An image of one colour counts as off the survey in any case.
    bands : str
        The bands of a FITS cube, in the order of its planes. For files, letters or names separated by spaces, red before
        green and blue.
    slack : int
        The number of pixels by which a side may differ from the request, if it is not known how the service rounds.
    whole : bool
        Whether to refuse an image with a blank line of pixels along an edge, because it reaches over the edge of the
        survey's file.
    """

    address: str = ""
    blank: tuple[int, ...] = ()
    bands: str = ""
    slack: int = 0
    whole: bool = False

    @property
    def places(self) -> frozenset[str]:
        """The placeholders in the URL."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.address) if name is not None)

    @property
    def of_files(self) -> bool:
        """Return whether a list of files is requested first."""
        return bool(self.places & set(FILE_PLACES))

    @property
    def own_pixels(self) -> bool:
        """Return whether the survey's own pixels come, so that the field decides their number."""
        return bool(self.places & {"pixels", "radius"}) and "size" not in self.places


@dataclass(frozen=True)
class CutoutService:
    """A service that cuts images out of a survey.

    Parameters
    ----------
    title, credit, licence : str
        The name of the survey, the people to credit with its images, and the terms of use.
    scale : float
        The size of the survey's own pixels in arcsec.
    smallest, largest : int
        The range of pixels on a side that the service gives. Beyond it the image would show another field.
    connections : int
        The number of simultaneous requests.
    pause : float
        The seconds between the beginnings of two requests.
    patience : float
        The seconds before a failed request is repeated; the wait doubles each time.
    timeout : float
        The seconds without a byte after which a request is given up.
    jpg, fits : Form
        The way to ask for each kind of file. Without an address, the service has no files of this kind.
    files : FileList
        The way to list the files whose names these URLs need.
    name : str
        The name of the file with this description.
    """

    title: str
    credit: str
    licence: str
    scale: float
    smallest: int = 1
    largest: int = 4096
    connections: int = 2
    pause: float = 1.0
    patience: float = 5.0
    timeout: float = 60.0
    jpg: Form = field(default_factory=Form)
    fits: Form = field(default_factory=Form)
    files: FileList = field(default_factory=FileList)
    name: str = ""

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.connections >= 1 and self.pause >= 0 and self.patience >= 0):
            raise CatalogueError("scale must be above 0, connections at least 1, and pause and patience at least 0")
        for form in CUTOUT_FORMS:
            found: Form = getattr(self, form)
            if not found.address:
                continue
            places = _check_address(form, found.address, {*_PLACES, *FILE_PLACES})
            if found.of_files:
                named = set(COLOURS) if form == "jpg" else {"file"}
                if places & set(FILE_PLACES) != named:
                    raise CatalogueError(
                        "the address of jpg, a colour picture, must have file names as {red}, {green} and {blue}; the "
                        "address of fits, which is requested for each band, must have the name as {file}"
                    )
                if not self.files.address:
                    raise CatalogueError(f"the address of {form} needs names of files; describe their list under [files]")
                self.bands(form)

    def form(self, form: CutoutForm) -> Form:
        """Return the way to ask for a kind of file.

        Raises
        ------
        CatalogueError
            If the service has no files of this kind.
        """
        found: Form = getattr(self, form)
        if not found.address:
            has = [known for known in CUTOUT_FORMS if getattr(self, known).address]
            raise CatalogueError(f"{self.name} has no {form}; it gives {' and '.join(has) or 'nothing'}")
        return found

    def bands(self, form: CutoutForm, asked: str = "") -> tuple[str, ...]:
        """Return the bands for a kind of file, as its service writes them: the requested bands, or the service's default.

        Raises
        ------
        CatalogueError
            If the service lists no files of a band, or a colour picture does not have three bands.

        Examples
        --------
        >>> load_service("euclid-q1-esa").bands("fits", "vis,h")
        ('VIS', 'H')
        """
        found = self.form(form)
        said = (asked or found.bands).strip()
        if not found.of_files:
            return tuple(said)
        known = {band.casefold(): band for band in self.files.bands}
        names = (said,) if said.casefold() in known else _apart(said)
        for name in names:
            if name.casefold() not in known:
                has = ", ".join(self.files.bands)
                raise CatalogueError(f"{self.name or self.title} has no band '{name}'; it has {has}")
        if form == "jpg" and len(names) != len(COLOURS):
            raise CatalogueError(f"bands = '{said}': a colour picture needs three bands, red before green and blue")
        if not names or len({name.casefold() for name in names}) < len(names):
            raise CatalogueError(f"bands = '{said}': give at least one band, and each band once")
        return tuple(known[name.casefold()] for name in names)

    def address(self, form: CutoutForm, ra: float, dec: float, *, arcsec: float, size: int, bands: str = "") -> str:
        """Return the URL of a cutout of the given arcsec and pixels on a side, around coordinates in degrees.

        Names of files, which the service has to list first, stay as ``{file}``, or ``{red}``, ``{green}``, ``{blue}``.

        Examples
        --------
        >>> load_service("legacy-dr10-grz").address("jpg", 184.0, 2.5, arcsec=67.072, size=256)
        'https://www.legacysurvey.org/viewer/jpeg-cutout?ra=184&dec=2.5&layer=ls-dr10-grz&pixscale=0.262&size=256'
        """
        asked = self.form(form)
        values = {**self._field(ra, dec, arcsec), "scale": _digits(arcsec / size, 6), "size": str(size)}
        later = {name: f"{{{name}}}" for name in FILE_PLACES}
        return asked.address.format(**values, **later, bands="".join(self.bands(form, bands)))

    def list_address(self, form: CutoutForm, ra: float, dec: float, *, arcsec: float, bands: str = "") -> str:
        """Return the URL where the files that cover a place are listed; blank if no list is needed.

        Examples
        --------
        >>> load_service("panstarrs-stsci").list_address("jpg", 184.0, 2.5, arcsec=64)
        'https://ps1images.stsci.edu/cgi-bin/ps1filenames.py?ra=184&dec=2.5&filters=irg'
        """
        if not self.form(form).of_files:
            return ""
        return self.files.address.format(**self._field(ra, dec, arcsec), bands="".join(self.bands(form, bands)))

    def _field(self, ra: float, dec: float, arcsec: float) -> dict[str, str]:
        return {
            "ra": _digits(round(ra, 7) % 360, 7),  # rounding may bring it to 360, which is 0
            "dec": _digits(dec, 7),
            "degrees": _digits(arcsec / 3600, 9),
            "pixels": str(self.pixels(arcsec)),
            "radius": _digits(arcsec / 7200, 9),
            "reach": _digits(arcsec / 7200 * sqrt(2), 9),
        }

    def pixels(self, arcsec: float) -> int:
        """Return the length of a side in the survey's own pixels, a whole number."""
        return max(round(arcsec / self.scale), 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the values that decide which pixels come back."""
        said = {"name": self.name, "jpg": self.jpg.address, "fits": self.fits.address}
        return said | ({"files": self.files.address} if self.files.address else {})


def _apart(text: str) -> tuple[str, ...]:
    """Split a text into names of bands: letters, or names separated by commas or spaces."""
    parts = tuple(part for part in re.split(r"[\s,]+", text) if part)
    return tuple(parts[0]) if len(parts) == 1 else parts


def _check_address(what: str, address: str, known: Collection[str]) -> set[str]:
    """Return the placeholders in a URL; raise a CatalogueError for a wrong one."""
    with explained(CatalogueError, f"the address of {what} is not a template ({{reason}})", ValueError):
        places = {name for _, name, _, _ in Formatter().parse(address) if name is not None}
    if unknown := places - set(known):
        raise CatalogueError(
            f"the address of {what} has a placeholder {{{min(unknown)}}}; known are {', '.join(sorted(known))}"
        )
    if not {"ra", "dec"} <= places:
        raise CatalogueError(f"the address of {what} needs {{ra}} and {{dec}}")
    return places


def _digits(value: float, most: int) -> str:
    """Write a number with at most the given number of decimals, and without an exponent."""
    text = f"{value:.{most}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def list_services() -> tuple[str, ...]:
    """Return the names of the services that come with zooactive."""
    return _FILES.names()


def load_service(name: str | Path) -> CutoutService:
    """Load a service by its name, or by the path of your own TOML file.

    Raises
    ------
    CatalogueError
        If the service is unknown, or its file is damaged.
    """
    path, values = _FILES.read(name)
    with explained(CatalogueError, "{reason}", WorkspaceError):
        found = read_section(CutoutService, _without_name(values, path), file=path, table="survey")
    return replace(found, name=path.stem)


def _without_name(values: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    missing = [name for name in ("title", "credit", "licence", "scale") if name not in values]
    if missing:
        raise CatalogueError(
            f"{path} has no entry '{missing[0]}'; a survey of cutouts needs title, credit, licence and scale"
        )
    return values
