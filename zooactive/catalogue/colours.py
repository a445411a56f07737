"""Recipes that turn bands into red, green and blue with stated constants, the same for every image of a run.

A recipe is named by a word, as in `Preprocessing.stretch` and in ``stretch`` under ``[model]``. The recipes of surveys turn
fluxes in nanomaggies into the pictures that volunteers were shown. The other recipes carry their own numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import ImageError, did_you_mean

Plane: TypeAlias = NDArray[np.float32]
_Planes: TypeAlias = Mapping[str, Plane]
_Rgb: TypeAlias = NDArray[np.float64]
"""(y, x, 3), from 0 to 1."""

OWN_PERCENTILES = ("asinh", "linear")
"""Stretches between percentiles of each image's own pixels."""


@dataclass(frozen=True)
class Recipe:
    """A recipe for colours: the bands that it needs, and the function that combines them.

    Parameters
    ----------
    bands : str or tuple of str
        Letters or names of bands. Empty if any three bands will do, the reddest first.
    rgb : callable
        Takes planes (y, x) by band; returns (y, x, 3), or as many channels as there are names, from 0 to 1.
    by : str
        What needs the bands, for error messages.
    """

    bands: Sequence[str]
    rgb: Callable[[_Planes], _Rgb]
    by: str = "its stretch"


def _bright(x: Plane, scale: float, offset: float) -> _Rgb:
    return np.asarray(x, dtype=np.float64) * scale + offset


def _by_asinh(planes: _Planes, scales: Mapping[str, float], offset: float, q: float = 20.0) -> dict[str, _Rgb]:
    """Return each band as drawn by the Legacy Surveys' viewer, from 0 to 1: the asinh of Lupton et al. 2004 with an offset.

    I is the mean over bands of max(0, x s + m). A band becomes (x s + m) asinh(Q I) / (sqrt(Q) I), clipped to 0 and 1.
    """
    bright = {band: _bright(planes[band], scale, offset) for band, scale in scales.items()}
    mean = np.mean([np.maximum(value, 0) for value in bright.values()], axis=0)
    mean = np.where(mean == 0, 1e-6, mean)
    factor = np.arcsinh(q * mean) / np.sqrt(q) / mean
    return {band: np.clip(value * factor, 0, 1) for band, value in bright.items()}


def _three(red: str, green: str, blue: str, scales: tuple[float, float, float], offset: float) -> Recipe:
    by_band = dict(zip((red, green, blue), scales, strict=True))

    def rgb(planes: _Planes) -> _Rgb:
        shown = _by_asinh(planes, by_band, offset)
        return np.stack([shown[red], shown[green], shown[blue]], axis=-1)

    return Recipe(red + green + blue, rgb)


def _legacy_griz(planes: _Planes) -> _Rgb:
    shown = _by_asinh(planes, {"g": 9.0, "r": 5.1, "i": 4.5, "z": 3.3}, 0.03)
    g, r, i, z = (shown[band] for band in "griz")
    return np.stack([0.75 * z + 0.25 * i, 0.5 * r + 0.5 * i, 0.75 * g + 0.25 * r], axis=-1)


def _gz_decals(planes: _Planes) -> _Rgb:
    """Return the picture that volunteers of Galaxy Zoo DECaLS saw: an asinh of each band, less colourful where bright."""
    low, high = np.arcsinh(-0.5), np.arcsinh(300.0)
    scales = {"z": 0.019, "r": 0.014, "g": 0.008}
    y = np.stack([np.arcsinh(planes[band].astype(np.float64) / scale) for band, scale in scales.items()], axis=-1)
    c = (y - low) / (high - low)
    a = c.mean(-1, keepdims=True)
    a = np.where(a == 0, 1, a)
    w = np.sin(np.pi / 2 * (1 - np.minimum(1, (c / a).max(-1, keepdims=True) / 2.5)))
    return np.asarray(np.clip(c * w + a * (1 - w) + a * (1 - w) ** 2 * c, 0, 1))


