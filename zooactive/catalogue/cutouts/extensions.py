"""Combine one FITS file per band into one file with an extension per band, which the image reader knows by its name."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.cutouts.replies import CUT_OFF, OTHER_SIZE, Trouble

_OF_THE_FILE = ("EXTNAME", "EXTVER", "EXTLEVEL", "BAND", "INHERIT", "CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK")
"""Cards that describe the original file of a band, and would be wrong in the combined file."""


def in_extensions(planes: Mapping[str, tuple[NDArray[np.float32], Any]]) -> bytes:
    """Return a FITS file with the values (y, x) and header of each band, in order; the same planes give the same bytes.

    ``EXTNAME`` and ``BAND`` name the band. Everything else in a header stays, such as the position of the image on the sky.

    Raises
    ------
    Trouble
        If two bands have different sizes, or a header cannot be written.
    """
    (first, (image, _)), *_ = planes.items()
    for band, (values, _) in planes.items():
        if values.shape != image.shape:
            sides = [f"{side.shape[1]} by {side.shape[0]}" for side in (values, image)]
            raise Trouble(OTHER_SIZE, f"band {band} has {sides[0]} pixels, and band {first} has {sides[1]}")
    try:
        return _written(planes)
    except Exception as error:  # astropy's writers raise many exceptions of their own for damaged cards
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
