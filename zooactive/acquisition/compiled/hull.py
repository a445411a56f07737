"""Compiled: the concave hull of the values of numbers of votes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.compiled import compiled


@compiled
def concave_hulls(
    points: NDArray[np.int32], values: NDArray[np.float64], corners: NDArray[np.int32], lengths: NDArray[np.int64]
) -> None:
    """Fill in the corners of each galaxy's concave hull, starting from its first point.

    Parameters
    ----------
    points, values : (galaxy, point)
        Ascending numbers of votes, which may repeat, and their values.
    corners : (galaxy, point)
        Filled in: the indices of the corners, in the first `lengths` entries. From corner to corner, the value rises less
        and less steeply.
    lengths : (galaxy,)
        Filled in: the number of corners.
    """
    for g in range(len(points)):
        x, y = points[g], values[g]
        corners[g, 0], n = 0, 1
        for j in range(1, len(x)):
            if x[j] == x[j - 1] or y[j] <= y[corners[g, n - 1]]:
                continue
            while n > 1:
                last, before = corners[g, n - 1], corners[g, n - 2]
                if (y[j] - y[last]) * (x[last] - x[before]) < (y[last] - y[before]) * (x[j] - x[last]):
                    break
                n -= 1
            corners[g, n] = j
            n += 1
        lengths[g] = n
