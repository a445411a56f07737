"""Check the answers of a service: each is the image that was requested, or fails in one of several ways."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.cutouts.services import Form
from zooactive.foundation.vocabulary import CutoutForm

OFF_SURVEY, OTHER_SIZE, OTHER_BANDS = "off the survey", "another size", "other bands"
NO_IMAGE, REFUSED, FAULT, CUT_OFF = "no image", "refused", "fault", "cut off"
"""The kinds of failure. The first five are answers, which would be the same again. Faults and cut-off bodies may pass."""

_LONGEST_WORD = 160  # the number of characters of a service's own words that are repeated
_OVER_THE_EDGE = "it reaches over the edge of the survey's file"
_NEAR = 8  # the levels by which JPEG may change a blank line next to a picture


@dataclass(eq=False)  # not frozen, because the traceback is written into it
class Trouble(Exception):
    """An answer that is not the image that was requested.

    Parameters
    ----------
    what : str
        One of the kinds of failure above.
    reason : str
        An explanation for people.
    again : bool
        Whether a later try may succeed.
    address : str
        The URL that was requested.
    """

    what: str
    reason: str
    again: bool = False
    address: str = ""

    def __str__(self) -> str:
        return self.reason


def check_image(content: bytes, form: CutoutForm, *, asked: Form, size: int, bands: str = "") -> None:
    """Raise a `Trouble` unless the bytes are a complete, non-blank image of the given kind, size and bands."""
    if form == "jpg":
        _check_jpg(content, asked, size)
    else:
        _check_fits(content, asked, size, bands or asked.bands)


def fits_plane(content: bytes, asked: Form, size: int) -> tuple[NDArray[np.float32], Any]:
    """Return the values (y, x) and the header of a FITS file of one band; raise a `Trouble` as `check_image` does."""
    values, header = _check_fits(content, asked, size, "")
    if len(values) != 1:
        raise Trouble(OTHER_BANDS, f"{len(values)} planes came, but one band was requested")
    if asked.whole and _blank_edge(~np.isfinite(values[0])):
        raise Trouble(OFF_SURVEY, f"an edge of the image has no numbers: {_OVER_THE_EDGE}")
    return values[0], header


def is_blank(content: bytes, blank: tuple[int, ...]) -> bool:
    """Return whether a JPEG of any size shows only one colour."""
    pixels = _pixels(content)
    return _one_colour(pixels, blank) is not None


def words_of(content: bytes) -> str:
    """Return the beginning of a service's answer, in one line.

    Examples
    --------
    >>> words_of(b"<html><b>no such </b> layer</html>")
    'no such layer'
    """
    text = content[: 16 * _LONGEST_WORD].decode("utf-8", errors="replace")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)).strip()
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _LONGEST_WORD else f"{text[:_LONGEST_WORD]}..."


def _check_jpg(content: bytes, asked: Form, size: int) -> None:
    if not content.startswith(b"\xff\xd8"):
        raise _no_image(content, "JPEG")
    pixels = _pixels(content)
    _check_size(pixels.shape[:2], size, asked.slack)
    colour = _one_colour(pixels, asked.blank)
    if colour is not None:
        raise Trouble(OFF_SURVEY, f"the image has only one colour ({', '.join(map(str, colour))}): off the survey")
    if asked.whole and len(asked.blank) == 3:
        near = (np.abs(pixels.astype(np.int16) - np.array(asked.blank)) <= _NEAR).all(-1)
        if _blank_edge(near):
            said = ", ".join(map(str, asked.blank))
            raise Trouble(OFF_SURVEY, f"an edge of the image has only one colour ({said}): {_OVER_THE_EDGE}")


def _check_size(shape: tuple[int, ...], size: int, slack: int) -> None:
    height, width = shape
    if max(abs(height - size), abs(width - size)) > slack:
        raise Trouble(OTHER_SIZE, f"an image of {width} by {height} pixels came, but {size} were requested: another field")


def _blank_edge(blank: NDArray[np.bool_]) -> bool:
    """Return whether the outermost line of pixels (y, x) along one of the four edges is blank everywhere."""
    return bool(blank[0].all() or blank[-1].all() or blank[:, 0].all() or blank[:, -1].all())


def _pixels(content: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=["JPEG"])
            return np.atleast_3d(np.asarray(image.convert("RGB")))
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise Trouble(CUT_OFF, f"the image cannot be decoded ({error})", again=True) from error


def _one_colour(pixels: NDArray[np.uint8], blank: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the single colour of an image, or None; JPEG may be off by one if the service's blank colour is known."""
    low, high = pixels.min((0, 1)), pixels.max((0, 1))
    if (low == high).all():
        return tuple(int(value) for value in low)
    if len(blank) == 3 and (np.abs(pixels.astype(np.int16) - np.array(blank)) <= 1).all():
        return blank
    return None


def _check_fits(content: bytes, asked: Form, size: int, bands: str) -> tuple[NDArray[np.float32], Any]:
    """Return the planes (band, y, x) and the header of a FITS image that is not blank."""
    if not content.startswith(b"SIMPLE"):
        raise _no_image(content, "FITS")
    values, header = _fits_values(content)
    _check_size(values.shape[-2:], size, asked.slack)
    planes = values.reshape((-1, *values.shape[-2:]))
    said = _bands_in(header, len(planes))
    if bands and said and said != bands:
        raise Trouble(OTHER_BANDS, f"bands {said} came, but {bands} were requested")
    if bands and len(planes) != len(bands):
        raise Trouble(OTHER_BANDS, f"{len(planes)} planes came, but the bands {bands} were requested")
    empty = [not np.isfinite(plane).any() or np.nanmin(plane) == np.nanmax(plane) for plane in planes]
    if all(empty):
        raise Trouble(OFF_SURVEY, "every plane is one single value: off the survey")
    if any(empty) and bands:
        missing = "".join(band for band, gone in zip(bands, empty, strict=True) if gone)
        raise Trouble(OTHER_BANDS, f"the survey has no {' and no '.join(missing)} here")
    return planes, header


def _fits_values(content: bytes) -> tuple[NDArray[np.float32], Any]:
    from astropy.io import fits

    try:
        with fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=False) as hdus:
            for hdu in hdus:
                if hdu.header.get("NAXIS", 0) >= 2 and hdu.data is not None and hdu.data.dtype.names is None:
                    return np.asarray(hdu.data, dtype=np.float32), hdu.header
    except Exception as error:  # astropy's readers raise many exceptions of their own for truncated files
        raise Trouble(CUT_OFF, f"the FITS file cannot be read ({error})", again=True) from error
    raise Trouble(NO_IMAGE, "the FITS file holds no image")


def _bands_in(header: Any, planes: int) -> str:
    """Return the letters of the bands that the header names, or "" if it names none."""
    said = header.get("BANDS")
    if isinstance(said, str) and said.strip():
        return said.strip()
    each = [header.get(f"BAND{plane}") for plane in range(planes)]
    return "".join(str(band).strip() for band in each) if all(isinstance(band, str) for band in each) else ""


def _no_image(content: bytes, kind: str) -> Trouble:
    if not content:
        return Trouble(CUT_OFF, "the answer is empty", again=True)
    return Trouble(NO_IMAGE, f"the answer is not {kind}, but says '{words_of(content)}'")
