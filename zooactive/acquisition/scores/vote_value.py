"""The value of the next volunteers' votes on a galaxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.acquisition.scores.aim import Aim
from zooactive.acquisition.scores.catalogue_error import catalogue_error
from zooactive.acquisition.scores.tree_information import checked_trees, checked_volunteers
from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.hashing import hash_ids
from zooactive.foundation.vocabulary import Goal
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import checked_votes

if TYPE_CHECKING:
    from zooactive.acquisition.compiled.tree_layout import TreeLayout

_SLICE = 8
"""The number of galaxies that one thread works on at a time, so that their vote trees stay in a core's cache."""

_MOST_PATHS = 4096
"""The largest number of paths of one volunteer down the tree that are enumerated."""


def value_of_votes(
    posterior: Posterior,
    votes: ArrayLike = 1,
    weights: Mapping[str, float] | None = None,
    *,
    aim: Aim | None = None,
    received: ArrayLike | None = None,
    trees: int | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the expected fall of each galaxy's error if this many more volunteers are shown it.

    The value is the error now minus its mean over the possible vote trees, with `catalogue_error` as the error and P(asked)
    as it is now. By the law of total variance, it equals sum_qa c_q E[(E[f | k] - E[f])^2] and is never negative. A child's
    votes also give information about the root, and the root's votes about the child.

    The value of one volunteer is exact, by enumeration of all paths down the tree. For more volunteers, `trees` vote trees
    per galaxy are sampled as in `mutual_information`, the same ones for any number of volunteers. The best linear estimate,
    whose value is known in closed form, serves as a control variate. For one draw and one question the result is exact.
    Otherwise it is unbiased, except that a few values in ten thousand fall below 0 and are set to 0.

    Parameters
    ----------
    posterior : Posterior
        The posterior, conditioned on the votes so far if there are any (`Posterior.given_votes`).
    votes : int or array_like of int, shape (galaxy,)
        The number of further volunteers who are shown the galaxy.
    weights : mapping of str to float, optional
        Question -> its weight, as in `catalogue_error`. This is a short form of `aim`.
    aim : Aim, optional
        The aim of the votes. The value is then the expected gain in its goal.
    received : array_like, shape (galaxy, answer), optional
        The votes so far, which the goal "count" needs.
    trees : int, optional
        The number of vote trees per galaxy. The default is one per draw.
    seed : int

    Returns
    -------
    ndarray of float64, shape (galaxy,)

    Raises
    ------
    AcquisitionError
        When `votes` are not whole numbers >= 0, `trees` is below 1, or both `weights` and `aim` are given.
    TreeError
        When the tree has no such question or answer.

    Notes
    -----
    This is the expected value of sample information (Raiffa & Schlaifer 1961, Applied Statistical Decision Theory,
    chapter 4).

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("a", ["x", "y", "z"]), Question("b", ["u", "v"], ["a_y"])])
    >>> posterior = Posterior([[[6, 3, 1, 2, 8]], [[2, 7, 1, 5, 1]]], ["g1"], tree)
    >>> value_of_votes(posterior).round(7).tolist()
    [0.0810488]
    """
    aim = aim_of(weights, aim)
    more = checked_volunteers(votes, len(posterior))
    wanted = checked_trees(trees, posterior.draws)
    if trees is None and aim.goal == "error" and (more == 1).all() and paths(posterior.tree) <= _MOST_PATHS:
        return _one_volunteer(posterior, aim)
    return values_on_ladder(posterior, more[:, None], aim, received=received, trees=wanted, seed=seed)[:, 0]


def aim_of(weights: Mapping[str, float] | None, aim: Aim | None) -> Aim:
    """Return the aim given by `weights` or `aim`; raise an AcquisitionError if both are given."""
    from zooactive.foundation.errors import AcquisitionError

    if aim is not None and weights is not None:
        raise AcquisitionError("weights and an aim were given, but an aim has its own weights; give one of the two")
    return aim if aim is not None else Aim(weights=weights or {})


def paths(tree: DecisionTree) -> int:
    """Return the number of ways in which one volunteer can answer the whole tree."""
    ways = np.ones(len(tree.columns), dtype=object)
    through = 1
    for q in reversed(tree.order):
        total = int(ways[tree.slices[q]].sum())
        if tree.parents[q] < 0:
            through *= total
        else:
            ways[tree.leads_to[q]] *= total
    return through


def _one_volunteer(posterior: Posterior, aim: Aim) -> NDArray[np.float64]:
    from zooactive.acquisition.compiled.paths import one_volunteer
    from zooactive.acquisition.compiled.tree_layout import lay_out

    layout, counting, weights = lay_out(posterior.tree), aim.counting(posterior), posterior.weights

    def value(first: int) -> NDArray[np.float64]:
        here = slice(first, first + _SLICE)
        alpha = posterior.concentrations[:, here].copy()  # writable, because a read-only array would be compiled again
        found = np.empty(alpha.shape[1])
        one_volunteer(alpha, weights[:, here].copy(), counting[here].copy(), layout, found)
        return found

    return _in_slices(value, len(posterior))


def values_on_ladder(
    posterior: Posterior, points: NDArray[np.int64], aim: Aim, *, received: ArrayLike | None, trees: int, seed: int
) -> NDArray[np.float64]:
    """Return the values of several numbers of further volunteers, `points` (galaxy, point) ascending, same shape."""
    from zooactive.acquisition.compiled.tree_layout import lay_out

    tree = posterior.tree
    aim.question_weights(tree)
    nobody = np.zeros((len(posterior), len(tree.columns)))
    votes = nobody if received is None else checked_votes(received, tree, len(posterior))
    seeds = hash_ids(posterior.ids, purpose="trees", seed=seed)
    weights, counting = posterior.weights, np.zeros((len(posterior), len(tree.questions)))
    if aim.goal in _COUNTING:
        counting = aim.counting(posterior)

    def value(first: int) -> NDArray[np.float64]:
        here = slice(first, first + _SLICE)
        part = _Part(
            posterior.concentrations[:, here].copy(),  # writable, because read-only arrays would be compiled again
            weights[:, here].copy(),
            points[here].copy(),
            seeds[here].copy(),
            trees,
            lay_out(tree),
            counting[here],
        )
        return VALUES[aim.goal](part, tree, aim, votes[here])

    return np.asarray(np.where(points == 0, 0.0, np.maximum(_in_slices(value, len(posterior)), 0.0)))


def _in_slices(value: Callable[[int], NDArray[np.float64]], galaxies: int) -> NDArray[np.float64]:
    with ThreadPoolExecutor(usable_cpus()) as pool:  # compiled functions release the interpreter lock
        return np.concatenate(list(pool.map(value, range(0, max(galaxies, 1), _SLICE))))


class _Part(NamedTuple):
    """A few galaxies in the form that compiled functions take; `counting` (galaxy, question) is set if the goal needs it."""

    concentrations: NDArray[np.float32]
    weights: NDArray[np.float64]
    points: NDArray[np.int64]
    seeds: NDArray[np.uint64]
    trees: int
    layout: TreeLayout
    counting: NDArray[np.float64]

    def grown(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return vote trees: votes (galaxy, answer, tree x point) and draws' weights (galaxy, tree x point, draw)."""
        from zooactive.acquisition.compiled.vote_ladder import climb

        draws, galaxies, answers = self.concentrations.shape
        steps = self.points.shape[1]
        counts = np.empty((galaxies, self.trees, steps, answers), np.int64)
        after = np.empty((galaxies, self.trees * steps, draws))
        climb(self.concentrations, self.weights, self.points, self.seeds, self.trees, self.layout, counts, after)
        return np.moveaxis(counts.reshape(galaxies, -1, answers), 2, 1), after

    def mean(self, of_columns: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean over trees of values (galaxy, tree x point), shape (galaxy, point)."""
        return np.asarray(of_columns.reshape(len(of_columns), -1, self.points.shape[1]).mean(1))


def _fall_of_error(part: _Part, tree: DecisionTree, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    from zooactive.acquisition.compiled.vote_ladder import fall_of_error

    values = np.empty(part.points.shape)
    fall_of_error(
        part.concentrations, part.weights, part.counting.copy(), part.points, part.seeds, part.trees, part.layout, values
    )
    return values


def _information(part: _Part, tree: DecisionTree, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    from zooactive.acquisition.compiled.vote_ladder import information

    values = np.empty(part.points.shape)
    information(part.weights, part.points.shape[1], part.grown()[1], values)
    return values


def _enough_votes(part: _Part, tree: DecisionTree, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    have = tree.question_sums(received)
    more = np.add.reduceat(part.grown()[0], tree.starts, axis=1)
    value = np.zeros(part.points.shape)
    for q, weight in enumerate(aim.question_weights(tree)):
        short = have[:, q] < aim.wanted
        value += weight * part.mean((have[:, q, None] + more[:, q] >= aim.wanted) & short[:, None])
    return value


def _right_decisions(part: _Part, tree: DecisionTree, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over trees of max(0, 2 P(wrong) - 1): the gain if the votes reverse the decision.

    The probability of being above x keeps its mean as votes come in, so that this equals the fall of min(P, 1 - P). Trees
    that do not reverse the decision add exactly 0.
    """
    value = np.zeros(part.points.shape)
    counts, after = part.grown()
    for g in range(len(value)):
        alpha, weights = part.concentrations[:, g].astype(np.float64), part.weights[:, g]
        for column, x in _rules(alpha, weights, tree, aim).items():
            q = int(tree.question_index[column])
            asked = counts[g, tree.slices[q]].sum(0)
            total = alpha[:, tree.slices[q]].sum(1)
            above = _above(alpha[:, column], total, counts[g, column], asked, after[g], x)
            before = _above(alpha[:, column], total, np.zeros(1), np.zeros(1), weights[None], x)[0]
            turned = np.maximum(0, 1 - 2 * above if before >= 0.5 else 2 * above - 1)
            value[g] += part.counting[g, q] * part.mean(turned[None])[0]
    return value


def _above(
    alpha: NDArray[np.float64],
    total: NDArray[np.float64],
    count: NDArray[np.generic],
    asked: NDArray[np.generic],
    weights: NDArray[np.float64],
    x: float,
) -> NDArray[np.float64]:
    """Return P(fraction > x) given counts (column,), from alpha and total (draw,) and weights (column, draw)."""
    pairs, where = np.unique(np.column_stack([count, asked]), axis=0, return_inverse=True)
    a = alpha + pairs[:, :1]
    tails = special.betaincc(a, total + pairs[:, 1:] - a, x)
    return np.asarray((weights * tails[where.ravel()]).sum(1))


def _rules(alpha: NDArray[np.float64], weights: NDArray[np.float64], tree: DecisionTree, aim: Aim) -> dict[int, float]:
    """Return a galaxy's rules, number of the answer -> x, from alpha (draw, answer) and weights (draw,)."""
    given = aim.rule_columns(tree)
    if given:
        return given
    mean = weights @ tree.fractions(alpha)
    return {where.start + int(mean[where].argmax()): 0.5 for where in tree.slices}


VALUES: dict[Goal, Callable[[_Part, DecisionTree, Aim, NDArray[np.float64]], NDArray[np.float64]]] = {
    "error": _fall_of_error,
    "decision": _right_decisions,
    "count": _enough_votes,
    "model": _information,
}
"""Goal -> the function that computes the value of votes, from some galaxies, the tree, the aim, and the votes received."""

_COUNTING: frozenset[Goal] = frozenset({"error", "decision"})
"""The goals that weight a question by the probability that it is asked."""


def loss(posterior: Posterior, aim: Aim, received: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return what is still missing from a goal, shape (galaxy,): the largest possible value of votes.

    For each goal: the error; the expected number of wrong decisions; the total weight of the questions with fewer votes than
    wanted; the entropy of the draws' weights in nats.
    """
    tree = posterior.tree
    if aim.goal == "error":
        return catalogue_error(posterior, aim.weights or None)
    if aim.goal == "model":
        return np.asarray(special.entr(posterior.weights).sum(0))
    if aim.goal == "count":
        have = np.zeros((len(posterior), len(tree.questions))) if received is None else tree.question_sums(received)
        return np.asarray((aim.question_weights(tree) * (have < aim.wanted)).sum(1))
    counting, lost = aim.counting(posterior), np.zeros(len(posterior))
    nobody = np.zeros(1)
    for g, weights in enumerate(posterior.weights.T):
        alpha = posterior.concentrations[:, g].astype(np.float64)
        for column, x in _rules(alpha, weights, tree, aim).items():
            q = int(tree.question_index[column])
            total = alpha[:, tree.slices[q]].sum(1)
            above = _above(alpha[:, column], total, nobody, nobody, weights[None], x)[0]
            lost[g] += counting[g, q] * min(above, 1 - above)
    return lost
