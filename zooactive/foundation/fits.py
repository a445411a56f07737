"""FITS files whose headers lie, and what astropy does not tell of them."""

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
_MOST_BLOCKS = 1000  # of a header: 36000 cards
_ARRAYS = re.compile(r"\d?[PQ](?P<kind>[LXBIJKAEDCM])")  # of any length in each row
_BYTES = {**dict.fromkeys("LXBA", 1), "I": 2, **dict.fromkeys("JE", 4), **dict.fromkeys("KDC", 8), "M": 16}
_SHARED_AT_MOST = 1 << 26  # bytes; rows may have an array in common
_PACKED_AT_MOST = 1 << 18  # bytes that gzip cannot make more than 2^28 of


_SIZES = re.compile(rb"(BITPIX|NAXIS\d{0,3}) *= *(-?\d{1,18})\b")


class FitsStream(io.BufferedReader):
    """A FITS file as astropy reads it, which stops when a header has no end."""

    def __init__(self, stream: BinaryIO | io.RawIOBase) -> None:
        super().__init__(stream, _BLOCK)  # type: ignore[arg-type]
        self._blocks = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes, and stop at a header without end; a run of blocks of a header's size is a header."""
        self._blocks = self._blocks + 1 if size == _BLOCK else 0
        if self._blocks > _MOST_BLOCKS:
            raise OSError(f"a header has more than {_MOST_BLOCKS * _BLOCK // 80} cards")
        return super().read(size)


def first_claim(stream: BinaryIO | io.BufferedIOBase) -> int:
    """Return how many bytes of values the first block of a FITS file claims; the stream stays where it was.

    astropy unpacks a gzipped file to its end before it shows that header.
    """
    cards = stream.read(_BLOCK)
    stream.seek(-len(cards), io.SEEK_CUR)
    found = {name: int(number) for name, number in _SIZES.findall(cards)}
    sides = [found.get(b"NAXIS%d" % (axis + 1), 0) for axis in range(min(found.get(b"NAXIS", 0), 999))]
    return abs(found.get(b"BITPIX", 8)) // 8 * math.prod(sides) if sides else 0


def each_hdu(hdus: Any) -> Iterator[Any]:
    """Yield the parts of an open FITS file, each once.

    astropy goes by the sizes that a header claims; of negative ones it reads the same part again and again.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList

    Raises
    ------
    OSError
        When a part does not lie behind the one before it.
    """
    last = -1
    for hdu in hdus:
        place = hdu.fileinfo()["hdrLoc"]
        if place <= last:
            raise OSError("a header claims a negative size")
        last = place
        yield hdu


def claimed_bytes(hdu: Any) -> int:
    """Return how many bytes an image's values take in memory, or one tile of it, by its header alone."""
    bits = abs(int(hdu.header.get("BITPIX", 8)))
    scaled = (hdu.header.get("BSCALE", 1), hdu.header.get("BZERO", 0)) != (1, 0) or "BLANK" in hdu.header
    each = max(bits // 8, (4 if bits <= 16 else 8) if scaled else 1)
    tile = getattr(hdu, "tile_shape", None) or ()
    return int(max(math.prod(hdu.shape), math.prod(tile))) * each


def check_tiles(hdu: Any, most: int) -> None:
    """Refuse a compressed image whose gzipped tiles unpack to more than `most` bytes each, with an OSError."""
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
    """Refuse a table that claims rows without bytes, or arrays of which many lie in the same place behind the rows.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU or TableHDU

    Raises
    ------
    OSError
        When a few bytes would take any amount of memory.
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
    """Return for each logical column of a table with undefined cells which rows they are in, shape (row,).

    The standard has T, F and a zero byte for what nobody knows; astropy makes it False.

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
