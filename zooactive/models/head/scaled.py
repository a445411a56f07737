"""Draws of any kind whose concentrations are multiplied by one factor per question: those of a calibrated model."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import ModelError
from zooactive.models.head.draws import LinearDraws
from zooactive.posterior.corrections import checked_factors


class ScaledDraws(LinearDraws):
    """Draws of a head with scaled concentrations.

    Parameters
    ----------
    draws : LinearDraws
        Draws that are not scaled themselves.
    factors : array_like, shape (question,)
        As returned by `zooactive.training.calibrate.fit_concentration_factors`.

    Raises
    ------
    ModelError
        If there is not one factor for each question, or a factor is not finite and positive.
    """

    kind: ClassVar[str] = "scaled"

    def __init__(self, draws: LinearDraws, factors: ArrayLike) -> None:
        self.draws = draws
        self.kernel, self.concentrations, self.tree = draws.kernel, draws.concentrations, draws.tree
        self.factors = checked_factors(factors, draws.tree, ModelError)

    def draw_weights(self, first: int, last: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the weights of the underlying draws."""
        return self.draws.draw_weights(first, last, seed)

    def posterior_concentrations(self, features: ArrayLike, *, draws: int, seed: int) -> NDArray[np.float32]:
        """Draw concentrations as `LinearDraws.posterior_concentrations` does, and scale them."""
        drawn = super().posterior_concentrations(features, draws=draws, seed=seed)
        drawn *= self.factors[self.tree.question_index].astype(np.float32)
        return drawn

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {**self.draws._arrays(), "factors": self.factors}

    def _settings(self) -> dict[str, Any]:
        return {**self.draws._settings(), "scaled": self.draws.kind}
