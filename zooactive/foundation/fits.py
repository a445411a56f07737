"""FITS files whose headers lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


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
