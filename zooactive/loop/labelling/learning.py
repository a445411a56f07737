"""A head fitted to the labels so far: its predictions for unlabelled galaxies, and its cross-validated quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.acquisition.scores.one_vote import one_vote_information
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.models import FeatureAxes, find_axes, fit_bayesian_head
from zooactive.models.head.bayesian import ProbableWeights, most_probable_weights
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    from zooactive.models import LaplaceHead

FOLDS = 5
"""The number of cross-validation folds of the labelled galaxies."""

COMPONENTS = 128
"""The largest number of principal components of the pool's features that the head is fitted to."""

_AXES_FROM = 20_000
"""The largest number of galaxies of the pool from which the principal components are found."""

_PRECISIONS = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""Precisions of the prior on the weights; cross-validation chooses one."""

_DRAWS = 64
_ROWS = 8192
"""The number of galaxies whose features are held as float32 at a time."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """A fitted head, and its cross-validated predictions for its training galaxies.

    Parameters
    ----------
    head : LaplaceHead
        The maximum a posteriori weights, and the normal approximation around them.
    precision : float
        The precision of the prior.
    votes : ndarray of float64, shape (label, answer)
        1 where a galaxy was given an answer.
    told : ndarray of float64, shape (label, answer)
        The probability of each answer if its question is asked, by fits that did not train on the galaxy.
    """

    head: LaplaceHead
    precision: float
    votes: NDArray[np.float64]
    told: NDArray[np.float64]

    def probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Return the probability of each answer if its question is asked, by the most probable weights, (galaxy, answer)."""
        out = np.empty((len(features), len(self.head.bias)), dtype=np.float32)
        for start in range(0, len(features), _ROWS):
            logits = features[start : start + _ROWS].astype(np.float32) @ self.head.kernel + self.head.bias
            out[start : start + _ROWS] = _softmax(logits, self.head.tree)
        return out

    def information(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the information that the answers to each galaxy would give about the weights, in nats, shape (galaxy,).

        For a single question, the information is the entropy of the expected label minus the expected entropy given the
        weights, estimated from draws of the weights. For a tree of several questions, it is
        `zooactive.acquisition.scores.one_vote.one_vote_information`.
        """
        out, tree = np.empty(len(features)), self.head.tree
        for start in range(0, len(features), _ROWS):
            alpha = self.head.posterior_concentrations(features[start : start + _ROWS], draws=_DRAWS, seed=0)
            if len(tree.questions) > 1:
                out[start : start + _ROWS] = one_vote_information(Posterior(alpha, map(str, range(alpha.shape[1])), tree))
                continue
            shares = alpha / alpha.sum(-1, keepdims=True)
            out[start : start + _ROWS] = _entropy(shares.mean(0)) - _entropy(shares).mean(0)
        return np.maximum(out, 0)


def axes_of(features: NDArray[np.float16]) -> FeatureAxes:
    """Find the principal components of a pool's features, (galaxy, feature); a large pool is sampled evenly."""
    every = max(1, -(-len(features) // _AXES_FROM))
    some = features[::every]
    chunks = (some[start : start + _ROWS] for start in range(0, len(some), _ROWS))
    return find_axes(chunks, components=COMPONENTS, floor=1.0)


def learnable(labels: NDArray[np.int64]) -> bool:
    """Return whether at least two answers to the first question have two labels each, the fewest that folds need."""
    return bool((np.bincount(labels) >= 2).sum() >= 2) if len(labels) else False


def first_answers(votes: NDArray[np.float64], tree: DecisionTree) -> NDArray[np.int64]:
    """Return the index of each galaxy's answer to the first question, (label,)."""
    return np.asarray(votes[:, tree.slices[tree.order[0]]].argmax(1), dtype=np.int64)


def learn(
    x: NDArray[np.float16],
    votes: NDArray[np.float64],
    ids: Sequence[str],
    tree: DecisionTree,
    axes: FeatureAxes,
    *,
    seed: int = 0,
) -> Learnt:
    """Fit a head to all labels, with a prior chosen by five-fold cross-validation.

    Parameters
    ----------
    x : ndarray of float16, shape (label, feature)
        Features of the labelled galaxies, in the form that the head takes.
    votes : ndarray of float64, shape (label, answer)
        1 where a galaxy was given an answer.
    ids : sequence of str, length label
    tree : DecisionTree
    axes : FeatureAxes
        The result of `axes_of`.
    """
    first = first_answers(votes, tree)
    fold = _folds(first, ids, seed)
    parts = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(min(FOLDS, len(x)))]
    parts = [(train, test) for train, test in parts if len(test) and len(np.unique(first[train])) > 1]
    losses, fits = dict.fromkeys(_PRECISIONS, 0.0), []
    for train, test in parts:
        fit = _fit(x, votes, train, test, tree, axes, _PRECISIONS)
        fits.append(fit)
        losses = {precision: losses[precision] + len(test) * fit.losses[precision] for precision in _PRECISIONS}
    best = min(losses, key=losses.__getitem__)
    told = np.full(votes.shape, np.nan)
    for (train, test), fit in zip(parts, fits, strict=True):
        if fit.precision != best:
            fit = _fit(x, votes, train, test, tree, axes, (best,))
        told[test] = _softmax(x[test].astype(np.float32) @ fit.kernel.astype(np.float32) + fit.bias, tree)
    whole = fit_bayesian_head(None, (x, votes), tree, axes, concentrations="fraction", precisions=(best,), in_turn=True)
    return Learnt(whole.head, best, votes, told)


def _fit(
    x: NDArray[np.float16],
    votes: NDArray[np.float64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    tree: DecisionTree,
    axes: FeatureAxes,
    precisions: Sequence[float],
) -> ProbableWeights:
    parts = (x[train], votes[train]), (x[test], votes[test])
    return most_probable_weights(*parts, tree, axes, concentrations="fraction", precisions=precisions)


def _folds(labels: NDArray[np.int64], ids: Sequence[str], seed: int) -> NDArray[np.int64]:
    """Return the fold of each label, by hashed id; each answer is spread evenly over the folds."""
    u = uniform_from_ids(ids, purpose="folds", seed=seed)
    fold = np.empty(len(labels), dtype=np.int64)
    begun = 0
    for answer in np.unique(labels):
        own = np.flatnonzero(labels == answer)
        fold[own[np.argsort(u[own], kind="stable")]] = (begun + np.arange(len(own))) % FOLDS
        begun += len(own)
    return fold


def _entropy(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(special.entr(shares).sum(-1))


def _softmax(logits: NDArray[np.floating], tree: DecisionTree) -> NDArray[np.float32]:
    """Return the probabilities of each question's answers, (galaxy, answer)."""
    return np.hstack([special.softmax(logits[:, where], axis=1) for where in tree.slices]).astype(np.float32)
