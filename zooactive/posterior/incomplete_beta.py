"""Compiled distribution functions of mixtures of Beta distributions, and derivatives of Beta densities.

A compiled distribution function is twenty times as fast as one call per draw.

The regularised incomplete beta function is computed by the continued fraction of the Digital Library of Mathematical
Functions, https://dlmf.nist.gov/8.17.E22, on the side of the mean where it converges fast (8.17.4 transforms to that side).
The fraction is evaluated from its last term to its first for all draws of a row at once, which the processor vectorises.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.compiled import compiled


@compiled
def mixture_below(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    weights: NDArray[np.float64],
    log_norm: NDArray[np.float64],
    x: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute sum_t w_t I_x(a_t, b_t) for rows of draws, shape (row,), to an absolute 1e-10.

    The Beta parameters `a` and `b` (above 0), the `weights` of the draws and `log_norm`, ln B(a, b), are of shape (row,
    draw); `x` is of shape (row,), strictly between 0 and 1.
    """
    rows, draws = a.shape
    found = np.empty(rows)
    near, far, point, tail = np.empty(draws), np.empty(draws), np.empty(draws), np.empty(draws)
    for row in range(rows):
        here, largest = x[row], 1.0
        for t in range(draws):
            left = here * (a[row, t] + b[row, t] + 2) <= a[row, t] + 1
            near[t] = a[row, t] if left else b[row, t]
            far[t] = b[row, t] if left else a[row, t]
            point[t] = here if left else 1 - here
            tail[t] = 1.0
            largest = max(largest, a[row, t], b[row, t])
        # The number of terms for 1e-10, measured for a and b from 1e-3 to 3e3.
        for m in range(8 + int(2 * np.sqrt(largest)), 0, -1):
            for t in range(draws):
                middle = near[t] + 2 * m
                share = point[t] / ((middle - 1) * middle * (middle + 1))
                even = m * (far[t] - m) * (middle + 1) * share
                odd = -(near[t] + m) * (near[t] + far[t] + m) * (middle - 1) * share
                tail[t] = 1 + even * tail[t] / (tail[t] + odd)
        log_x, log_rest, total = np.log(here), np.log1p(-here), 0.0
        for t in range(draws):
            first = 1 - (near[t] + far[t]) * point[t] / ((near[t] + 1) * tail[t])
            side = np.exp(a[row, t] * log_x + b[row, t] * log_rest - log_norm[row, t]) / (near[t] * first)
            left = here * (a[row, t] + b[row, t] + 2) <= a[row, t] + 1
            total += weights[row, t] * (side if left else 1 - side)
        found[row] = total
    return found


@compiled
def log_densities(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    log_norm: NDArray[np.float64],
    log_x: NDArray[np.float64],
    log_rest: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute the log densities of Beta distributions, (row, draw), from ln x and ln(1 - x) of one x a row."""
    rows, draws = a.shape
    found = np.empty((rows, draws))
    for row in range(rows):
        for t in range(draws):
            found[row, t] = (a[row, t] - 1) * log_x[row] + (b[row, t] - 1) * log_rest[row] - log_norm[row, t]
    return found


@compiled
def times_derivatives(
    density: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute first and second derivatives of Beta densities, each (row, draw), from the densities at one `x` a row."""
    rows, draws = a.shape
    first, second = np.empty((rows, draws)), np.empty((rows, draws))
    for row in range(rows):
        here = x[row]
        rest = 1 - here
        for t in range(draws):
            slope = (a[row, t] - 1) / here - (b[row, t] - 1) / rest  # of the log density
            bend = -(a[row, t] - 1) / (here * here) - (b[row, t] - 1) / (rest * rest)
            first[row, t] = density[row, t] * slope
            second[row, t] = density[row, t] * (slope * slope + bend)
    return first, second
