"""The telescope, from light to a picture: PSF, noise of sky and source, colours, and an asinh stretch to RGB.

Brightness is in standard deviations of the sky's noise in one pixel. As in a survey, the stretch is the same for every
image: faint galaxies stay faint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.labels.simulate.light import Plane, frame, galaxy_light

_OLD = np.array([1.32, 1.0, 0.60], dtype=np.float32)  # red, green, blue
_YOUNG = np.array([0.78, 0.98, 1.30], dtype=np.float32)
_SKY_ELECTRONS = 20.0  # standard deviation of the sky, which has 400 electrons per pixel
_WHITE = 90.0  # brightness shown as white
_BLACK = -1.2
_SOFTENING = 2.5  # brightness at which the stretch turns from linear to logarithmic
_WINGS = ((0.82, 0.9), (0.18, 2.2))  # share, and width in units of the PSF's width, of its core and of its wings


def picture(galaxy: Mapping[str, Any], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one image for a row of `galaxies_from`, uint8 (size, size, 3), with noise from `rng`."""
    if galaxy["kind"] in ("elliptical", "disc"):
        light = _blurred(galaxy_light(galaxy, size), galaxy["fwhm"] * size)
        tint = np.array([1 + galaxy["dust"], 1, 1 - galaxy["dust"]], dtype=np.float32)
        colours = np.stack([_OLD, _YOUNG]) * tint
        colours /= colours.mean(axis=1, keepdims=True)
        source = _brightness(galaxy, size) * np.tensordot(colours, light, axes=(0, 0))
    else:
        source = {"star": _star, "trail": _trail, "saturated": _saturated}[galaxy["kind"]](galaxy, size)
    # Each pixel counts some hundred photons, where a Poisson distribution is nearly normal.
    noise = rng.standard_normal(source.shape, dtype=np.float32) * np.sqrt(1 + source / _SKY_ELECTRONS)
    return _stretched(source + noise)


def _brightness(galaxy: Mapping[str, Any], size: int) -> float:
    """Return the total light that gives the galaxy its signal-to-noise within the half-light ellipse, for any size."""
    area = math.pi * size**2 * (galaxy["radius"] ** 2 * galaxy["axis_ratio"] + galaxy["fwhm"] ** 2 / 4)
    return float(2 * galaxy["signal"] * math.sqrt(area))


def _blurred(light: Plane, fwhm: float) -> Plane:
    """Convolve images of shape (..., size, size) with the PSF, whose core and wings are a Gaussian each."""
    out = np.zeros_like(light)
    for share, width in _WINGS:
        kernel = _kernel(light.shape[-1], fwhm / 2.355 * width)
        out += share * (kernel @ light @ kernel)
    return out


def _kernel(size: int, sigma: float) -> Plane:
    """Return a matrix that convolves a row with a Gaussian and with a pixel; light outside the frame is lost."""
    variance = sigma**2 + 1 / 12
    places = np.arange(size, dtype=np.float32)
    return np.asarray(np.exp((places[:, None] - places) ** 2 / (-2 * variance)) / math.sqrt(2 * math.pi * variance))


def _stretched(source: Plane) -> NDArray[np.uint8]:
    """Turn brightness (3, y, x) into RGB (y, x, 3) by the asinh of the mean, with colours kept up to white."""
    mean = np.maximum(source.mean(axis=0) - _BLACK, 0.02)
    grey = np.arcsinh(mean / _SOFTENING) / math.asinh((_WHITE - _BLACK) / _SOFTENING)
    rgb = np.clip((source - _BLACK) * (grey / mean), 0, 1)
    return np.ascontiguousarray((rgb * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))


# Artifacts ------------------------------------------------------------------------------------------------------------


def _star(galaxy: Mapping[str, Any], size: int) -> Plane:
    """Return a star with spikes; without glare it is a point that may be taken for a small round galaxy."""
    x, y = frame(size)
    fwhm, glare = galaxy["fwhm"], galaxy["glare"]
    moffat = (1 + (x**2 + y**2) / (0.75 * fwhm) ** 2) ** -2.5
    reach, width = 0.04 + 0.22 * glare, 0.35 * fwhm
    along, across = np.exp(-np.abs(x) / reach), np.exp(-((y / width) ** 2) / 2)
    spikes = along * across + along.T * across.T
    return _tinted(galaxy, 40 * 400**glare * moffat + 0.6 * 150**glare * spikes)


def _trail(galaxy: Mapping[str, Any], size: int) -> Plane:
    """Return the trail of a satellite: one line in each colour, because the exposures followed each other."""
    x, y = frame(size)
    angle, place = galaxy["angle"], galaxy["place"]
    across = math.sin(angle) * x - math.cos(angle) * y - 0.4 * (place - 0.5)
    shift = 0.09 * math.sin(7 * place)
    lines = [np.exp(-(((across - place) / (0.7 * galaxy["fwhm"])) ** 2) / 2) for place in (-shift, 0.0, shift)]
    return np.asarray(3 * 25 ** galaxy["glare"] * np.stack(lines))


def _saturated(galaxy: Mapping[str, Any], size: int) -> Plane:
    """Return the glare of an object too bright for the camera, which bleeds along its column."""
    x, y = frame(size)
    glare = galaxy["glare"]
    dx, dy = x - 0.5 * (galaxy["place"] - 0.5), y - 0.25 * math.sin(2 * galaxy["angle"])
    r = np.sqrt(dx**2 + dy**2)
    edge = 0.08 + 0.3 * glare
    full = (r < edge) | (np.abs(dx) < 0.02 + 0.02 * glare)
    return _tinted(galaxy, 8 * 12**glare * np.exp(-r / (1.2 * edge)) + np.float32(400) * full)


def _tinted(galaxy: Mapping[str, Any], light: Plane) -> Plane:
    """Return light in the colour of a star, from blue to red: (y, x) -> (3, y, x)."""
    warm = galaxy["place"]
    return np.asarray((warm * _OLD + (1 - warm) * _YOUNG)[:, None, None] * light)
