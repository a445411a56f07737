"""Many last, linear layers, trained at the same time on features that were computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import ModelError
from zooactive.models.head.activation import activate, check_concentrations, slope_of_outputs
from zooactive.models.head.draws import LinearDraws, check_draws, check_galaxies, check_linear, noise
from zooactive.models.head.dropout import LinearHead
from zooactive.models.head.laplace import widest_of
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import checked_votes, log_likelihood_slope

_BATCH = 256
_SMALLEST = 1e-8
"""Keeps Adam's step finite."""


@dataclass(frozen=True, eq=False)
class HeadEnsemble(LinearDraws):
    """The kernels and biases of several heads; draw t is head t, whatever the seed.

    Parameters
    ----------
    kernel : array_like, shape (member, feature, answer)
    bias : array_like, shape (member, answer)
    concentrations : {"sigmoid", "softplus", "fraction"}
    tree : DecisionTree

    Raises
    ------
    ModelError
        When shapes disagree or a weight is not finite.
    """

    kind: ClassVar[str] = "ensemble"

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    concentrations: str
    tree: DecisionTree

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # what is not finite is refused below
            object.__setattr__(self, "kernel", np.ascontiguousarray(self.kernel, dtype=np.float32))
            object.__setattr__(self, "bias", np.ascontiguousarray(self.bias, dtype=np.float32))
        check_concentrations(self.concentrations)
        check_linear(self.kernel, self.bias, self.tree)
        if self.kernel.ndim != 3:
            raise ModelError(f"the heads have kernels of shape {self.kernel.shape}; give (member, feature, answer)")

    def draw_weights(self, first: int, last: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the weights of some members."""
        if last > len(self.kernel):
            raise ModelError(
                f"{last} draws were asked for and the ensemble has {len(self.kernel)} heads; ask for so many, or fewer"
            )
        return self.kernel[first:last], self.bias[first:last]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"kernel": self.kernel, "bias": self.bias}

    def _settings(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]], about: dict[str, Any], tree: DecisionTree) -> HeadEnsemble:
        """Make it from what was saved."""
        return cls(arrays["kernel"], arrays["bias"], about["concentrations"], tree)


def fit_head_ensemble(
    head: LinearHead,
    features: ArrayLike,
    votes: ArrayLike,
    *,
    validation: tuple[ArrayLike, ArrayLike],
    members: int = 64,
    epochs: int = 10,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> HeadEnsemble:
    """Train several heads, each on training galaxies that are weighted at random: the weighted likelihood bootstrap.

    Every member starts from the trained head and gives each galaxy a weight of its own, drawn from the exponential
    distribution of mean 1. The ensemble after each epoch is judged by the validation votes, and the latest is kept that they
    do not speak against (`zooactive.models.head.laplace.widest_of`); that may be the start, in which case all members are
    the trained head and say so by agreeing.

    Parameters
    ----------
    head : LinearHead
        Of a trained model.
    features : array_like, shape (galaxy, feature)
        Of the training galaxies, as `zooactive.models.features.embed` gives them.
    votes : array_like, shape (galaxy, answer)
    validation : tuple of features and votes
        Of other galaxies than those, and than any that are tested on.
    members : int
    epochs : int
    learning_rate : float
        Of Adam.
    seed : int
        Of the galaxies' weights and their order.

    Returns
    -------
    HeadEnsemble

    Raises
    ------
    ModelError, PosteriorError
        When shapes do not fit, votes are negative or not finite, or there is no galaxy to fit by.

    Notes
    -----
    Newton & Raftery 1994 (J. R. Stat. Soc. B 56, 3): the maxima of a likelihood with random weights are spread like its
    posterior. Adam is that of Kingma & Ba 2015.
    """
    check_draws(members, seed)
    phi = head.with_one(features)
    check_galaxies(len(phi), "training")
    check_galaxies(len(np.asarray(validation[0])), "validation")  # before training, not after
    k = checked_votes(votes, head.tree, len(phi))
    share = np.stack([noise(seed, member).standard_exponential(len(phi)) for member in range(members)]).astype(np.float32)
    order = noise(seed, members)
    weights = np.repeat(np.vstack([head.kernel, head.bias])[None], members, axis=0)  # (member, feature + 1, answer)
    first, second, step = np.zeros_like(weights), np.zeros_like(weights), 0
    stages = [_ensemble(weights, head)]
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(len(phi)), max(1, len(phi) // _BATCH)):
            slope = _slope(weights, phi[rows], k[rows], share[:, rows], head)
            step += 1
            first += 0.1 * (slope - first)
            second += 0.001 * (slope * slope - second)
            rate = learning_rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            weights -= np.float32(rate) * first / (np.sqrt(second) + np.float32(_SMALLEST))
        stages.append(_ensemble(weights, head))
    return widest_of(stages[::-1], *validation, draws=members)


def _slope(
    weights: NDArray[np.float32],
    phi: NDArray[np.float32],
    votes: NDArray[np.float64],
    share: NDArray[np.float32],
    head: LinearHead,
) -> NDArray[np.float32]:
    """Slope of the mean loss of a batch by each member's weights, (member, feature + 1, answer)."""
    z = phi @ weights  # (member, galaxy, answer)
    alpha = activate(z, head.concentrations, head.tree).astype(np.float64)
    slope = slope_of_outputs(z, log_likelihood_slope(votes, alpha, head.tree), head.concentrations, head.tree)
    outward = (-slope * share[..., None] / len(phi)).astype(np.float32)
    return np.asarray(phi.T @ outward)


def _ensemble(weights: NDArray[np.float32], head: LinearHead) -> HeadEnsemble:
    return HeadEnsemble(weights[:, :-1].copy(), weights[:, -1].copy(), head.concentrations, head.tree)
