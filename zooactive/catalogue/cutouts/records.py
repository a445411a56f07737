"""One cutout that is wanted, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cutout:
    """One cutout: whose, from where, into which file."""

    galaxy: str
    ra: float
    dec: float
    arcsec: float
    address: str
    file: str


@dataclass(frozen=True)
class Fetched:
    """What became of a cutout: a line of ``fetched.jsonl``.

    Parameters
    ----------
    galaxy, address : str
    sha256 : str
        Of the bytes of the file, empty where none came.
    what, reason : str
        Of a failure; empty where the image came.
    again : bool
        Whether the failure may pass.
    """

    galaxy: str
    address: str
    sha256: str = ""
    what: str = ""
    reason: str = ""
    again: bool = False

    @classmethod
    def parse(cls, values: Any) -> Fetched:
        """Make it of a line's values, or raise a ValueError or TypeError."""
        entry = cls(**values)
        if not all(isinstance(text, str) for text in (entry.galaxy, entry.address, entry.sha256, entry.what, entry.reason)):
            raise ValueError("an entry has another type than it should")
        return entry
