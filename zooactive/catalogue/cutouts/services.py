"""Services that cut images out of sky surveys, as data: a TOML file each in ``catalogs/surveys``, or one's own."""

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
    "Known are {known}; a service of your own is the path of a .toml file like those in catalogs/surveys",
)

_PLACES = frozenset({"ra", "dec", "scale", "size", "degrees", "bands", "pixels", "radius", "reach"})
"""What is filled in: degrees, degrees, arcsec a pixel, pixels a side, degrees a side, letters of the bands, the survey's own
pixels a side, and degrees from the place to the middle of an edge and to a corner."""

COLOURS = ("red", "green", "blue")
FILE_PLACES = ("file", *COLOURS)
"""What is filled in with files' names, once the service has listed them: one band's, or those of the first three bands."""


@dataclass(frozen=True)
class FileList:
    """The first of two steps: a list of the files that cover a place, whose names the address of an image needs.

    Parameters
    ----------
    address : str
        With ``{ra}`` and ``{dec}``; also ``{bands}``, ``{radius}`` and ``{reach}`` are filled in.
    table : {"ascii", "csv", "votable"}
        What comes: words parted by spaces under a line of names, CSV, or a VOTable.
    file : tuple of str
        The columns with the file's name; of several, the texts are joined by a slash.
    band : str
        The column that says of which band a file is.
    group : tuple of str
        The columns that say which files belong together, such as those of a tile; the bands of a galaxy are of one group.
    bands : tuple of str
        What can be asked for.
    called : tuple of str, optional
        What the column of bands says for each of them; by default the same.
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
            raise CatalogueError("a list of files says its columns as file and band, and its bands")
        if self.called and len(self.called) != len(self.bands):
            raise CatalogueError(f"{len(self.bands)} bands are called by {len(self.called)} names; give one for each")
        object.__setattr__(self, "called", self.called or self.bands)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are looked at."""
        return (*self.file, self.band, *self.group)


@dataclass(frozen=True)
class Form:
    """How a service is asked for one kind of file.

    Parameters
    ----------
    address : str
        With ``{ra}`` and ``{dec}``, and ``{size}`` with ``{scale}`` or ``{degrees}``; ``{bands}`` where they can be chosen.
        A service that gives the survey's own pixels has ``{pixels}`` or ``{radius}``. With ``{file}``, or ``{red}``,
        ``{green}`` and ``{blue}``, the service's list of files is asked first.
    blank : tuple of int, optional
        The grey or colour of an image off the survey; one of a single colour is taken for such anyway.
    bands : str
        Of a FITS cube, in the order of its planes; of files, letters or names parted by spaces, red before green and blue.
    slack : int
        Pixels by which a side may differ from what was asked for, where nobody says how the service rounds.
    whole : bool
        Whether an image with a blank line of pixels along an edge is refused: it reaches over the edge of the survey's file.
    """

    address: str = ""
    blank: tuple[int, ...] = ()
    bands: str = ""
    slack: int = 0
    whole: bool = False

    @property
    def places(self) -> frozenset[str]:
        """What is filled into the address."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.address) if name is not None)

    @property
    def of_files(self) -> bool:
        """Whether a list of files is asked first."""
        return bool(self.places & set(FILE_PLACES))

    @property
    def own_pixels(self) -> bool:
        """Whether the survey's own pixels come, so that the field says how many they are."""
        return bool(self.places & {"pixels", "radius"}) and "size" not in self.places


