"""Turn FITS images into pictures: choose the planes for red, green and blue, and turn values into grey levels."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import ImageError

BLANK = "one single value"
"""How an error describes an image that shows nothing."""

BLANK_MEND = "off the survey, or an empty frame; leave this galaxy out, or fetch it again"

WAVELENGTHS = {
    "fuv": 153, "nuv": 231, "u": 355, "b": 440, "g": 475, "v": 550, "r": 622, "vis": 720, "i": 763, "z": 905, "y": 1020,
    "j": 1250, "h": 1650, "k": 2170, "ks": 2150, "w1": 3400, "w2": 4600, "w3": 12000, "w4": 22000,
}  # fmt: skip
"""The approximate wavelength of each band in nanometres; only the order counts."""

_COLOURS = (("z", "r", "g"), ("i", "r", "g"))
"""The bands shown as red, green and blue in cubes that have more than three bands, including these: as in the surveys' own
pictures."""

_MOST_PLANES = 64
_MEND = "write the bands of its planes into the header as BANDS"

_VALUES_AT_ONCE = 1 << 20
_LOW, _HIGH = 1.0, 99.5  # percentiles of the finite pixels that become black and white
_SOFTENING = 0.1  # where the asinh turns from linear to logarithmic, as a fraction of the range


def is_picture(header: Mapping[str, Any], shape: tuple[int, ...], bands: str | None) -> bool:
    """Return whether a FITS array can be an image: two axes, one or three planes, or more planes whose bands are known."""
    if len(shape) != 3:
        return len(shape) == 2
    said = bands is not None or _text(header, "BANDS") or _text(header, "BAND0")
    return shape[0] in (1, 3) or (bool(said) and 2 <= shape[0] <= _MOST_PLANES)


def colour_planes(header: Mapping[str, Any], planes: int, bands: str | None) -> list[int]:
    """Return which planes of a cube become red, green and blue: those of the reddest, the middle and the bluest band.

    The header names the bands as BANDS, or as BAND0, BAND1 and so on. If it does not, `bands` names them. Three planes whose
    bands nobody names are taken for red, green and blue. A cube of one plane has only that plane. Raise an ImageError for an
    unknown band and for planes that do not make a picture. Warn with a UserWarning about bands that are guessed or not
    shown.
    """
    if planes == 1:
        return [0]
    names = _names(header, planes, bands)
    if names is None and planes == 3:
        warnings.warn(
            "the headers of FITS images with three planes do not name their bands (BANDS), so the planes are taken for "
            "red, green and "
            'blue; if they are other bands, name them in the order of the planes, for example bands = "grz" under [model]',
            stacklevel=2,
        )
        return [0, 1, 2]
    if names is None:
        raise ImageError(f"has {planes} planes of unknown bands; {_MEND}")
    listed = ", ".join(names)
    folded = [_short(name) for name in names]
    unknown = [name for name, short in zip(names, folded, strict=True) if short not in WAVELENGTHS]
    if unknown:
        raise ImageError(f"has planes of the bands {listed}, of which '{unknown[0]}' is unknown; {_MEND}, such as 'grz'")
    if len(set(folded)) < 3:
        raise ImageError(f"has planes of the bands {listed}; a colour image needs three bands, a grey one a single plane")
    order = sorted(range(planes), key=lambda plane: -WAVELENGTHS[folded[plane]])
    if planes == 3:
        return order
    chosen = next((colours for colours in _COLOURS if set(colours) <= set(folded)), None)
    shown = [order[0], order[planes // 2], order[-1]] if chosen is None else [folded.index(name) for name in chosen]
    seen = ", ".join(names[plane] for plane in shown)
    warnings.warn(
        f"FITS images have planes of the bands {listed}: {seen} are shown as red, green and blue, and the others are not",
        stacklevel=2,
    )
    return shown


def named_bands(header: Mapping[str, Any], planes: int, bands: str | None) -> list[str] | None:
    """Return the band of each plane in lower case and without a prefix (HSC-G is g), or None if nothing names the bands."""
    names = _names(header, planes, bands)
    return None if names is None else [_short(name) for name in names]


def _short(name: str) -> str:
    return re.split(r"[-_.]", name)[-1].casefold()


def _names(header: Mapping[str, Any], planes: int, bands: str | None) -> list[str] | None:
    """Return the band of each plane from the header, or otherwise from `bands`; None if neither names them."""
    each = [_text(header, f"BAND{plane}") for plane in range(planes)]
    said = _text(header, "BANDS")
    if said or all(each):
        names = _apart(said, planes)
        names = each if len(names) != planes and all(each) else names
        if len(names) != planes:
            raise ImageError(f"has {planes} planes, but its header says BANDS = {said!r}; correct the header")
        return names
    if bands is None:
        return None
    names = _apart(bands, planes)
    if len(names) != planes:
        raise ImageError(f"has {planes} planes, but bands = {bands!r} names {len(names)}; {_MEND}")
    return names


def _text(header: Mapping[str, Any], key: str) -> str:
    value = header.get(key)
    return value.strip() if isinstance(value, str) else ""  # a card may have no value


def _apart(text: str, planes: int) -> list[str]:
    """Split a text into names of bands: separated by commas or spaces, or one letter each."""
    parts = [part for part in re.split(r"[\s,;/+]+", text) if part]
    return list(parts[0]) if len(parts) == 1 and planes > 1 else parts


def refuse_blank(values: NDArray[np.float32], place: str, later: Callable[[], str | None]) -> None:
    """Raise an ImageError if a plane of (plane, y, x) values has no finite pixel, or the same value everywhere.

    Pixels that are not finite become NaN. `place` names the extension of the values. `later` returns the name of the next
    extension with an image, or None.
    """
    values[~np.isfinite(values)] = np.nan
    low, high = np.fmin.reduce(values, axis=(1, 2)), np.fmax.reduce(values, axis=(1, 2))
    if np.isnan(low).any():
        raise ImageError("holds a plane without any finite pixel; fetch it again, or leave this galaxy out")
    blank = low == high
    if not blank.any():
        return
    what = f"{BLANK} ({low[blank][0]:g})"
    if not blank.all():
        raise ImageError(f"holds a plane of {what}: {BLANK_MEND}")
    if (another := later()) is not None:
        raise ImageError(f"is {what} in {place}; {another} holds another image: store that one first")
    raise ImageError(f"is {what}: {BLANK_MEND}")


def stretched(values: NDArray[np.float32], stretch: str) -> NDArray[np.uint8]:
    """Return grey levels (y, x) or (y, x, plane) of values (y, x) or (plane, y, x), turned over so that the top row is
    first.

    The values are changed in place. NaN becomes black.
    """
    planes = values.reshape((-1, *values.shape[-2:]))
    planes -= np.nanpercentile(planes, _LOW, axis=(1, 2), keepdims=True)
    high = float(np.nanpercentile(planes, _HIGH))
    height, width = planes.shape[1:]
    levels = np.empty((height, width, len(planes)), dtype=np.uint8)
    step = max(1, _VALUES_AT_ONCE // (len(planes) * width))
    for start in range(0, height, step):  # a large image's intermediate values would take many times its size
        rows = planes[:, start : start + step]
        scaled = np.clip(np.nan_to_num(rows, nan=0.0) / (high if high > 0 else 1.0), 0, 1)
        if stretch == "asinh":
            scaled = np.arcsinh(scaled / _SOFTENING) / np.arcsinh(1 / _SOFTENING)
        turned = np.round(255 * scaled[:, ::-1]).astype(np.uint8)
        levels[height - start - rows.shape[1] : height - start] = np.moveaxis(turned, 0, -1)
    return levels[..., 0] if levels.shape[2] == 1 else levels
