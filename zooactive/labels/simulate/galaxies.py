"""The galaxies of a simulated sky: their kinds, shapes and light, and how well the telescope sees each.

Lengths are in units of the frame's side, so that a galaxy is the same at every number of pixels. Every galaxy's parameters
follow from its own uniform numbers by inverse distribution functions; galaxies are independent of each other.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

KINDS = ("elliptical", "disc", "star", "trail", "saturated")
"""Galaxies first; the last three are artifacts."""

_SHARES = (0.32, 0.62, 0.03, 0.02, 0.01)
_THINNEST = 0.13  # axis ratio of a disc seen exactly edge-on

UNIFORMS = (
    "kind", "radius", "signal", "fwhm", "angle", "shape", "bulge", "youth", "dust",
    "bar", "bar_angle", "bar_length", "arms", "arm_number", "pitch", "arm_phase", "handedness", "ring", "ring_radius",
    "companion", "companion_distance", "companion_angle", "disturbance", "tail_angle", "glare", "place",
)  # fmt: skip
"""The parameter that each of a galaxy's uniform numbers decides."""


def galaxies_from(uniforms: NDArray[np.float64]) -> pd.DataFrame:
    """Turn uniform numbers into the parameters of galaxies.

    Parameters
    ----------
    uniforms : ndarray, shape (G, len(UNIFORMS))
        Values strictly between 0 and 1.

    Returns
    -------
    DataFrame
        One row per galaxy.

        * ``kind``: one of `KINDS`;
        * ``radius``: half-light radius along the major axis [frame sides];
        * ``axis_ratio``, ``angle`` [rad]: of the projected ellipse; ``inclination`` [rad]: of discs, NaN for others;
        * ``signal``: signal to noise of the light within the half-light ellipse; ``fwhm``: of the PSF [frame sides];
        * ``bulge``: share of the light; ``youth``: how blue the disc is, 0 to 1; ``dust``: reddening, around 0;
        * ``bar``, ``arms``, ``ring``: strengths, 0 (none) to 1; ``bar_angle`` [rad] in the disc's plane, ``bar_length`` and
          ``ring_radius`` [half-light radii], ``arm_number``, ``pitch`` [rad], ``arm_phase`` [rad], ``handedness`` (1, -1);
        * ``companion``: its light over the galaxy's, 0 for none; ``companion_distance`` [half-light radii],
          ``companion_angle`` [rad]; ``disturbance``: tidal, 0 to 1; ``tail_angle`` [rad];
        * ``glare``: how plain an artifact is, 0 to 1, 0 for galaxies; ``place``: where its line or edge lies, 0 to 1.
    """
    u = dict(zip(UNIFORMS, np.ascontiguousarray(uniforms.T), strict=True))
    kind = np.searchsorted(np.cumsum(_SHARES)[:-1], u["kind"], side="right")
    disc, galaxy = kind == 1, kind < 2
    inclination = np.arccos(u["shape"])
    thin = np.sqrt(_THINNEST**2 + (1 - _THINNEST**2) * u["shape"] ** 2)
    axis_ratio = np.select([kind == 0, disc, kind == 3], [0.25 + 0.75 * u["shape"] ** 0.8, thin, 0.05], 1.0)
    companion = np.where(galaxy, _some(u["companion"], 0.15), 0.0)
    radius = np.clip(0.14 * np.exp(0.32 * ndtri(u["radius"])), 0.055, 0.24)
    distance = np.minimum(1.1 + 1.9 * u["companion_distance"], 0.36 / radius)  # within the frame
    # A nearby companion disturbs a galaxy.
    tide = np.where(galaxy, np.maximum(_some(u["disturbance"], 0.18), companion * (1.9 - 0.5 * distance)), 0.0)
    return pd.DataFrame(
        {
            "kind": np.array(KINDS, dtype=object)[kind],
            "radius": radius,
            "axis_ratio": axis_ratio,
            "angle": np.pi * u["angle"],
            "inclination": np.where(disc, inclination, np.nan),
            "signal": 15.0 * 45.0 ** u["signal"],
            "fwhm": 0.02 * 2.5 ** u["fwhm"],
            "bulge": np.where(disc, 0.03 + 0.45 * u["bulge"] ** 2, 1.0),
            "youth": np.where(disc, 0.35 + 0.65 * u["youth"], 0.15 * u["youth"]),
            "dust": 0.05 * ndtri(u["dust"]),
            "bar": np.where(disc, _some(u["bar"], 0.55), 0.0),
            "bar_angle": np.pi * u["bar_angle"],
            "bar_length": 0.65 + 0.45 * u["bar_length"],
            "arms": np.where(disc, _some(u["arms"], 0.7), 0.0),
            "arm_number": np.where(disc, 2 + np.searchsorted([0.7, 0.9], u["arm_number"]), 0),
            "pitch": np.radians(9 + 26 * u["pitch"]),
            "arm_phase": 2 * np.pi * u["arm_phase"],
            "handedness": np.where(u["handedness"] < 0.5, -1.0, 1.0),
            "ring": np.where(disc, _some(u["ring"], 0.3), 0.0),
            "ring_radius": 1.0 + 0.5 * u["ring_radius"],
            "companion": companion,
            "companion_distance": distance,
            "companion_angle": 2 * np.pi * u["companion_angle"],
            "disturbance": np.clip(tide, 0, 1),
            "tail_angle": 2 * np.pi * u["tail_angle"],
            "glare": np.where(galaxy, 0.0, u["glare"]),
            "place": u["place"],
        }
    )


def _some(u: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return 0 for most galaxies, and for this share a strength from 0.15 to 1."""
    return np.where(u < share, 0.15 + 0.85 * np.sqrt(u / share), 0.0)