@dataclass(frozen=True)
class CutoutService:
    """A service that cuts images out of a survey.

    Parameters
    ----------
    title, credit, licence : str
        What the survey is called, who is to be named with its images, and under which terms they are given.
    scale : float
        Arcsec of the survey's own pixels.
    smallest, largest : int
        Pixels a side that the service keeps to; others would be another field than was asked for.
    connections : int
        Requests at a time.
    pause : float
        Seconds between the beginnings of two requests.
    patience : float
        Seconds before a request that failed is made again; twice as long before the next.
    timeout : float
        Seconds without a byte after which no answer is waited for.
    jpg, fits : Form
        How each kind of file is asked for; without an address the service has none.
    files : FileList
        How the files are listed whose names these addresses need.
    name : str
        Of the file.
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
            raise CatalogueError("scale is above 0, connections at least 1, pause and patience at least 0")
        for form in CUTOUT_FORMS:
            found: Form = getattr(self, form)
            if not found.address:
                continue
            places = _check_address(form, found.address, {*_PLACES, *FILE_PLACES})
            if found.of_files:
                named = set(COLOURS) if form == "jpg" else {"file"}
                if places & set(FILE_PLACES) != named:
                    raise CatalogueError(
                        "files' names stand as {red}, {green} and {blue} in the address of jpg, which is in colour, and as "
                        "{file} in that of fits, which is asked for each band"
                    )
                if not self.files.address:
                    raise CatalogueError(f"the address of {form} needs files' names; say under [files] who lists them")
                self.bands(form)

    def form(self, form: CutoutForm) -> Form:
        """Return how a kind of file is asked for.

        Raises
        ------
        CatalogueError
            When the service has none.
        """
        found: Form = getattr(self, form)
        if not found.address:
            has = [known for known in CUTOUT_FORMS if getattr(self, known).address]
            raise CatalogueError(f"{self.name} has no {form}; it gives {' and '.join(has) or 'nothing'}")
        return found

    def bands(self, form: CutoutForm, asked: str = "") -> tuple[str, ...]:
        """Return the bands of a kind of file, as its service writes them: those asked for, or its own.

        Raises
        ------
        CatalogueError
            When the service lists no files of a band, or a picture in colour is not of three.

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
            raise CatalogueError(f"bands = '{said}': a picture in colour is of three, red before green and blue")
        if not names or len({name.casefold() for name in names}) < len(names):
            raise CatalogueError(f"bands = '{said}': give each band once, and at least one")
        return tuple(known[name.casefold()] for name in names)

    def address(self, form: CutoutForm, ra: float, dec: float, *, arcsec: float, size: int, bands: str = "") -> str:
        """Return the address of a cutout of so many arcsec and pixels a side around a place in degrees.

        Names of files, which the service has to list first, are left as ``{file}``, or ``{red}``, ``{green}``, ``{blue}``.

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
        """Return the address at which the files of a place are listed; blank where none is asked.

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
            "ra": _digits(round(ra, 7) % 360, 7),  # rounding may go all the way round
            "dec": _digits(dec, 7),
            "degrees": _digits(arcsec / 3600, 9),
            "pixels": str(self.pixels(arcsec)),
            "radius": _digits(arcsec / 7200, 9),
            "reach": _digits(arcsec / 7200 * sqrt(2), 9),
        }

    def pixels(self, arcsec: float) -> int:
        """Return how many of the survey's own pixels a side has: a whole number."""
        return max(round(arcsec / self.scale), 1)

    def to_dict(self) -> dict[str, Any]:
        """Return what decides which pixels come back, as plain values."""
        said = {"name": self.name, "jpg": self.jpg.address, "fits": self.fits.address}
        return said | ({"files": self.files.address} if self.files.address else {})


def _apart(text: str) -> tuple[str, ...]:
    """Take names of bands apart: letters, or names parted by commas or spaces."""
    parts = tuple(part for part in re.split(r"[\s,]+", text) if part)
    return tuple(parts[0]) if len(parts) == 1 else parts


def _check_address(what: str, address: str, known: Collection[str]) -> set[str]:
    """Return what is filled into an address, or raise a CatalogueError."""
    with explained(CatalogueError, f"the address of {what} is no template ({{reason}})", ValueError):
        places = {name for _, name, _, _ in Formatter().parse(address) if name is not None}
    if unknown := places - set(known):
        raise CatalogueError(f"the address of {what} has a place {{{min(unknown)}}}; known are {', '.join(sorted(known))}")
    if not {"ra", "dec"} <= places:
        raise CatalogueError(f"the address of {what} needs {{ra}} and {{dec}}")
    return places


def _digits(value: float, most: int) -> str:
    """Write a number with so many decimals at most, and without an exponent."""
    text = f"{value:.{most}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def list_services() -> tuple[str, ...]:
    """Return the names of the services that come with zooactive."""
    return _FILES.names()


def load_service(name: str | Path) -> CutoutService:
    """Load a service by its name, or by the path of a TOML file.

    Raises
    ------
    CatalogueError
        When it is not known, or its file is damaged.
    """
    path, values = _FILES.read(name)
    with explained(CatalogueError, "{reason}", WorkspaceError):
        found = read_section(CutoutService, _without_name(values, path), file=path, table="survey")
    return replace(found, name=path.stem)


def _without_name(values: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    missing = [name for name in ("title", "credit", "licence", "scale") if name not in values]
    if missing:
        raise CatalogueError(f"{path} has no entry '{missing[0]}'; a survey of cutouts has title, credit, licence and scale")
    return values