SURVEYS: Mapping[str, Recipe] = {
    "legacy-grz": _three("z", "r", "g", (2.2, 3.4, 6.0), 0.03),
    "legacy-griz": Recipe("griz", _legacy_griz),
    "legacy-gri": _three("i", "r", "g", (4.5, 5.1, 9.0), 0.02),
    "sdss": _three("i", "r", "g", (1.0, 1.5, 2.5), 0.02),
    "gz-decals": Recipe("grz", _gz_decals),
}
"""Recipes for fluxes in nanomaggies. The constants are those of the Legacy Surveys' viewer (legacysurvey/imagine,
map/views.py: dr2_rgb, sdss_rgb and LsDr10Layer) and of Galaxy Zoo DECaLS (willettk/decals, python/decals_dr2.py)."""

_WITH_NUMBERS = {
    "linear": (2, "LOW HIGH"),
    "asinh": (3, "LOW HIGH SOFTENING"),
    "lupton": (2, "STRETCH Q"),
}
"""Recipes with numbers: how many, and what they mean. "asinh" and "linear" alone use each image's own percentiles."""


def check_stretch(stretch: str) -> None:
    """Raise an ImageError if a stretch is neither a recipe nor one that uses each image's own percentiles."""
    if stretch not in OWN_PERCENTILES:
        recipe_of(stretch)


def recipe_of(stretch: str) -> Recipe:
    """Return the recipe that a word names, or a word with its numbers.

    Raises
    ------
    ImageError
        If there is no such recipe.

    Examples
    --------
    >>> recipe_of("legacy-grz").bands, recipe_of("asinh -0.1 5 0.05").bands
    ('zrg', '')
    """
    if stretch in SURVEYS:
        return SURVEYS[stretch]
    word, *said = (stretch.split()[:9] if isinstance(stretch, str) else []) or [""]
    known = (*OWN_PERCENTILES, *SURVEYS, *(f"{name} {numbers}" for name, (_, numbers) in _WITH_NUMBERS.items()))
    if word not in _WITH_NUMBERS or not said:
        raise ImageError(
            f"preprocessing: stretch = {stretch!r}.{did_you_mean(str(stretch), (*OWN_PERCENTILES, *SURVEYS))} Use one of "
            f"{', '.join(known)}"
        )
    number, meant = _WITH_NUMBERS[word]
    try:
        values = [float(text) for text in said]
    except ValueError:
        values = []
    if len(values) != number or not all(isfinite(value) for value in values):
        raise ImageError(f"preprocessing: stretch = {stretch!r}; give {number} numbers after it: {word} {meant}")
    if word == "lupton":
        return _lupton(*values)
    return _between(values[0], values[1], values[2] if word == "asinh" else 0.0, stretch)


def _between(low: float, high: float, softening: float, stretch: str) -> Recipe:
    if low >= high or softening < 0:
        raise ImageError(f"preprocessing: stretch = {stretch!r}; LOW must be below HIGH, and SOFTENING above 0")

    def rgb(planes: _Planes) -> _Rgb:
        values = np.stack([plane.astype(np.float64) for plane in planes.values()], axis=-1)
        shown = np.clip((values - low) / (high - low), 0, 1)
        if softening:
            shown = np.arcsinh(shown * (high - low) / softening) / np.arcsinh((high - low) / softening)
        return np.asarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))

    return Recipe("", rgb)


def _lupton(stretch: float, q: float) -> Recipe:
    if stretch <= 0 or q <= 0:
        raise ImageError(f"preprocessing: lupton {stretch:g} {q:g}; STRETCH and Q must be above 0")

    def rgb(planes: _Planes) -> _Rgb:
        from astropy.visualization import make_lupton_rgb

        three = list(planes.values())
        three = three * 3 if len(three) == 1 else three
        return np.asarray(make_lupton_rgb(*three, stretch=stretch, Q=q) / 255.0)

    return Recipe("", rgb)


def coloured(planes: _Planes, recipe: Recipe) -> NDArray[np.uint8]:
    """Return planes (y, x) as pixels (y, x, channel), turned over so that the first row is the top one.

    The first row of a plane is the bottom one. Pixels that are not finite count as dark.
    """
    clean = {band: np.nan_to_num(plane, nan=0.0, posinf=0.0, neginf=0.0) for band, plane in planes.items()}
    return np.asarray(np.round(255 * np.clip(recipe.rgb(clean), 0, 1))[::-1], dtype=np.uint8)
