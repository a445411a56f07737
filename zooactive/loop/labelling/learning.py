"""A head learnt from the labels so far, and what it tells: of galaxies it has no label of, and how well of those it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.foundation.hashing import uniform_from_ids
from zooactive.models import FeatureAxes, find_axes, fit_bayesian_head
from zooactive.models.head.bayesian import most_probable_weights
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    from zooactive.models import LaplaceHead

FOLDS = 5
"""Parts of the labelled galaxies, each of which is told by a fit that it had no part in."""

COMPONENTS = 128
"""Principal axes of the pool's features that the head looks at, at most."""

_AXES_FROM = 20_000
"""Galaxies of the pool, at most, that the axes are found from."""

_PRECISIONS = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""Of the prior on the weights; the galaxies left out of each fold choose one."""

_DRAWS = 64
_ROWS = 8192
"""Galaxies whose features are held as float32 at a time."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """A head, and what it says of the galaxies that it was learnt from.

    Parameters
    ----------
    head : LaplaceHead
        The most probable weights, and the normal approximation around them.
    precision : float
        Of the prior.
    rows : ndarray of int64, shape (label,)
        The galaxies' places in the pool.
    labels : ndarray of int64, shape (label,)
        The places of their answers.
    told : ndarray of float64, shape (label, answer)
        Probabilities by fits that the galaxy had no part in.
    """

    head: LaplaceHead
    precision: float
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    told: NDArray[np.float64]

    def probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Return the probability of each answer by the most probable weights, float32 (galaxy, answer)."""
        out = np.empty((len(features), len(self.head.bias)), dtype=np.float32)
        for start in range(0, len(features), _ROWS):
            logits = features[start : start + _ROWS].astype(np.float32) @ self.head.kernel + self.head.bias
            logits -= logits.max(1, keepdims=True)
            np.exp(logits, out=logits)
            out[start : start + _ROWS] = logits / logits.sum(1, keepdims=True)
        return out

    def information(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return what one label of each galaxy would tell about the weights, in nats, shape (galaxy,).

        The entropy of the expected label, less the expected entropy once the weights are known; by draws of the weights.
        """
        out = np.empty(len(features))
        for start in range(0, len(features), _ROWS):
            alpha = self.head.posterior_concentrations(features[start : start + _ROWS], draws=_DRAWS, seed=0)
            shares = alpha / alpha.sum(-1, keepdims=True)
            out[start : start + _ROWS] = _entropy(shares.mean(0)) - _entropy(shares).mean(0)
        return np.maximum(out, 0)


def axes_of(features: NDArray[np.float16]) -> FeatureAxes:
    """Find the principal axes of a pool's features, (galaxy, feature); of a large one, of evenly spaced galaxies."""
    every = max(1, -(-len(features) // _AXES_FROM))
    some = features[::every]
    chunks = (some[start : start + _ROWS] for start in range(0, len(some), _ROWS))
    return find_axes(chunks, components=COMPONENTS, floor=1.0)


def learnable(labels: NDArray[np.int64]) -> bool:
    """Return whether two answers at least have two labels each: with fewer no fold could tell them apart."""
    return bool((np.bincount(labels) >= 2).sum() >= 2) if len(labels) else False


def learn(
    features: NDArray[np.float16],
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    ids: Sequence[str],
    tree: DecisionTree,
    axes: FeatureAxes,
    *,
    seed: int = 0,
) -> Learnt:
    """Fit a head to labels by five folds, whose left-out galaxies choose the prior, and then to all of them.

    Parameters
    ----------
    features : ndarray of float16, shape (galaxy, feature)
        Of the pool, as the head sees them.
    rows, labels : ndarray of int64, shape (label,)
        Places of the labelled galaxies in the pool, and of their answers in the tree.
    ids : sequence of str, length label
    tree : DecisionTree
        Of one question, whose labels are classes.
    axes : FeatureAxes
        Of `axes_of`.
    """
    x, votes = features[rows], np.eye(len(tree.columns))[labels]
    fold = _folds(labels, ids, seed)
    parts = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(min(FOLDS, len(rows)))]
    parts = [(train, test) for train, test in parts if len(test) and len(np.unique(labels[train])) > 1]
    losses, fits = dict.fromkeys(_PRECISIONS, 0.0), []
    for train, test in parts:
        fit = most_probable_weights(
            (x[train], votes[train]), (x[test], votes[test]), tree, axes, concentrations="fraction", precisions=_PRECISIONS
        )
        fits.append(fit)
        losses = {precision: losses[precision] + len(test) * fit.losses[precision] for precision in _PRECISIONS}
    best = min(losses, key=losses.__getitem__)
    told = np.full((len(rows), len(tree.columns)), np.nan)
    for (train, test), fit in zip(parts, fits, strict=True):
        if fit.precision != best:
            fit = most_probable_weights(
                (x[train], votes[train]), (x[test], votes[test]), tree, axes, concentrations="fraction", precisions=(best,)
            )
        told[test] = _softmax(x[test].astype(np.float32) @ fit.kernel.astype(np.float32) + fit.bias)
    nobody = (x[:1], np.zeros((1, len(tree.columns))))  # judges, where the prior is chosen already
    whole = fit_bayesian_head((x, votes), nobody, tree, axes, concentrations="fraction", precisions=(best,))
    return Learnt(whole.head, best, rows, labels, told)


def _folds(labels: NDArray[np.int64], ids: Sequence[str], seed: int) -> NDArray[np.int64]:
    """Return the fold of each label, by hashed id, with every answer's share in each."""
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


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    raised = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    return np.asarray(raised / raised.sum(1, keepdims=True))
