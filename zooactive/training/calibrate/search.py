"""The search for the best value, shared by factors and temperatures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize


def least_loss(loss: Callable[[float], float], smallest: float, largest: float, *, tolerance: float) -> float:
    """Find the number between two positive ones with the least loss; `loss` and `tolerance` take its logarithm."""
    bounds = (np.log(smallest), np.log(largest))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": tolerance})
    return float(np.exp(found.x))
