"""Bounds of the mutual information of a tree of votes, from one question at a time."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.acquisition.scores.enumeration import check_outcomes, checked_votes, compositions
from zooactive.acquisition.scores.votes_asked import votes_asked
from zooactive.posterior import Posterior
from zooactive.tree.likelihood import log_rising_table

_BLOCK = 64
"""Galaxies whose probabilities of being asked are held at a time."""


class InformationBounds(NamedTuple):
    """Between what the mutual information lies, nats, each of shape (galaxy,)."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def information_bounds(posterior: Posterior, votes: int = 2) -> InformationBounds:
    """Bound the mutual information between a galaxy's votes and the network.

    max_q I((n_q, k_q); t) <= I <= sum_q I(k_q; t | n_q), where I(k_q; t | n_q) has weights in proportion to P_t(n_q = n).
    Each question's votes are enumerated by themselves, C(N + A, A) outcomes, however many questions the tree has.

    Parameters
    ----------
    posterior : Posterior
    votes : int
        Volunteers who are shown the galaxy.

    Returns
    -------
    InformationBounds
        Equal for a tree of one question.

    Raises
    ------
    AcquisitionError
        When `votes` is not a whole number >= 0, or a question has more than a million outcomes.

    Notes
    -----
    The lower bound is the data-processing inequality. The upper bound holds because a child's votes depend on earlier ones
    only through how many were asked; what two questions tell alike is counted twice.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("a", ["x", "y", "z"]), Question("b", ["u", "v"], ["a_y"])])
    >>> posterior = Posterior([[[6, 3, 1, 2, 8]], [[2, 7, 1, 5, 1]]], ["g1"], tree)
    >>> [bound.round(9).tolist() for bound in information_bounds(posterior, votes=2)]
    [[0.285993994], [0.304084896]]
    """
    checked_votes(votes)
    tree = posterior.tree
    for question in tree.questions:
        answers = len(question.answers)
        check_outcomes(comb(votes + answers, answers), f"{votes} votes on question '{question.name}'")
    starts = range(0, max(len(posterior), 1), _BLOCK)
    blocks = [_bounds_of(posterior.take(slice(i, i + _BLOCK)), votes) for i in starts]
    return InformationBounds(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _bounds_of(posterior: Posterior, votes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    tree = posterior.tree
    asked = votes_asked(posterior, votes)
    both = np.empty((len(posterior), len(tree.questions)))  # I((n_q, k_q); t)
    of_asked = np.empty_like(both)  # I(n_q; t)
    for q, where in enumerate(tree.slices):
        counts = np.concatenate([compositions(n, where.stop - where.start) for n in range(votes + 1)])
        for g, weights in enumerate(posterior.weights.T):
            alpha = posterior.concentrations[:, g, where].astype(np.float64)
            of_asked[g, q] = _information(asked[:, g, q], weights)
            both[g, q] = _information(asked[:, g, q, counts.sum(1)] * _chances(alpha, counts), weights)
    return both.max(1), (both - of_asked).sum(1)


def _chances(alpha: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of each outcome (outcome, answer) given how many were asked, under each draw: (draw, outcome)."""
    asked = counts.sum(1)
    ways = special.gammaln(asked + 1) - special.gammaln(counts + 1).sum(1)
    most = int(asked.max(initial=0))
    by_answer = log_rising_table(alpha, most)[:, np.arange(alpha.shape[1]), counts].sum(-1)
    return np.asarray(np.exp(ways + by_answer - log_rising_table(alpha.sum(1), most)[:, asked]))


def _information(chances: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mutual information of outcomes and draws, for probabilities (draw, outcome)."""
    mixture = weights @ chances
    return float(max((weights @ special.rel_entr(chances, mixture)).sum(), 0.0))
