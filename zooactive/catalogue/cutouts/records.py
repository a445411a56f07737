"""Records of a wanted cutout, of the files that it is cut from, and of its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Cutout:
    """One wanted cutout: its galaxy, where to request it, and the file to write.

    Parameters
    ----------
    galaxy : str
    ra, dec : float
        In degrees.
    arcsec : float
        The length of a side.
    address : str
        The URL, with placeholders for the names of files if the service has to list them first.
    file : str
    pixels : int
        The number of pixels on a side.
    listed_at : str
        The URL of the list of files; blank if no list is needed.
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
    """The result of a request for a cutout: a line of ``fetched.jsonl``.

    Parameters
    ----------
    galaxy, address : str
        The galaxy and the URL of the cutout.
    sha256 : str
        The hash of the file's bytes; empty if no image came.
    what, reason : str
        The kind and the reason of a failure; empty if the image came.
    again : bool
        Whether the failure may pass.
    asked : str
        The URL that failed, if it is not `address`.
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
        """Make a record from a line's values; raise a ValueError or TypeError if they are wrong."""
        entry = cls(**values)
        texts = (entry.galaxy, entry.address, entry.sha256, entry.what, entry.reason, entry.asked)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("an entry has another type than it should")
        return entry

    def values(self) -> dict[str, Any]:
        """Return the values for a line."""
        return {name: value for name, value in asdict(self).items() if name != "asked" or value}


@dataclass(frozen=True)
class Listed:
    """The files that a service lists for a place: a line of ``listed.jsonl``.

    Parameters
    ----------
    address : str
        The URL of the list.
    rows : tuple of (str, str, str)
        The group of a file, such as a tile; its band, as the service names it; and its name.
    """

    address: str
    rows: tuple[tuple[str, str, str], ...]

    @classmethod
    def parse(cls, values: Any) -> Listed:
        """Make a record from a line's values; raise a ValueError or TypeError if they are wrong."""
        entry = cls(values["address"], tuple((group, band, file) for group, band, file in values["rows"]))
        if not all(isinstance(text, str) for text in (entry.address, *(text for row in entry.rows for text in row))):
            raise ValueError("an entry has another type than it should")
        return entry
