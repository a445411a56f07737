"""One FITS file of several bands, made of a file each: an extension a band, which the reader of images knows by its name."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.cutouts.replies import CUT_OFF, OTHER_SIZE, Trouble

_OF_THE_FILE = ("EXTNAME", "EXTVER", "EXTLEVEL", "BAND", "INHERIT", "CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK")
"""Cards that speak of the file a band came in, and would be wrong here."""


def in_extensions(planes: Mapping[str, tuple[NDArray[np.float32], Any]]) -> bytes:
    """Return a FITS file with values (y, x) and a header for each band, in their order; the same bytes for the same planes.

    ``EXTNAME`` and ``BAND`` say the band. Everything else that a header says of its image stays, such as where it lies on
    the sky.

    Raises
    ------
    Trouble
        When two bands have different sides, or a header cannot be written.
    """
    (first, (image, _)), *_ = planes.items()
    for band, (values, _) in planes.items():
        if values.shape != image.shape:
            sides = [f"{side.shape[1]} by {side.shape[0]}" for side in (values, image)]
            raise Trouble(OTHER_SIZE, f"{sides[0]} pixels came in band {band}, and {sides[1]} in {first}")
    try:
        return _written(planes)
    except Exception as error:  # astropy's writers have many exceptions of their own for cards that were damaged
        raise Trouble(CUT_OFF, f"a FITS header cannot be written again ({error})", again=True) from error


def _written(planes: Mapping[str, tuple[NDArray[np.float32], Any]]) -> bytes:
    from astropy.io import fits

    hdus = [fits.PrimaryHDU()]
    for band, (values, said) in planes.items():
        header = said.copy(strip=True)
        for card in _OF_THE_FILE:
            header.remove(card, ignore_missing=True, remove_all=True)
        header["EXTNAME"], header["BAND"] = band, band
        hdus.append(fits.ImageHDU(values, header))
    stream = io.BytesIO()
    fits.HDUList(hdus).writeto(stream, output_verify="silentfix+ignore")
    return stream.getvalue()
