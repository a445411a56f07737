"""Mixtures over draws of Beta and beta-binomial distributions: one answer's vote fraction, or its count of votes.

Every function takes Beta parameters `a`, `b` and the draws' `weights`, all of shape (row, draw), float64, weights summing to
1 along the draws; a row is one answer of one galaxy. Quantiles, tails and probabilities are those of the mixture, never
averages of each draw's quantiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

_CHUNK = 1 << 18
"""Elements (row x draw) that one call of an incomplete beta function works on: fits a core's cache."""

Rows = NDArray[np.float64]


def quantiles(a: Rows, b: Rows, weights: Rows, levels: Sequence[float]) -> NDArray[np.float64]:
    """Fractions x with P(fraction <= x) = level, to an absolute 1e-6, shape (row, level)."""
    found = [_by_rows(partial(_quantile, level=level), a, b, weights) for level in levels]
    return np.stack(found, axis=-1)


def above(a: Rows, b: Rows, weights: Rows, fraction: float) -> NDArray[np.float64]:
    """P(fraction > `fraction`), shape (row,)."""
    return _by_rows(lambda a, b, w: (w * special.betaincc(a, b, fraction)).sum(1), a, b, weights)


def density(a: Rows, b: Rows, weights: Rows, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density of the fraction at each `x` strictly between 0 and 1, shape (row, x)."""

    def of_rows(a: Rows, b: Rows, w: Rows) -> NDArray[np.float64]:
        a, b = a[..., None], b[..., None]
        log_density = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
        return np.asarray((w[..., None] * np.exp(log_density)).sum(1))

    return _by_rows(of_rows, a, b, weights, wide=len(x))


def count_probabilities(a: Rows, b: Rows, weights: Rows, votes: int) -> NDArray[np.float64]:
    """P(count = k) for k = 0 ... `votes` of so many votes on the question: beta-binomials, shape (row, votes + 1)."""
    k = np.arange(votes + 1.0)
    log_ways = special.gammaln(votes + 1) - special.gammaln(k + 1) - special.gammaln(votes - k + 1)

    def of_rows(a: Rows, b: Rows, w: Rows) -> NDArray[np.float64]:
        # Each ratio of gamma functions by itself: lnB(a + k, b + n - k) - lnB(a, b) would lose seven digits at a = 1e5.
        log_p = log_ways + _log_rising(a, k) + _log_rising(b, votes - k) - _log_rising(a + b, np.float64(votes))
        return np.asarray((w[..., None] * np.exp(log_p)).sum(1))

    return _by_rows(of_rows, a, b, weights, wide=votes + 1)


def _log_rising(a: Rows, k: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    """Return lnG(a + k) - lnG(a) for each count, shape (row, draw, count)."""
    return np.asarray(special.gammaln(a[..., None] + k) - special.gammaln(a)[..., None])


def _by_rows(of_rows: Callable[..., NDArray[np.float64]], *arrays: Rows, wide: int = 1) -> NDArray[np.float64]:
    """Apply a function to slices of rows in threads; scipy's functions release the interpreter lock."""
    rows, draws = arrays[0].shape
    step = max(1, _CHUNK // (draws * wide))
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda i: of_rows(*(array[i : i + step] for array in arrays)), range(0, max(rows, 1), step)))
    return np.concatenate(found)


def _quantile(a: Rows, b: Rows, weights: Rows, level: float) -> NDArray[np.float64]:
    """Solve sum_t w_t I_x(a_t, b_t) = level for x by Newton's method inside a shrinking bracket; (row, draw) -> (row,).

    It starts from the Beta distribution with the mixture's mean and variance, which is the answer itself where draws agree.
    """
    total = a + b
    mean_t = a / total
    mean = (weights * mean_t).sum(1)
    variance = np.maximum((weights * mean_t * (a + 1) / (total + 1)).sum(1) - mean**2, 1e-300)
    spread = np.maximum(mean * (1 - mean) / variance - 1, 1e-3)
    x = special.betaincinv(np.maximum(mean * spread, 1e-6), np.maximum((1 - mean) * spread, 1e-6), level)
    low, high = np.zeros_like(x), np.ones_like(x)
    x = np.clip(np.where(np.isfinite(x), x, mean), 1e-300, 1 - 1e-16)
    log_norm = special.betaln(a, b)
    left = np.arange(len(x))
    for _ in range(200):
        points = x[left, None]
        excess = (weights[left] * special.betainc(a[left], b[left], points)).sum(1) - level
        high[left] = np.where(excess >= 0, x[left], high[left])
        low[left] = np.where(excess <= 0, x[left], low[left])
        log_density = (a[left] - 1) * np.log(points) + (b[left] - 1) * np.log1p(-points) - log_norm[left]
        slope = (weights[left] * np.exp(np.minimum(log_density, 700.0))).sum(1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = excess / slope
            moved = x[left] - step
        # Where the density diverges (alpha < 1, x near 0 or 1) a Newton step is tiny far from the answer: halve there.
        small = np.abs(step) < 1e-7
        near = np.abs(excess) < 1e-6
        newton = (moved > low[left]) & (moved < high[left]) & (near | ~small)
        moved = np.where(newton, moved, (low[left] + high[left]) / 2)
        done = (newton & small) | (high[left] - low[left] < 1e-7)
        x[left] = moved
        left = left[~done]
        if len(left) == 0:
            break
    return np.asarray(x)
