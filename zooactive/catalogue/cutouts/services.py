"""Services that cut images out of sky surveys, as data: a TOML file each in ``catalogs/surveys``, or one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Formatter
from typing import Any

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

_PLACES = frozenset({"ra", "dec", "scale", "size", "degrees", "bands"})
"""What is filled in: degrees, degrees, arcsec a pixel, pixels a side, degrees a side, and letters of the bands."""


@dataclass(frozen=True)
class Form:
    """How a service is asked for one kind of file.

    Parameters
    ----------
    address : str
        With ``{ra}`` and ``{dec}``, and ``{size}`` with ``{scale}`` or ``{degrees}``; ``{bands}`` where they can be chosen.
    blank : tuple of int, optional
        The grey or colour of an image off the survey; one of a single colour is taken for such anyway.
    bands : str
        Of a FITS cube, in the order of its planes.
    """

    address: str = ""
    blank: tuple[int, ...] = ()
    bands: str = ""


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
    name: str = ""

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.connections >= 1 and self.pause >= 0 and self.patience >= 0):
            raise CatalogueError("scale is above 0, connections at least 1, pause and patience at least 0")
        for form in CUTOUT_FORMS:
            address = getattr(self, form).address
            with explained(CatalogueError, f"the address of {form} is no template ({{reason}})", ValueError):
                places = {name for _, name, _, _ in Formatter().parse(address) if name is not None}
            if unknown := places - _PLACES:
                raise CatalogueError(
                    f"the address of {form} has a place {{{min(unknown)}}}; known are {', '.join(sorted(_PLACES))}"
                )
            if address and not {"ra", "dec"} <= places:
                raise CatalogueError(f"the address of {form} needs {{ra}} and {{dec}}")

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

    def address(self, form: CutoutForm, ra: float, dec: float, *, arcsec: float, size: int, bands: str = "") -> str:
        """Return the address of a cutout of so many arcsec and pixels a side around a place in degrees.

        Examples
        --------
        >>> load_service("legacy-dr10-grz").address("jpg", 184.0, 2.5, arcsec=67.072, size=256)
        'https://www.legacysurvey.org/viewer/jpeg-cutout?ra=184&dec=2.5&layer=ls-dr10-grz&pixscale=0.262&size=256'
        """
        asked = self.form(form)
        values = {
            "ra": _digits(round(ra, 7) % 360, 7),  # rounding may go all the way round
            "dec": _digits(dec, 7),
            "scale": _digits(arcsec / size, 6),
            "degrees": _digits(arcsec / 3600, 9),
            "size": str(size),
            "bands": bands or asked.bands,
        }
        return asked.address.format(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return what decides which pixels come back, as plain values."""
        return {"name": self.name, "jpg": self.jpg.address, "fits": self.fits.address}


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
