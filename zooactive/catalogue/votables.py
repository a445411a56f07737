"""Check what a VOTable claims and refers to, before it is read: references to other files, and memory."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import BinaryIO

from zooactive.foundation.allowance import usable_memory

_BYTES_A_VALUE = 8
_AT_ONCE = 1 << 20


@dataclass
class _Claims:
    """The claims of a VOTable's tags, as far as they have been read."""

    nrows: int = 0
    rows: int = 0
    values: list[int] = field(default_factory=list)

    def tag(self, name: str, attributes: dict[str, str]) -> None:
        """Record a tag; raise a ValueError for one that refers to data outside the file."""
        match name.rpartition(":")[2]:
            case "STREAM" if any(key.rpartition(":")[2].lower() == "href" for key in attributes):
                raise ValueError("its data are at another address (STREAM href), which is not followed")
            case "PARQUET" | "FITS" as kind:
                raise ValueError(f"its data are {kind} inside the VOTable, which is not read")
            case "TABLE":
                self.nrows = max(self.nrows, _whole(attributes.get("nrows", "0")))
            case "FIELD":
                self.values.append(math.prod(_whole(side) for side in attributes.get("arraysize", "1").split("x")))
            case "TR":
                self.rows += 1


def _whole(text: str) -> int:
    """Return the number in an attribute; 1 for one that is left open (``*``)."""
    digits = text.strip().rstrip("*")
    return int(digits) if digits.isdecimal() and len(digits) < 30 else 1 if not digits.isdecimal() else 10**30


def checked_votable(stream: BinaryIO | io.BufferedIOBase) -> None:
    """Check a VOTable, and leave the stream at its start.

    Raise a ValueError if the table is not XML, refers to another address, or claims more rows or longer cells than it has
    bytes. Raise a MemoryError if it needs more memory than there is.
    """
    from xml.parsers import expat

    claims, size = _Claims(), 0
    parser = expat.ParserCreate(namespace_separator=":")
    parser.StartElementHandler = claims.tag
    parser.ExternalEntityRefHandler = None
    try:
        while block := stream.read(_AT_ONCE):
            size += len(block)
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from None
    if claims.nrows > size or max(claims.values, default=0) > size:
        raise ValueError("it claims more rows or longer cells than it has bytes")
    if max(claims.nrows, claims.rows) * sum(claims.values) * _BYTES_A_VALUE > usable_memory():
        raise MemoryError("its cells claim more memory than their contents need")
    stream.seek(0)
