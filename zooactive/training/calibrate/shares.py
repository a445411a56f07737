"""Probabilities of labels moved to other shares of the labels: those of the table, or those on the sky."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.models import LinearHead
from zooactive.posterior.corrections import prior_shift
from zooactive.training.weights import label_weights
from zooactive.tree import DecisionTree


def shares_of(votes: NDArray[np.float32], tree: DecisionTree, balance: float = 0.0) -> NDArray[np.float64]:
    """Return the shares of the labels among galaxies, each weighed as `label_weights` does.

    Parameters
    ----------
    votes : ndarray of float32, shape (galaxy, answer)
        Of the galaxies learnt from, one label each.
    tree : DecisionTree
    balance : float
        0: as common as in the table. 1: all labels alike.

    Returns
    -------
    ndarray of float64, shape (answer,)
    """
    weighed = (label_weights(votes, votes, tree, balance)[:, None] * votes).sum(0, dtype=float)
    return np.asarray(weighed / weighed.sum())


def with_shares(head: LinearHead, learnt: ArrayLike, wanted: ArrayLike) -> LinearHead:
    """Return a head whose probabilities hold where the labels have other shares.

    Parameters
    ----------
    head : LinearHead
        Its outputs are the logarithms of probabilities, up to a constant.
    learnt, wanted : array_like, shape (answer,)
        Shares that the probabilities hold for, and are to hold for. A label of which nothing was learnt stays as it is.

    Raises
    ------
    PosteriorError
        As `zooactive.posterior.corrections.prior_shift`.
    """
    before, after = np.asarray(learnt, dtype=float), np.asarray(wanted, dtype=float)
    shift, known = np.zeros(len(before), dtype=np.float32), before > 0
    shift[known] = prior_shift(before[known], after[known])
    return replace(head, bias=head.bias + shift)
