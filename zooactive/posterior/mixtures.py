"""Mixtures over draws of Beta and beta-binomial distributions: one answer's vote fraction, or its count of votes.

Every function takes Beta parameters `a`, `b` and the draws' `weights`, all float64 of shape (row, draw). The weights sum to
1 over the draws. A row is one answer of one galaxy. Quantiles, tails and probabilities are those of the mixture, never
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
"""The number of elements (row x draw) in one call of an incomplete beta function, which fit into a core's cache."""

Rows = NDArray[np.float64]


def quantiles(a: Rows, b: Rows, weights: Rows, levels: Sequence[float]) -> NDArray[np.float64]:
    """Return fractions x with P(fraction <= x) = level, to an absolute 1e-6, shape (row, level)."""
    return _by_rows(partial(_quantiles, levels=levels), a, b, weights)


def above(a: Rows, b: Rows, weights: Rows, fraction: float) -> NDArray[np.float64]:
    """Return P(fraction > `fraction`), shape (row,)."""
    return _by_rows(lambda a, b, w: (w * special.betaincc(a, b, fraction)).sum(1), a, b, weights)


def density(a: Rows, b: Rows, weights: Rows, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the density of the fraction at each `x` strictly between 0 and 1, shape (row, x)."""

    def of_rows(a: Rows, b: Rows, w: Rows) -> NDArray[np.float64]:
        a, b = a[..., None], b[..., None]
        log_density = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
        return np.asarray((w[..., None] * np.exp(log_density)).sum(1))

    return _by_rows(of_rows, a, b, weights, wide=len(x))


def count_probabilities(a: Rows, b: Rows, weights: Rows, votes: int) -> NDArray[np.float64]:
    """Return P(count = k) for k = 0 ... `votes` among that many votes: beta-binomials, shape (row, votes + 1)."""
    k = np.arange(votes + 1.0)
    log_ways = special.gammaln(votes + 1) - special.gammaln(k + 1) - special.gammaln(votes - k + 1)

    def of_rows(a: Rows, b: Rows, w: Rows) -> NDArray[np.float64]:
        # Each ratio of gamma functions separately: lnB(a + k, b + n - k) - lnB(a, b) would lose seven digits at a = 1e5.
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


def _quantiles(a: Rows, b: Rows, weights: Rows, levels: Sequence[float]) -> NDArray[np.float64]:
    """Solve sum_t w_t I_x(a_t, b_t) = level for x; (row, draw) -> (row, level).

    The search starts from the quantile of the Beta distribution with the mixture's mean and variance, which is exact if the
    draws agree.
    """
    total = a + b
    mean_t = a / total
    mean = (weights * mean_t).sum(1)
    variance = np.maximum((weights * mean_t * (a + 1) / (total + 1)).sum(1) - mean**2, 1e-300)
    spread = np.maximum(mean * (1 - mean) / variance - 1, 1e-3)
    like = np.maximum(mean * spread, 1e-6), np.maximum((1 - mean) * spread, 1e-6)
    a, b, weights = (np.ascontiguousarray(rows) for rows in (a, b, weights))
    log_norm = special.betaln(a, b)
    found = np.empty((len(a), len(levels)))
    for i, level in enumerate(levels):
        start = special.betaincinv(*like, level)
        start = np.clip(np.where(np.isfinite(start), start, mean), 1e-300, 1 - 1e-16)
        found[:, i] = _quantile(a, b, weights, log_norm, level, start)
    return found


def _quantile(
    a: Rows, b: Rows, weights: Rows, log_norm: Rows, level: float, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Search for the quantile from `start` (row,) inside a shrinking bracket.

    A step is the Taylor series of the inverse function to third order, because the derivatives of the density are cheap. The
    search ends when the fourth term would be negligible.
    """
    from zooactive.posterior.incomplete_beta import mixture_below  # compiled, so the import is slow

    x = start.copy()
    low, high = np.zeros_like(x), np.ones_like(x)
    left = np.arange(len(x))
    for _ in range(200):
        at = x[left]
        part = (a, b, weights, log_norm) if len(left) == len(x) else (a[left], b[left], weights[left], log_norm[left])
        missing = level - mixture_below(*part, at)
        high[left] = np.where(missing <= 0, at, high[left])
        low[left] = np.where(missing >= 0, at, low[left])
        first, second, third = _inverse_steps(*part, at, missing)
        with np.errstate(invalid="ignore", over="ignore"):
            moved = at + first + second + third
            converging = (np.abs(second) <= np.abs(first) / 2) & (np.abs(third) <= np.abs(second) / 2)
            fourth = np.maximum(_share(third**2, second), _share(second**3, first**2))
        # If the density diverges (alpha < 1, x near 0 or 1), steps are tiny far from the answer: bisect instead.
        honest = (np.abs(missing) < 1e-6) | (np.abs(first) > 1e-7)
        series = (moved > low[left]) & (moved < high[left]) & converging & honest
        x[left] = np.where(series, moved, (low[left] + high[left]) / 2)
        left = left[~((series & (fourth < 1e-9)) | (high[left] - low[left] < 1e-7))]
        if len(left) == 0:
            break
    return x


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the absolute value of a ratio, or 0 if both numbers are 0."""
    return np.abs(np.divide(part, whole, out=np.zeros_like(part), where=whole != 0))


def _inverse_steps(
    a: Rows, b: Rows, weights: Rows, log_norm: Rows, x: NDArray[np.float64], missing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return terms of the inverse of the mixture's distribution function F at F(x) + `missing`, each of shape (row,).

    With f = F' and u = missing / f, the terms are u, -f' u^2 / 2f and (3 f'^2 - f f'') u^3 / 6 f^2.
    """
    from zooactive.posterior.incomplete_beta import log_densities, times_derivatives  # compiled: the import takes a moment

    density = log_densities(a, b, log_norm, np.log(x), np.log1p(-x))
    density = weights * np.exp(np.minimum(density, 700.0, out=density), out=density)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        f, f1, f2 = (part.sum(1) for part in (density, *times_derivatives(density, a, b, x)))
        u, ratio = missing / f, f1 / f
        return u, -ratio * u**2 / 2, (3 * ratio**2 - f2 / f) * u**3 / 6
