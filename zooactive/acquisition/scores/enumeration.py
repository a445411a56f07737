"""The exact mutual information for small cases, by enumeration of every possible tree of votes."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import log_rising_table

_MOST_OUTCOMES = 1_000_000
_BLOCK = 1 << 21
"""The size of arrays (outcome x draw x answer) computed at a time."""


def exact_mutual_information(posterior: Posterior, votes: int = 2) -> NDArray[np.float64]:
    """Compute the mutual information of each galaxy's votes exactly: the reference for `mutual_information`.

    I(k; t) = H[ sum_t pi_t p(k|t) ] - sum_t pi_t H[ p(k|t) ]. Here p(k|t) is the product over questions of the
    Dirichlet-multinomial probability of the question's votes, given how many volunteers reached it, and pi_t is the draw's
    weight.

    Parameters
    ----------
    posterior : Posterior
    votes : int
        The number of volunteers who are shown the galaxy.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The information in nats, between 0 and ln(draws).

    Raises
    ------
    AcquisitionError
        When `votes` is not a whole number >= 0, or when there are more than a million trees of votes.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("a", ["x", "y", "z"]), Question("b", ["u", "v"], ["a_y"])])
    >>> posterior = Posterior([[[6, 3, 1, 2, 8]], [[2, 7, 1, 5, 1]]], ["g1"], tree)
    >>> exact_mutual_information(posterior, votes=2).round(9).tolist()
    [0.30020312]
    """
    outcomes = _vote_trees(posterior.tree, checked_votes(votes))
    galaxies = zip(np.moveaxis(posterior.concentrations, 1, 0), posterior.weights.T, strict=True)
    return np.array([_information(alpha, weights, outcomes, posterior.tree) for alpha, weights in galaxies], dtype=float)


def checked_votes(votes: int) -> int:
    """Return the number of volunteers, or raise AcquisitionError."""
    if isinstance(votes, bool) or not isinstance(votes, (int, np.integer)) or votes < 0:
        raise AcquisitionError(f"votes = {votes!r}: the number of volunteers must be a whole number, 0 or more")
    return int(votes)


def _vote_trees(tree: DecisionTree, votes: int) -> NDArray[np.int64]:
    """Return every possible tree of votes by this many volunteers, shape (outcome, answer)."""
    outcomes = np.zeros((1, len(tree.columns)), dtype=np.int64)
    for q in tree.order:
        where = tree.slices[q]
        answers = where.stop - where.start
        whole = np.full(len(outcomes), votes) if tree.parents[q] < 0 else outcomes[:, tree.leads_to[q]].sum(1)
        ways = np.array([comb(n + answers - 1, answers - 1) for n in whole.tolist()], dtype=object)
        _check_outcomes(int(ways.sum()), f"{votes} votes on tree '{tree.name}'")
        by_votes = {n: compositions(n, answers) for n in set(whole.tolist())}
        counts = np.concatenate([by_votes[n] for n in whole.tolist()])
        outcomes = np.repeat(outcomes, ways.astype(np.int64), axis=0)
        outcomes[:, where] = counts
    return outcomes


def _check_outcomes(outcomes: int, of: str) -> None:
    """Raise an AcquisitionError if there are too many outcomes to enumerate."""
    if outcomes > _MOST_OUTCOMES:
        raise AcquisitionError(
            f"{of} have {outcomes:,} outcomes or more, but at most {_MOST_OUTCOMES:,} can be enumerated; ask for fewer "
            "votes, or use mutual_information, which samples them"
        )


def compositions(votes: int, answers: int) -> NDArray[np.int64]:
    """Return all ways to share votes among answers, shape (way, answer)."""
    if answers == 1:
        return np.array([[votes]], dtype=np.int64)
    parts = []
    for first in range(votes + 1):
        rest = compositions(votes - first, answers - 1)
        parts.append(np.column_stack([np.full(len(rest), first), rest]))
    return np.concatenate(parts)


def _information(
    alpha: NDArray[np.float32], weights: NDArray[np.float64], outcomes: NDArray[np.int64], tree: DecisionTree
) -> float:
    """Return the information of one galaxy's concentrations (draw, answer) over the outcomes (outcome, answer)."""
    wide = alpha.astype(np.float64)
    most = int(outcomes.max())
    by_answer = log_rising_table(wide, most)
    by_question = log_rising_table(tree.question_sums(wide), int(tree.question_sums(outcomes).max()))
    answers, questions = np.arange(len(tree.columns)), np.arange(len(tree.questions))
    step = max(1, _BLOCK // wide.size)
    information = 0.0
    for i in range(0, len(outcomes), step):
        votes = outcomes[i : i + step]
        asked = tree.question_sums(votes)
        ways = special.gammaln(asked + 1.0).sum(1) - special.gammaln(votes + 1.0).sum(1)
        log_p = ways + by_answer[:, answers, votes].sum(-1) - by_question[:, questions, asked].sum(-1)
        log_mean = special.logsumexp(log_p, axis=0, b=weights[:, None])
        information += float(weights @ (np.exp(log_p) * (log_p - log_mean)).sum(1))
    return max(information, 0.0)
