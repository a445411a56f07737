"""The centre and spread of features, which scale the features of any encoder to numbers that float16 can hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import ModelError

_ROWS = 4096
"""The number of galaxies that are summed at once, in float64."""
_LARGEST = 65504.0
"""The largest float16."""


@dataclass(frozen=True, eq=False)
class FeatureScale:
    """The number that is subtracted from each feature, and the number that divides the difference.

    Parameters
    ----------
    centre, spread : ndarray of float32, shape (feature,)
        A feature that is the same for all galaxies has the spread 1.
    """

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]

    def __post_init__(self) -> None:
        fits = self.centre.ndim == 1 and self.centre.shape == self.spread.shape
        if not fits or not np.isfinite(self.centre).all() or not (np.isfinite(self.spread) & (self.spread > 0)).all():
            raise ModelError("the centre and the spread of features are not one number each; save the model again")

    @classmethod
    def of_features(cls, features: NDArray[np.floating]) -> FeatureScale:
        """Return the mean and the standard deviation of each feature over all galaxies, (galaxy, feature)."""
        number, width = features.shape
        chunks = [slice(start, start + _ROWS) for start in range(0, number, _ROWS)]
        centre = sum((features[rows].sum(0, dtype=np.float64) for rows in chunks), np.zeros(width)) / number
        # Squares about the centre, because plain squares of features far from zero would lose the digits that tell galaxies
        # apart.
        square = sum((((features[rows] - centre) ** 2).sum(0) for rows in chunks), np.zeros(width)) / number
        spread = np.sqrt(square)
        rounding = 1e-6 * np.abs(centre)  # the rounding of float32, in which the features may be
        return cls(centre.astype(np.float32), np.where(spread > rounding, np.maximum(spread, 1e-30), 1).astype(np.float32))

    def of(self, features: ArrayLike) -> NDArray[np.float16]:
        """Return features as they are stored, (galaxy, feature); values far outside the spread stay finite."""
        values = np.asarray(features)
        out = np.empty(values.shape, dtype=np.float16)
        for start in range(0, len(values), _ROWS):  # converted to float32 all at once, they would need twice the memory
            rows = slice(start, start + _ROWS)
            scaled = (values[rows].astype(np.float32) - self.centre) / self.spread
            out[rows] = np.clip(scaled, -_LARGEST, _LARGEST)
        return out
