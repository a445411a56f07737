"""A model's expectation of a number, such as a galaxy's mass: its mean, its uncertainty, and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.foundation.errors import PosteriorError

LEVELS = (0.5, 0.8, 0.95)
"""The probabilities of the intervals that are stored and measured."""

_HALVINGS = 60


@dataclass(frozen=True, eq=False)
class NumberPosterior:
    """The distribution of each galaxy's label: a normal distribution, or a mixture of two with the same mean.

    A label differs from the mean by a normal deviate with the variance ``weight + noise``. With probability `share` it is an
    outlier, and that variance is ``weight + wide``.

    Parameters
    ----------
    mean : ndarray of float64, shape (galaxy,)
    weight : ndarray of float64, shape (galaxy,)
        The variance of the mean, which more labels would lower.
    noise : ndarray of float64, shape (galaxy,)
        The variance of labels around the mean, which more labels do not lower.
    share : ndarray of float64, shape (galaxy,), or float
        The share of labels that are outliers.
    wide : ndarray of float64, shape (galaxy,), or float
        The variance of outliers around the mean.

    Raises
    ------
    PosteriorError
        When shapes differ, or a variance or the share is impossible.

    Examples
    --------
    >>> mass = NumberPosterior(np.array([10.0]), np.array([0.03]), np.array([0.01]))
    >>> mass.deviation().round(3).tolist(), mass.interval(0.95).round(2).tolist()
    ([0.2], [[9.61, 10.39]])
    """

    mean: NDArray[np.float64]
    weight: NDArray[np.float64]
    noise: NDArray[np.float64]
    share: NDArray[np.float64] | float = 0.0
    wide: NDArray[np.float64] | float = 1.0

    def __post_init__(self) -> None:
        if not self.mean.shape == self.weight.shape == self.noise.shape or self.mean.ndim != 1:
            raise PosteriorError("means and variances of numbers have different shapes; give one of each per galaxy")
        if not (np.isfinite(self.mean).all() and (self.weight >= 0).all() and (self.noise >= 0).all()):
            raise PosteriorError("a mean is not finite or a variance is negative; fit the model again")
        share, wide = np.asarray(self.share, dtype=np.float64), np.asarray(self.wide, dtype=np.float64)
        if not (((share >= 0) & (share < 1)).all() and ((wide > 0) & (wide < np.inf)).all()):
            raise PosteriorError("the share of outliers or their variance is impossible; fit the model again")

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> NumberPosterior:
        """Return the distributions of some galaxies."""
        share, wide = (
            part[rows] if isinstance(part, np.ndarray) and part.ndim else part for part in (self.share, self.wide)
        )
        return NumberPosterior(self.mean[rows], self.weight[rows], self.noise[rows], share, wide)

    def with_errors(self, errors: ArrayLike) -> NumberPosterior:
        """Return the distribution of labels with their own measurement errors, given as standard deviations (galaxy,).

        The squared errors are added to `weight`, which applies both to usual labels and to outliers.
        """
        return replace(self, weight=self.weight + np.asarray(errors, dtype=np.float64) ** 2)

    def deviation(self) -> NDArray[np.float64]:
        """Return the standard deviation of each galaxy's label, including outliers, shape (galaxy,)."""
        return np.asarray(np.sqrt(self.weight + (1 - self.share) * self.noise + self.share * self.wide))

    def log_density(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the log density at one value per galaxy, shape (galaxy,)."""
        off = (np.asarray(values, dtype=np.float64) - self.mean) ** 2
        usual = _log_normal(off, self.weight + self.noise)
        outlying = _log_normal(off, self.weight + self.wide)
        with np.errstate(divide="ignore"):  # without outliers, the log of their share is -inf, and they add nothing
            return np.asarray(np.logaddexp(np.log1p(-self.share) + usual, np.log(self.share) + outlying))

    def log_beyond(self, limits: ArrayLike, above: ArrayLike) -> NDArray[np.float64]:
        """Return the log probability that a label lies beyond one limit per galaxy, shape (galaxy,).

        `above` says, for each galaxy, whether beyond means above the limit (true) or below it (false).
        """
        off = np.where(np.asarray(above, dtype=bool), 1.0, -1.0) * (self.mean - np.asarray(limits, dtype=np.float64))
        usual = special.log_ndtr(off / np.sqrt(self.weight + self.noise))
        outlying = special.log_ndtr(off / np.sqrt(self.weight + self.wide))
        with np.errstate(divide="ignore"):  # as in `log_density`
            return np.asarray(np.logaddexp(np.log1p(-self.share) + usual, np.log(self.share) + outlying))

    def interval(self, level: float) -> NDArray[np.float64]:
        """Return the shortest interval that contains a label with this probability, shape (galaxy, 2).

        Raises
        ------
        PosteriorError
            When the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise PosteriorError(f"level = {level}; give a probability between 0 and 1")
        half = self._half_width(level)
        return np.column_stack([self.mean - half, self.mean + half])

    def intervals(self, levels: Sequence[float] = LEVELS) -> dict[str, NDArray[np.float64]]:
        """Return the ends of several intervals by column name: ``low_50``, ``high_50`` and so on."""
        out: dict[str, NDArray[np.float64]] = {}
        for level in levels:
            ends = self.interval(level)
            out |= {f"low_{level * 100:.0f}": ends[:, 0], f"high_{level * 100:.0f}": ends[:, 1]}
        return out

    def information(self) -> NDArray[np.float64]:
        """Return the information that a label would give about the model's weights, in nats, shape (galaxy,).

        For a label that is not an outlier, it is 1/2 log(1 + weight / noise): the entropy of a normal distribution with the
        variance weight + noise, minus that of one with the variance noise (MacKay 1992, Neural Computation 4, 590).
        """
        return np.asarray(0.5 * np.log1p(self.weight / self.noise))

    def _half_width(self, level: float) -> NDArray[np.float64]:
        """Solve (1 - share) P(|N(0, usual)| < t) + share P(|N(0, outlying)| < t) = level for t, by bisection."""
        normal = float(special.ndtri(0.5 + level / 2))
        usual, outlying = np.sqrt(self.weight + self.noise), np.sqrt(self.weight + self.wide)
        if not np.any(self.share):
            return np.asarray(normal * usual)
        low, high = normal * np.minimum(usual, outlying), normal * np.maximum(usual, outlying)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            held = 2 * ((1 - self.share) * special.ndtr(middle / usual) + self.share * special.ndtr(middle / outlying)) - 1
            low, high = np.where(held < level, middle, low), np.where(held < level, high, middle)
        return np.asarray((low + high) / 2)


def _log_normal(squared: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-0.5 * (np.log(2 * np.pi * variance) + squared / variance))
