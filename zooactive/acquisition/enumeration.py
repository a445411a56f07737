"""The exact mutual information of small cases: every tree of votes that could come, one by one."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

_MOST_OUTCOMES = 1_000_000
_BLOCK = 1 << 21
"""Numbers (outcome x draw x answer) gathered at a time."""


def exact_mutual_information(posterior: Posterior, votes: int = 2) -> NDArray[np.float64]:
    """Mutual information of each galaxy's votes by enumerating every tree of votes: the reference of `mutual_information`.

    I(k; t) = H[ mean_t p(k|t) ] - mean_t H[ p(k|t) ], where p(k|t) is the product over questions of the
    Dirichlet-multinomial probability of its votes, given how many volunteers reached it.

    Parameters
    ----------
    posterior : Posterior
    votes : int
        Volunteers who are shown the galaxy.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats, between 0 and ln(draws).

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
    if isinstance(votes, bool) or not isinstance(votes, (int, np.integer)) or votes < 0:
        raise AcquisitionError(f"votes = {votes!r}: the number of volunteers must be a whole number, 0 or more")
    outcomes = _vote_trees(posterior.tree, int(votes))
    galaxies = range(len(posterior))
    return np.array([_information(posterior.concentrations[:, g], outcomes, posterior.tree) for g in galaxies], dtype=float)


def _vote_trees(tree: DecisionTree, votes: int) -> NDArray[np.int64]:
    """Every tree of votes of so many volunteers, shape (outcome, answer)."""
    outcomes = np.zeros((1, len(tree.columns)), dtype=np.int64)
    for q in tree.order:
        where = tree.slices[q]
        answers = where.stop - where.start
        whole = np.full(len(outcomes), votes) if tree.parents[q] < 0 else outcomes[:, tree.leads_to[q]].sum(1)
        ways = np.array([comb(n + answers - 1, answers - 1) for n in whole.tolist()], dtype=object)
        if ways.sum() > _MOST_OUTCOMES:
            raise AcquisitionError(
                f"{votes} votes on tree '{tree.name}' have {ways.sum():,} outcomes or more, and at most {_MOST_OUTCOMES:,} "
                "are enumerated; ask for fewer votes, or use mutual_information, which samples them"
            )
        by_votes = {n: _compositions(n, answers) for n in set(whole.tolist())}
        counts = np.concatenate([by_votes[n] for n in whole.tolist()])
        outcomes = np.repeat(outcomes, ways.astype(np.int64), axis=0)
        outcomes[:, where] = counts
    return outcomes


def _compositions(votes: int, answers: int) -> NDArray[np.int64]:
    """All ways to share votes among answers, shape (way, answer)."""
    if answers == 1:
        return np.array([[votes]], dtype=np.int64)
    parts = []
    for first in range(votes + 1):
        rest = _compositions(votes - first, answers - 1)
        parts.append(np.column_stack([np.full(len(rest), first), rest]))
    return np.concatenate(parts)


def _information(alpha: NDArray[np.float32], outcomes: NDArray[np.int64], tree: DecisionTree) -> float:
    """Information of one galaxy's concentrations (draw, answer) over the outcomes (outcome, answer)."""
    wide = alpha.astype(np.float64)
    most = int(outcomes.max())
    by_answer = _log_rising(wide, most)
    by_question = _log_rising(tree.question_sums(wide), int(tree.question_sums(outcomes).max()))
    answers, questions = np.arange(len(tree.columns)), np.arange(len(tree.questions))
    step = max(1, _BLOCK // wide.size)
    information = 0.0
    for i in range(0, len(outcomes), step):
        votes = outcomes[i : i + step]
        asked = tree.question_sums(votes)
        ways = special.gammaln(asked + 1.0).sum(1) - special.gammaln(votes + 1.0).sum(1)
        log_p = ways + by_answer[:, answers, votes].sum(-1) - by_question[:, questions, asked].sum(-1)
        log_mean = special.logsumexp(log_p, axis=0) - np.log(len(alpha))
        information += float((np.exp(log_p) * (log_p - log_mean)).mean(0).sum())
    return max(information, 0.0)


def _log_rising(alpha: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """lnG(alpha + k) - lnG(alpha) for k = 0 ... most: (draw, x) -> (draw, x, k)."""
    steps = np.log(alpha[..., None] + np.arange(most))
    return np.concatenate([np.zeros((*alpha.shape, 1)), np.cumsum(steps, axis=-1)], axis=-1)
