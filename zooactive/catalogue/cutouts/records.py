"""One cutout that is wanted, the files it is cut out of, and what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Cutout:
    """One cutout: whose, from where, into which file.

    Parameters
    ----------
    galaxy : str
    ra, dec : float
        Degrees.
    arcsec : float
        A side.
    address : str
        With places for the names of files, where the service has to list them first.
    file : str
    pixels : int
        A side.
    listed_at : str
        The address of the list of files; blank where none is asked.
    """

    galaxy: str
    ra: float
    dec: float
    arcsec: float
    address: str
    file: str
    pixels: int
    listed_at: str = ""


@dataclass(frozen=True)
class Fetched:
    """What became of a cutout: a line of ``fetched.jsonl``.

    Parameters
    ----------
    galaxy, address : str
        As of the cutout.
    sha256 : str
        Of the bytes of the file, empty where none came.
    what, reason : str
        Of a failure; empty where the image came.
    again : bool
        Whether the failure may pass.
    asked : str
        The address at which it failed, where it is another one.
    """

    galaxy: str
    address: str
    sha256: str = ""
    what: str = ""
    reason: str = ""
    again: bool = False
    asked: str = ""

    @classmethod
    def parse(cls, values: Any) -> Fetched:
        """Make it of a line's values, or raise a ValueError or TypeError."""
        entry = cls(**values)
        texts = (entry.galaxy, entry.address, entry.sha256, entry.what, entry.reason, entry.asked)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("an entry has another type than it should")
        return entry

    def values(self) -> dict[str, Any]:
        """Return a line's values."""
        return {name: value for name, value in asdict(self).items() if name != "asked" or value}


@dataclass(frozen=True)
class Listed:
    """The files that a service lists for a place: a line of ``listed.jsonl``.

    Parameters
    ----------
    address : str
        At which they were listed.
    rows : tuple of (str, str, str)
        What a file belongs to, such as a tile; of which band it is, as the service calls it; and its name.
    """

    address: str
    rows: tuple[tuple[str, str, str], ...]

    @classmethod
    def parse(cls, values: Any) -> Listed:
        """Make it of a line's values, or raise a ValueError or TypeError."""
        entry = cls(values["address"], tuple((group, band, file) for group, band, file in values["rows"]))
        if not all(isinstance(text, str) for text in (entry.address, *(text for row in entry.rows for text in row))):
            raise ValueError("an entry has another type than it should")
        return entry
