"""The accuracy of predicted numbers on test galaxies, by the field's usual metrics, with 95% intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import PosteriorError
from zooactive.posterior.numbers import LEVELS, NumberPosterior

CATASTROPHIC = 0.15
"""The error abs(z - truth) / (1 + truth) above which a redshift counts as an outlier (Ilbert et al. 2006, A&A 457, 841)."""

FAR = 3.0
"""The number of scatters beyond which a number other than a redshift counts as an outlier."""

_RESAMPLES = 1000
_BLOCK = 2_000_000
"""The number of galaxies times resamples held at a time."""


def number_metrics(
    posterior: NumberPosterior,
    values: ArrayLike,
    *,
    errors: ArrayLike | None = None,
    redshift: bool = False,
    seed: int = 0,
) -> dict[str, float]:
    """Compare the predictions for galaxies with their labels.

    Parameters
    ----------
    posterior : NumberPosterior
    values : array_like, shape (galaxy,)
    errors : array_like, shape (galaxy,), optional
        The standard deviations of the labels. They are added to the predicted uncertainty before intervals and densities are
        measured.
    redshift : bool
        Whether to take differences relative to 1 + the label, and to call those beyond `CATASTROPHIC` outliers.
    seed : int
        The seed of the resamples of galaxies.

    Returns
    -------
    dict of str to float
        ``galaxies``; ``r2`` (1 minus the sum of squares about the predictions divided by that about the labels' mean);
        ``rmse``, ``baseline_rmse`` (when the labels' mean is predicted) and ``mean_absolute_error``, all in the column's
        unit; ``bias`` (the mean difference, prediction minus label), ``scatter`` (sigma_NMAD = 1.4826 times the median
        absolute deviation of the differences from their median) and ``outlier_fraction`` (beyond 3 sigma_NMAD from 0), for
        redshifts with the differences divided by 1 + z; ``coverage_50``, ``coverage_80``, ``coverage_95``; ``log_density``
        (the mean, in the column's unit). Each has ``_low`` and ``_high``, the 95% interval of a bootstrap over galaxies.

    Raises
    ------
    PosteriorError
        When there are no galaxies, or the number of labels differs.

    Examples
    --------
    >>> exact = NumberPosterior(np.array([1.0, 2.0]), np.full(2, 0.01), np.full(2, 0.01))
    >>> round(number_metrics(exact, [1.0, 2.0])["r2"], 3)
    1.0
    """
    y = np.asarray(values, dtype=np.float64)
    if y.shape != posterior.mean.shape or not len(y):
        raise PosteriorError(f"there are {len(posterior)} galaxies and {y.size} labels; give one label for each galaxy")
    known = posterior if errors is None else posterior.with_errors(errors)
    ends = [known.interval(level) for level in LEVELS]
    means = {
        f"coverage_{100 * level:.0f}": ((end[:, 0] <= y) & (y <= end[:, 1])).astype(float)
        for level, end in zip(LEVELS, ends, strict=True)
    } | {"log_density": known.log_density(y)}
    off = posterior.mean - y
    relative = off / (1 + y) if redshift else off
    columns = np.column_stack([y, off, relative, *means.values()])

    def measure(some: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the metrics of resamples (resample, galaxy, column)."""
        label, difference, scaled = some[..., 0], some[..., 1], some[..., 2]
        squares, about = (difference**2).mean(-1), label.var(-1)
        r2 = 1 - np.divide(squares, about, out=np.full(about.shape, np.nan), where=about > 0)
        middle = np.median(scaled, axis=-1, keepdims=True)
        scatter = 1.4826 * np.median(np.abs(scaled - middle), axis=-1)
        far = np.abs(scaled) > (CATASTROPHIC if redshift else FAR * scatter[..., None])
        plain = [r2, np.sqrt(squares), np.sqrt(about), np.abs(difference).mean(-1)]
        return np.stack([*plain, scaled.mean(-1), scatter, far.mean(-1), *np.moveaxis(some[..., 3:].mean(-2), -1, 0)], -1)

    names = ("r2", "rmse", "baseline_rmse", "mean_absolute_error", "bias", "scatter", "outlier_fraction", *means)
    return {"galaxies": float(len(y))} | _with_intervals(columns, measure, names, np.random.default_rng(seed))


def _with_intervals(
    columns: NDArray[np.float64],
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    names: tuple[str, ...],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return each metric with the ends of its interval by resampling galaxies."""
    n, found = len(columns), measure(columns)
    at_once = max(1, _BLOCK // (n * columns.shape[1]))
    parts = [
        measure(columns[rng.integers(0, n, (min(at_once, _RESAMPLES - start), n))])
        for start in range(0, _RESAMPLES, at_once)
    ]
    resampled = np.concatenate(parts)
    out: dict[str, float] = {}
    for i, name in enumerate(names):
        sane = resampled[np.isfinite(resampled[:, i]), i]
        low, high = np.quantile(sane, [0.025, 0.975]) if len(sane) else (np.nan, np.nan)
        out |= {name: float(found[i]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return out
