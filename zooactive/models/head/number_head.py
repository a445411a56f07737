"""A head that predicts a number: a normal distribution over the weights of a linear model, and the noise of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.npz import read_npz
from zooactive.foundation.writing import aside
from zooactive.models.head.bayesian import FeatureAxes
from zooactive.posterior.numbers import NumberPosterior

_ROWS = 4096
"""The number of galaxies whose components are in memory at once, in float64."""


@dataclass(frozen=True, eq=False)
class NumberHead:
    """A linear model of a number on principal axes of the features, with the uncertainty of its weights.

    The label of a galaxy with components x, in the column's unit, is ``centre + scale * (w . (x, 1) + noise)``. The weights
    w have a normal distribution. The log variance of the noise is linear in x, within its range among the training galaxies.
    A share of the labels are outliers, with their own variance.

    Parameters
    ----------
    axes : FeatureAxes
        K components of F features.
    weights : ndarray of float64, shape (component + 1,)
        The mean of w, the bias last.
    factor : ndarray of float64, shape (component + 1, component + 1)
        The covariance of w is ``factor.T @ factor``.
    noise : ndarray of float64, shape (component + 1,)
        The coefficients of the log variance; all but the last are 0 if the noise is constant.
    bounds : (float, float)
        The bounds of the log variance.
    share, wide : float
        The share and variance of outliers, the latter relative to `scale` squared.
    centre, scale : float
        The centre and scale of the column, in its own unit.

    Raises
    ------
    ModelError
        If shapes do not fit or a number is impossible.
    """

    axes: FeatureAxes
    weights: NDArray[np.float64]
    factor: NDArray[np.float64]
    noise: NDArray[np.float64]
    bounds: tuple[float, float]
    share: float
    wide: float
    centre: float
    scale: float

    def __post_init__(self) -> None:
        features, components = self.axes.axes.shape if self.axes.axes.ndim == 2 else (-1, -1)
        wide = components + 1
        shapes = (self.axes.centre.shape, self.weights.shape, self.factor.shape, self.noise.shape)
        if shapes != ((features,), (wide,), (wide, wide), (wide,)):
            raise ModelError(f"a head for numbers has arrays of shapes {shapes}, which do not fit; fit it again")
        arrays = (self.axes.centre, self.axes.axes, self.weights, self.factor, self.noise)
        numbers = (*self.bounds, self.wide, self.centre, self.scale)
        finite = all(np.isfinite(array).all() for array in arrays) and np.isfinite(numbers).all()
        possible = self.bounds[0] <= self.bounds[1] < 700 and 0 <= self.share < 1 and self.wide > 0 and self.scale > 0
        if not (finite and possible):
            raise ModelError("a head for numbers holds values that are not finite or not possible; fit it again")

    @property
    def features(self) -> int:
        """The number of features that it takes."""
        return len(self.axes.centre)

    @property
    def constant(self) -> bool:
        """Return whether all galaxies have the same noise."""
        return not self.noise[:-1].any()

    def predict(self, features: ArrayLike) -> NumberPosterior:
        """Return the distribution of each galaxy's label in the column's unit; features (galaxy, feature)."""
        x = np.asarray(features)
        if x.ndim != 2 or x.shape[1] != self.features:
            raise ModelError(
                f"the features have the shape {x.shape}, but this head takes {self.features} of them; use its own encoder"
            )
        parts = [self._standardised(x[start : start + _ROWS]) for start in range(0, len(x), _ROWS)]
        mean, weight, noise = (
            (np.concatenate([np.empty(0), *part]) for part in zip(*parts, strict=True)) if parts else (np.empty(0),) * 3
        )
        unit = self.scale**2
        return NumberPosterior(self.centre + self.scale * mean, unit * weight, unit * noise, self.share, unit * self.wide)

    def directions(self, features: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the directions of galaxies among the weights, z (galaxy, component + 1), and their noise variance
        (galaxy,).

        The directions are scaled so that the weights have the covariance 1: the variance of a galaxy's mean is ``|z|^2``,
        and the covariance of two means is ``z . z'``, both relative to `scale` squared.
        """
        phi = _with_one(self.axes.of(features))
        return np.asarray(phi @ self.factor.T), self._noise(phi)

    def _standardised(self, features: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
        phi = _with_one(self.axes.of(features))
        return phi @ self.weights, ((phi @ self.factor.T) ** 2).sum(1), self._noise(phi)

    def _noise(self, phi: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.exp(np.clip(phi @ self.noise, *self.bounds)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all numbers by name, as `save` writes them."""
        return {
            "axes_centre": self.axes.centre,
            "axes": self.axes.axes,
            "weights": self.weights,
            "factor": self.factor,
            "noise": self.noise,
            "numbers": np.array([*self.bounds, self.share, self.wide, self.centre, self.scale]),
        }

    def save(self, path: Path) -> None:
        """Write the head as ``.npz``."""
        with aside(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **self.arrays())

    @classmethod
    def load(cls, path: Path) -> NumberHead:
        """Read a head that `save` wrote; raise a ModelError if it is missing or damaged."""
        missing = explained(ModelError, f"{path} is missing; the model is incomplete: fit it again", FileNotFoundError)
        with explained(ModelError, f"{path} is damaged ({{reason}}); fit the model again"), missing:
            return cls._of_arrays(read_npz(path))

    @classmethod
    def _of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NumberHead:
        low, high, share, wide, centre, scale = map(float, arrays["numbers"])
        axes = FeatureAxes(arrays["axes_centre"].astype(np.float32), arrays["axes"].astype(np.float32))
        weights, factor, noise = (arrays[name].astype(np.float64) for name in ("weights", "factor", "noise"))
        return cls(axes, weights, factor, noise, (low, high), share, wide, centre, scale)


def _with_one(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return components (galaxy, component) with a final one that is 1 everywhere, for the bias."""
    return np.column_stack([x.astype(np.float64), np.ones(len(x))])
