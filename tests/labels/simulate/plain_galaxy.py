"""One galaxy with chosen parameters, the others plain: a round, bright, well resolved disc without any feature."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.labels.simulate.light import frame

_PLAIN: dict[str, Any] = {
    "kind": "disc", "radius": 0.15, "axis_ratio": 1.0, "angle": 0.0, "inclination": 0.0, "signal": 500.0, "fwhm": 0.02,
    "bulge": 0.1, "youth": 0.6, "dust": 0.0, "bar": 0.0, "bar_angle": 0.0, "bar_length": 0.9, "arms": 0.0, "arm_number": 2,
    "pitch": 0.35, "arm_phase": 0.0, "handedness": 1.0, "ring": 0.0, "ring_radius": 1.3, "companion": 0.0,
    "companion_distance": 2.0, "companion_angle": 0.0, "disturbance": 0.0, "tail_angle": 0.0, "glare": 0.0, "place": 0.5,
}  # fmt: skip


def galaxy(**changes: object) -> dict[str, Any]:
    assert set(changes) <= set(_PLAIN)
    return _PLAIN | changes


def table(*galaxies: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(galaxies))


def elongation(light: NDArray[Any], within: float = 0.5) -> float:
    """Minor over major axis by second moments of the light within this many frame sides of the centre."""
    x, y = frame(light.shape[-1])
    weight = light * (x**2 + y**2 < within**2)
    xx, yy, xy = ((weight * product).sum() / weight.sum() for product in (x * x, y * y, x * y))
    small, large = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    return float(np.sqrt(small / large))


def profile(light: NDArray[Any], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean brightness between these radii [frame sides] and the next."""
    x, y = frame(light.shape[-1])
    r = np.sqrt(x**2 + y**2)
    return np.array([light[(r >= low) & (r < high)].mean() for low, high in pairwise(radii)])
