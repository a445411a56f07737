"""Checks of FITS files with wrong headers, and values that astropy does not return."""

from __future__ import annotations

import io
import math
import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2880
_MOST_BLOCKS = 1000  # the limit for a header: 36000 cards
_ARRAYS = re.compile(r"\d?[PQ](?P<kind>[LXBIJKAEDCM])")  # columns of arrays whose length varies from row to row
_BYTES = {**dict.fromkeys("LXBA", 1), "I": 2, **dict.fromkeys("JE", 4), **dict.fromkeys("KDC", 8), "M": 16}
_SHARED_AT_MOST = 1 << 26  # bytes; rows may share an array
_PACKED_AT_MOST = 1 << 18  # bytes; gzip cannot unpack these to more than 2^28 bytes


_SIZES = re.compile(rb"(BITPIX|NAXIS\d{0,3}) *= *(-?\d{1,18})\b")


class FitsStream(io.BufferedReader):
    """A FITS file as astropy reads it, which raises an error if a header has no end."""

    def __init__(self, stream: BinaryIO | io.RawIOBase) -> None:
        super().__init__(stream, _BLOCK)  # type: ignore[arg-type]
        self._blocks = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes, and raise an OSError for a header without end; a run of reads of a header block's size is a header."""
        self._blocks = self._blocks + 1 if size == _BLOCK else 0
        if self._blocks > _MOST_BLOCKS:
            raise OSError(f"a header has more than {_MOST_BLOCKS * _BLOCK // 80} cards")
        return super().read(size)


def first_claim(stream: BinaryIO | io.BufferedIOBase) -> int:
    """Return how many bytes of values the first block of a FITS file claims; the stream does not move.

    astropy unpacks a gzipped file completely before it shows this header.
    """
    cards = stream.read(_BLOCK)
    stream.seek(-len(cards), io.SEEK_CUR)
    found = {name: int(number) for name, number in _SIZES.findall(cards)}
    sides = [found.get(b"NAXIS%d" % (axis + 1), 0) for axis in range(min(found.get(b"NAXIS", 0), 999))]
    return abs(found.get(b"BITPIX", 8)) // 8 * math.prod(sides) if sides else 0


def each_hdu(hdus: Any) -> Iterator[Any]:
    """Yield the parts of an open FITS file, each once.

    astropy trusts the sizes in a header; if they are negative, it reads the same part again and again.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList

    Raises
    ------
    OSError
        If a part does not come after the previous one.
    """
    last = -1
    for hdu in hdus:
        place = hdu.fileinfo()["hdrLoc"]
        if place <= last:
            raise OSError("a header claims a negative size")
        last = place
        yield hdu


def claimed_bytes(hdu: Any) -> int:
    """Return how many bytes an image's values, or one tile of it, take in memory, by its header alone."""
    bits = abs(int(hdu.header.get("BITPIX", 8)))
    scaled = (hdu.header.get("BSCALE", 1), hdu.header.get("BZERO", 0)) != (1, 0) or "BLANK" in hdu.header
    each = max(bits // 8, (4 if bits <= 16 else 8) if scaled else 1)
    tile = getattr(hdu, "tile_shape", None) or ()
    return int(max(math.prod(hdu.shape), math.prod(tile))) * each


def check_tiles(hdu: Any, most: int) -> None:
    """Raise an OSError if the gzipped tiles of a compressed image unpack to more than `most` bytes each."""
    packed: Any = getattr(hdu, "_bintable", None)
    if packed is None:
        return
    for name in ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"):
        gzipped = name.startswith("GZIP") or str(hdu.compression_type).startswith("GZIP")
        if not gzipped or name not in packed.columns.names:
            continue
        for size, offset in packed.data[name]:
            if size > _PACKED_AT_MOST:
                tile = packed._get_raw_data(int(size), "u1", packed._data_offset + packed._theap + int(offset))
                if len(zlib.decompressobj(31).decompress(tile.tobytes(), most + 1)) > most:
                    raise OSError(f"a tile unpacks to more than {most} bytes")


def check_table(hdu: Any) -> None:
    """Raise an OSError for a table that claims rows without bytes, or many arrays that share the same bytes after the rows.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU or TableHDU

    Raises
    ------
    OSError
        If a few bytes could take any amount of memory.
    """
    rows, width, heap = (int(hdu.header.get(card, 0)) for card in ("NAXIS2", "NAXIS1", "PCOUNT"))
    if rows and not width:
        raise OSError(f"it claims {rows} rows without a byte")
    kinds = {column.name: match["kind"] for column in hdu.columns if (match := _ARRAYS.match(str(column.format)))}
    if not kinds or hdu.data is None:
        return
    cells = hdu.data.view(np.ndarray)
    claimed = sum(float(np.abs(cells[name][:, 0].astype(float)).sum()) * _BYTES[kind] for name, kind in kinds.items())
    if claimed > max(heap, _SHARED_AT_MOST):
        raise OSError(f"it claims arrays of {claimed:.0f} bytes, and has {heap} for them")


def undefined_logicals(hdu: Any) -> dict[str, NDArray[np.bool_]]:
    """Return, for each logical column with undefined cells, the rows of these cells as a mask, shape (row,).

    The standard has T, F and a zero byte for an unknown value; astropy turns the latter into False.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU or TableHDU
    """
    out: dict[str, NDArray[np.bool_]] = {}
    if hdu.data is None:
        return out
    cells = hdu.data.view(np.ndarray)
    for column in hdu.columns:
        if str(column.format).removeprefix("1") == "L":
            undefined = ~np.isin(cells[column.name], (ord("T"), ord("F")))
            if undefined.any():
                out[column.name] = undefined
    return out
