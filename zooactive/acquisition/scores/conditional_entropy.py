"""The entropy that a galaxy's votes have even when the draw is known: exact, without enumerating vote vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.acquisition.scores.enumeration import checked_votes
from zooactive.acquisition.scores.votes_asked import votes_asked
from zooactive.posterior import Posterior
from zooactive.tree.likelihood import log_rising_table

_BLOCK = 16
"""Galaxies worked on at a time."""


def conditional_entropy(posterior: Posterior, votes: int = 40) -> NDArray[np.float64]:
    """Mean over draws of the entropy of the whole tree of votes, sum_t pi_t H[ p(k | t) ].

    Given how many volunteers n are asked a question, the entropy of its Dirichlet-multinomial votes is

        -ln n! + lnG(alpha0 + n) - lnG(alpha0) + sum_a E[ ln k_a! - lnG(alpha_a + k_a) + lnG(alpha_a) ],

    with k_a beta-binomial; the n of a child is averaged over P_t(n).

    Parameters
    ----------
    posterior : Posterior
    votes : int
        Volunteers who are shown the galaxy.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats: what no network can tell beforehand. The entropy of the mixture less this is the mutual information.

    Raises
    ------
    AcquisitionError
        When `votes` is not a whole number >= 0.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("a", ["x", "y", "z"]), Question("b", ["u", "v"], ["a_y"])])
    >>> posterior = Posterior([[[6, 3, 1, 2, 8]], [[2, 7, 1, 5, 1]]], ["g1"], tree)
    >>> conditional_entropy(posterior, votes=2).round(9).tolist()
    [1.787216816]
    """
    checked_votes(votes)
    blocks = [_entropy_of(posterior.take(slice(i, i + _BLOCK)), votes) for i in range(0, len(posterior), _BLOCK)]
    return np.concatenate([np.empty(0), *blocks])


def _entropy_of(posterior: Posterior, votes: int) -> NDArray[np.float64]:
    tree = posterior.tree
    alpha = posterior.concentrations.astype(np.float64)
    total = tree.question_sums(alpha)
    asked = votes_asked(posterior, votes)
    answer, rest, whole = (
        log_rising_table(np.maximum(x, np.finfo(float).tiny), votes)
        for x in (alpha, total[..., tree.question_index] - alpha, total)
    )
    entropy = np.zeros(alpha.shape[:2])
    for n in range(1, votes + 1):
        k = np.arange(n + 1)
        ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
        chance = np.exp(ways + answer[..., k] + rest[..., n - k] - whole[..., tree.question_index, n, None])
        expected = (chance * (special.gammaln(k + 1) - answer[..., k])).sum(-1)
        of_question = whole[..., n] - special.gammaln(n + 1) + tree.question_sums(expected)
        entropy += (asked[..., n] * of_question).sum(-1)
    return np.asarray((posterior.weights * entropy).sum(0))
