"""What a VOTable claims and points at, seen before anything follows it: addresses of other files, and memory."""

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
    """What the tags of a VOTable say, as far as they were read."""

    nrows: int = 0
    rows: int = 0
    values: list[int] = field(default_factory=list)

    def tag(self, name: str, attributes: dict[str, str]) -> None:
        """Note a tag; a ValueError for one that leads out of the file."""
        match name.rpartition(":")[2]:
            case "STREAM" if any(key.rpartition(":")[2].lower() == "href" for key in attributes):
                raise ValueError("its data lie at another address (STREAM href), which is not followed")
            case "PARQUET" | "FITS" as kind:
                raise ValueError(f"its data are {kind} inside the VOTable, which is not read")
            case "TABLE":
                self.nrows = max(self.nrows, _whole(attributes.get("nrows", "0")))
            case "FIELD":
                self.values.append(math.prod(_whole(side) for side in attributes.get("arraysize", "1").split("x")))
            case "TR":
                self.rows += 1


def _whole(text: str) -> int:
    """Return a number as an attribute says it; 1 for one that is open (``*``)."""
    digits = text.strip().rstrip("*")
    return int(digits) if digits.isdecimal() and len(digits) < 30 else 1 if not digits.isdecimal() else 10**30


def checked_votable(stream: BinaryIO | io.BufferedIOBase) -> None:
    """Refuse a VOTable that points at another file, or claims more than it holds; leave the stream at its start.

    A table that is no XML, refers to another address, or claims more rows or longer cells than it has bytes is a ValueError;
    one that takes more memory than there is, a MemoryError.
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
        raise MemoryError("its cells are longer than what is in them")
    stream.seek(0)
