"""Images that differ from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def picture(seed: int, size: int = 48) -> NDArray[np.uint8]:
    """A blurred blob on noise, different for each seed, shape (size, size, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    angle, q, scale = rng.uniform(0, np.pi), rng.uniform(0.3, 1), rng.uniform(0.05, 0.2)
    u, v = x * np.cos(angle) + y * np.sin(angle), (y * np.cos(angle) - x * np.sin(angle)) / q
    light = np.exp(-np.hypot(u, v) / scale)[..., None] * rng.uniform(120, 250, 3)
    return np.clip(light + rng.normal(10, 4, (size, size, 3)), 0, 255).astype(np.uint8)
