"""The last-layer Laplace approximation: the last, linear layer with a Gaussian posterior around its trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import ModelError
from zooactive.models.head.activation import activate, check_concentrations, slope_of_outputs
from zooactive.models.head.draws import LinearDraws, check_galaxies, check_linear, noise
from zooactive.models.head.dropout import LinearHead
from zooactive.posterior import Posterior
from zooactive.posterior.loss import negative_log_likelihood
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import checked_votes, log_likelihood_slope

PRIORS = tuple(10.0**power for power in range(-1, 7))
"""The prior precisions of each weight that are tried, the widest posterior first."""


@dataclass(frozen=True, eq=False)
class LaplaceHead(LinearDraws):
    """Trained weights W with a matrix-normal posterior, W_t = W + U (E_t / sqrt(N a g' + prior)) V'.

    N A and G are the Kronecker factors of the curvature of the training votes' log likelihood. A = U diag(a) U' is the mean
    of phi phi' over galaxies, with phi the features and a 1 for the bias. G = V diag(g) V' is the mean of s s', with s the
    slope of a galaxy's log likelihood with respect to the linear outputs (the empirical Fisher information). E_t is standard
    normal noise.

    Parameters
    ----------
    kernel, bias : array_like, shapes (feature, answer) and (answer,)
        W, stored as float32.
    feature_axes, answer_axes : array_like, shapes (feature + 1, axis) and (answer, answer)
        U and V. There are as many axes as features and the bias, or fewer if the other weights have no uncertainty.
    precision : array_like, shape (axis, answer)
        N a g' + prior.
    concentrations : {"sigmoid", "softplus", "fraction"}
    tree : DecisionTree

    Raises
    ------
    ModelError
        If shapes disagree, a number is not finite, or a precision is not positive.

    Notes
    -----
    Ritter, Botev & Barber 2018 (ICLR), with the eigenvalues of the factors, so that the prior is added exactly. Only the
    last layer is approximated, as in Daxberger et al. 2021 (arXiv:2106.14806). The empirical information also exists for
    pseudo-counts; the expected information is defined only for whole votes.
    """

    kind: ClassVar[str] = "laplace"

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    feature_axes: NDArray[np.float32]
    answer_axes: NDArray[np.float32]
    precision: NDArray[np.float32]
    concentrations: str
    tree: DecisionTree

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # values that are not finite are refused below
            for name in self._arrays():
                object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=np.float32))
        check_concentrations(self.concentrations)
        check_linear(self.kernel, self.bias, self.tree)
        if self.kernel.ndim != 2:
            raise ModelError(f"the head has a kernel of shape {self.kernel.shape}; give (feature, answer)")
        rows, answers = len(self.kernel) + 1, len(self.bias)
        shapes, axes = [self.feature_axes.shape, self.answer_axes.shape, self.precision.shape], len(self.precision)
        if shapes != [(rows, axes), (answers, answers), (axes, answers)]:
            raise ModelError(
                f"axes and precisions have the shapes {shapes}; a kernel of {self.kernel.shape} needs ({rows}, axes), "
                f"({answers}, {answers}) and (axes, {answers})"
            )
        if not all(np.isfinite(axes).all() for axes in (self.feature_axes, self.answer_axes)):
            raise ModelError("an axis is not finite; fit the draws again")
        if not (np.isfinite(self.precision).all() and (self.precision > 0).all()):
            raise ModelError("a precision is not finite and positive; fit the draws again")

    def draw_weights(self, first: int, last: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return sampled kernels and biases; each draw has its own noise."""
        spread = 1 / np.sqrt(self.precision)
        mean = np.vstack([self.kernel, self.bias])
        draws = np.empty((last - first, *mean.shape), dtype=np.float32)
        for draw, weights in zip(range(first, last), draws, strict=True):
            e = noise(seed, draw).standard_normal(self.precision.shape, dtype=np.float32)
            weights[:] = mean + self.feature_axes @ (e * spread) @ self.answer_axes.T
        return draws[:, :-1], draws[:, -1]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        names = ("kernel", "bias", "feature_axes", "answer_axes", "precision")
        return {name: getattr(self, name) for name in names}

    def _settings(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]], about: dict[str, Any], tree: DecisionTree) -> LaplaceHead:
        """Make a head from its saved arrays and settings."""
        return cls(**arrays, concentrations=about["concentrations"], tree=tree)


