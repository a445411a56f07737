"""The likelihood of a tree of votes: a Dirichlet-multinomial for each question, given how many were asked it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.foundation.errors import PosteriorError
from zooactive.tree.decision_tree import DecisionTree


def dirichlet_multinomial_log_prob(votes: ArrayLike, concentrations: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    """Return the log probability of each question's votes under a Dirichlet-multinomial distribution.

    log p(k | alpha) = lnG(n+1) - sum lnG(k+1) + lnG(alpha0) - lnG(n + alpha0) + sum [ lnG(k + alpha) - lnG(alpha) ].
    It is exactly 0 for a question without votes. The sum over questions is the log probability of the whole tree of votes.

    Parameters
    ----------
    votes : array_like, shape (..., answer)
        Counts. For pseudo-counts (not whole numbers), the result is a pseudo-likelihood.
    concentrations : array_like, shape (..., answer)
        Finite and positive values, which are broadcast against `votes`.
    tree : DecisionTree

    Returns
    -------
    ndarray of float64, shape (..., question)
        The log probability in nats.

    Raises
    ------
    PosteriorError
        When a shape does not match the tree, votes are negative or not finite, or concentrations are not finite and
        positive.

    Notes
    -----
    Walmsley et al. 2022 (MNRAS 509, 3966), eq. 5.

    Examples
    --------
    >>> from zooactive.tree import Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> (-dirichlet_multinomial_log_prob([1, 1], [2, 3], tree)).round(6).tolist()
    [0.916291]
    """
    k = checked_votes(votes, tree)
    alpha = _checked_concentrations(concentrations, tree)
    return np.asarray(log_ways(k, tree) + log_rising(k, alpha, tree))


def log_rising(votes: NDArray[np.float64], alpha: NDArray[np.float64], tree: DecisionTree) -> NDArray[np.float64]:
    """Return the part of log p that depends on the concentrations, (..., answer) -> (..., question).

    It is sum [ lnG(k + alpha) - lnG(alpha) ] - [ lnG(n + alpha0) - lnG(alpha0) ]. This part is enough to compare draws,
    because the number of ways to give the votes is the same for all draws.
    """
    total = tree.question_sums(alpha)
    answers = tree.question_sums(special.gammaln(votes + alpha) - special.gammaln(alpha))
    return np.asarray(answers - (special.gammaln(tree.question_sums(votes) + total) - special.gammaln(total)))


def log_likelihood_slope(votes: NDArray[np.float64], alpha: NDArray[np.float64], tree: DecisionTree) -> NDArray[np.float64]:
    """Return the derivative of the votes' log probability by each concentration, (..., answer) -> (..., answer).

    It is psi(alpha0) - psi(n + alpha0) + psi(k + alpha) - psi(alpha), exactly 0 for a question without votes.
    """
    total = tree.question_sums(alpha)
    common = special.digamma(total) - special.digamma(tree.question_sums(votes) + total)
    return np.asarray(common[..., tree.question_index] + special.digamma(votes + alpha) - special.digamma(alpha))


class GivenVotes:
    """Votes whose likelihood is computed for many concentrations, as in a fit, without the answers that nobody gave.

    The results equal those of `log_rising` and `log_likelihood_slope` to the last bit, because such answers add nothing.
    With five volunteers per galaxy, they are most answers of a long tree.

    Parameters
    ----------
    votes : ndarray of float64, shape (galaxy, answer)
        Votes that were checked by `checked_votes`.
    tree : DecisionTree
    """

    def __init__(self, votes: NDArray[np.float64], tree: DecisionTree) -> None:
        self.tree = tree
        asked = tree.question_sums(votes)
        self._given, self._asked = np.flatnonzero(votes), np.flatnonzero(asked)
        self._votes, self._numbers = votes.ravel()[self._given], asked.ravel()[self._asked]

    def log_rising_and_slope(self, alpha: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return `log_rising` (galaxy, question) and `log_likelihood_slope` (galaxy, answer) for alpha (galaxy, answer)."""
        sums = self.tree.question_sums(alpha)
        total, each = sums.ravel()[self._asked], alpha.ravel()[self._given]
        answers, questions, common = np.zeros(alpha.size), np.zeros(sums.size), np.zeros(sums.size)
        answers[self._given] = special.gammaln(self._votes + each) - special.gammaln(each)
        questions[self._asked] = special.gammaln(self._numbers + total) - special.gammaln(total)
        common[self._asked] = special.digamma(total) - special.digamma(self._numbers + total)
        slope = np.take(common.reshape(sums.shape), self.tree.question_index, axis=1).ravel()
        slope[self._given] = slope[self._given] + special.digamma(self._votes + each) - special.digamma(each)
        rising = self.tree.question_sums(answers.reshape(alpha.shape)) - questions.reshape(sums.shape)
        return rising, slope.reshape(alpha.shape)


