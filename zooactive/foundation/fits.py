"""FITS files whose headers lie, and what astropy does not tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