def fit_laplace(
    head: LinearHead,
    features: ArrayLike,
    votes: ArrayLike,
    *,
    validation: tuple[ArrayLike, ArrayLike],
    priors: Sequence[float] = PRIORS,
    draws: int = 32,
) -> LaplaceHead:
    """Fit a Laplace approximation to a trained head, from the features and votes that it was trained on.

    The prior precision is the smallest that the validation votes do not contradict: see `widest_of`.

    Parameters
    ----------
    head : LinearHead
        The head of a trained model.
    features : array_like, shape (galaxy, feature)
        The features of the training galaxies, as `zooactive.models.features.embed` returns them.
    votes : array_like, shape (galaxy, answer)
    validation : tuple of features and votes
        Galaxies that are neither training nor test galaxies.
    priors : sequence of float
        The prior precisions of each weight to try, smallest first.
    draws : int
        The number of draws for the validation loss.

    Returns
    -------
    LaplaceHead

    Raises
    ------
    ModelError, PosteriorError
        If shapes do not fit, votes are negative or not finite, or there is no galaxy or no prior.
    """
    phi = head.with_one(features).astype(np.float64)
    check_galaxies(len(phi), "training")
    k = checked_votes(votes, head.tree, len(phi))
    z = (phi @ np.vstack([head.kernel, head.bias]).astype(np.float64)).astype(np.float32)
    alpha = activate(z, head.concentrations, head.tree).astype(np.float64)
    slope = slope_of_outputs(z, log_likelihood_slope(k, alpha, head.tree), head.concentrations, head.tree)
    curvature, feature_axes, answer_axes = curvature_of(phi, slope)

    def with_prior(prior: float) -> LaplaceHead:
        precision = (curvature + prior).astype(np.float32)
        return LaplaceHead(head.kernel, head.bias, feature_axes, answer_axes, precision, head.concentrations, head.tree)

    return widest_of([with_prior(prior) for prior in priors], *validation, draws=draws)


def curvature_of(
    phi: NDArray[np.float64], slope: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any]]:
    """Return N a g' of `LaplaceHead`, shape (feature + 1, answer), and its axes U and V, from phi and s of every galaxy."""
    a, feature_axes = np.linalg.eigh(phi.T @ phi / len(phi))
    g, answer_axes = np.linalg.eigh(slope.T @ slope / len(phi))
    return len(phi) * np.outer(np.maximum(a, 0), np.maximum(g, 0)), feature_axes, answer_axes


Draws = TypeVar("Draws", bound=LinearDraws)


def widest_of(candidates: Sequence[Draws], features: ArrayLike, votes: ArrayLike, *, draws: int) -> Draws:
    """Choose among draws that are more and more alike, by votes that none of them was fitted to.

    The likelihood of single galaxies' votes hardly tells how far draws should differ, so the candidate with the least loss
    is not simply taken. Instead the first candidate, in the given order, is returned whose mean loss exceeds the least one
    by no more than the standard error of that excess over galaxies (the one-standard-error rule of Breiman et al. 1984).

    Parameters
    ----------
    candidates : sequence of LinearDraws
        The candidates, those whose draws differ most first.
    features : array_like, shape (galaxy, feature)
    votes : array_like, shape (galaxy, answer)
    draws : int

    Raises
    ------
    ModelError
        If there are no candidates or no galaxies.
    """
    if not candidates:
        raise ModelError("there are no draws to choose from; give at least one prior")
    check_galaxies(len(np.asarray(features)), "validation")
    losses = np.stack([losses_of(candidate, features, votes, draws=draws) for candidate in candidates])
    best = losses[np.argmin(losses.mean(1))]
    excess = losses - best
    error = excess.std(1) / np.sqrt(excess.shape[1])
    return candidates[int(np.argmax(excess.mean(1) <= error))]


def losses_of(head: LinearDraws, features: ArrayLike, votes: ArrayLike, *, draws: int) -> NDArray[np.float64]:
    """Return the negative log likelihood of each galaxy's votes under a head's draws, in nats, shape (galaxy,)."""
    concentrations = head.posterior_concentrations(features, draws=draws, seed=0)
    names = (str(i) for i in range(concentrations.shape[1]))
    return negative_log_likelihood(Posterior(concentrations, names, head.tree), votes)