def log_rising_table(alpha: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Return lnG(alpha + k) - lnG(alpha) for k = 0 ... `most`: (...) -> (..., k)."""
    steps = np.log(alpha[..., None] + np.arange(most))
    return np.concatenate([np.zeros((*alpha.shape, 1)), np.cumsum(steps, axis=-1)], axis=-1)


def log_ways(votes: NDArray[np.float64], tree: DecisionTree) -> NDArray[np.float64]:
    """Return log multinomial coefficients, (..., answer) -> (..., question)."""
    return np.asarray(special.gammaln(tree.question_sums(votes) + 1) - tree.question_sums(special.gammaln(votes + 1)))


def checked_votes(votes: ArrayLike, tree: DecisionTree, galaxies: int | None = None) -> NDArray[np.float64]:
    """Return votes (..., answer), or (galaxy, answer) for a number of galaxies, as float64, or raise a PosteriorError."""
    k = np.asarray(votes, dtype=np.float64)
    if galaxies is not None and k.shape != (galaxies, len(tree.columns)):
        raise PosteriorError(
            f"votes have the shape {k.shape}; the posterior needs {(galaxies, len(tree.columns))}, one row for each of its "
            "ids"
        )
    _check_answers(k, "votes", tree)
    bad = ~(np.isfinite(k) & (k >= 0))
    if bad.any():
        where = tuple(np.argwhere(bad)[0])
        row = f" in row {where[0]}" if len(where) > 1 else ""
        raise PosteriorError(
            f"the votes for '{tree.columns[where[-1]]}'{row} are {k[where]}; votes must be finite and not negative"
        )
    return k


def by_id(votes: Any, tree: DecisionTree) -> Any:
    """Return a table with a column ``id`` as votes by id, in the order of the tree's columns; return others unchanged."""
    if "id" not in getattr(votes, "columns", ()):
        return votes
    missing = [column for column in tree.columns if column not in votes.columns]
    if missing:
        raise PosteriorError(
            f"the table of votes has no column '{missing[0]}' of tree '{tree.name}'; give votes on that tree"
        )
    return dict(zip(map(str, votes["id"]), votes[list(tree.columns)].to_numpy(dtype=np.float64), strict=True))


def refuse_fractions(votes: ArrayLike, tree: DecisionTree) -> None:
    """Raise a PosteriorError for votes (galaxy, answer) that look like fractions, whose number of volunteers is unknown."""
    k = np.asarray(votes, dtype=np.float64)
    if (k % 1 != 0).any() and tree.question_sums(k).max(initial=0) <= 1 + 1e-6:
        raise PosteriorError(
            "the votes look like fractions, because no question has more than one vote; multiply them by the number of "
            "volunteers"
        )


def _checked_concentrations(concentrations: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    alpha = np.asarray(concentrations, dtype=np.float64)
    _check_answers(alpha, "concentrations", tree)
    bad = ~(np.isfinite(alpha) & (alpha > 0))
    if bad.any():
        where = tuple(np.argwhere(bad)[0])
        raise PosteriorError(
            f"the concentration of '{tree.columns[where[-1]]}' is {alpha[where]}; concentrations must be finite and positive"
        )
    return alpha


def _check_answers(values: NDArray[np.float64], name: str, tree: DecisionTree) -> None:
    if values.ndim == 0 or values.shape[-1] != len(tree.columns):
        raise PosteriorError(
            f"{name} have the shape {values.shape}; tree '{tree.name}' has {len(tree.columns)} answers, "
            "which must be the last axis"
        )
