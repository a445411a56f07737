"""Adapt probabilities of labels to other shares of the labels: those of the table, or those on the sky."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.models import LinearHead
from zooactive.posterior.corrections import prior_shift
from zooactive.training.weights import label_weights
from zooactive.tree import DecisionTree


def shares_of(votes: NDArray[np.float32], tree: DecisionTree, balance: float = 0.0) -> NDArray[np.float64]:
    """Return the shares of the labels among galaxies, each galaxy weighed as in `label_weights`.

    Parameters
    ----------
    votes : ndarray of float32, shape (galaxy, answer)
        The votes of the training galaxies, one label each.
    tree : DecisionTree
    balance : float
        0: the shares in the table. 1: all labels equally common.

    Returns
    -------
    ndarray of float64, shape (answer,)
    """
    weighed = (label_weights(votes, votes, tree, balance)[:, None] * votes).sum(0, dtype=float)
    return np.asarray(weighed / weighed.sum())


def with_shares(head: LinearHead, learnt: ArrayLike, wanted: ArrayLike) -> LinearHead:
    """Return a head whose probabilities are correct if the labels have other shares.

    Parameters
    ----------
    head : LinearHead
        A head whose outputs are the logarithms of probabilities, up to a constant.
    learnt, wanted : array_like, shape (answer,)
        The shares for which the probabilities are correct now, and the new shares. A label without training galaxies stays.

    Raises
    ------
    PosteriorError
        As in `zooactive.posterior.corrections.prior_shift`.
    """
    before, after = np.asarray(learnt, dtype=float), np.asarray(wanted, dtype=float)
    shift, known = np.zeros(len(before), dtype=np.float32), before > 0
    shift[known] = prior_shift(before[known], after[known])
    return replace(head, bias=head.bias + shift)
