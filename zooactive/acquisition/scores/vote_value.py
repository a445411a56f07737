"""What the next volunteers' votes on a galaxy would be worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

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

_SLICE = 8
"""Galaxies that one thread works on at a time: their vote trees should stay in a core's cache."""

_MOST_PATHS = 4096
"""Paths of one volunteer down the tree that are gone through one by one."""


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
    """Return by how much each galaxy's error is expected to fall if so many more volunteers are shown it.

    The error now less its mean over the vote trees that they may give, `catalogue_error` with P(asked) as it is believed
    now. By the law of total variance that is sum_qa c_q E[(E[f | k] - E[f])^2], never negative: a child's votes tell about
    the root too, and the other way round.

    One volunteer's value is exact: all paths down the tree are gone through. Otherwise `trees` vote trees a galaxy are
    sampled as in `mutual_information`, the same for any number of volunteers. The best linear estimate, whose value is known
    in closed form, serves as a control variate. For one draw and one question the result is exact. Otherwise it is unbiased,
    but for the few samples in ten thousand that come out below 0 and are given as 0.

    Parameters
    ----------
    posterior : Posterior
        Given the votes so far (`Posterior.given_votes`), where there are any.
    votes : int or array_like of int, shape (galaxy,)
        More volunteers who are shown the galaxy.
    weights : mapping of str to float, optional
        Question -> how much it counts, as in `catalogue_error`; a short form of `aim`.
    aim : Aim, optional
        What the votes are for; the value is then the expected gain of its goal.
    received : array_like, shape (galaxy, answer), optional
        The votes so far; the goal "count" needs them.
    trees : int, optional
        Vote trees a galaxy; one a draw by default.
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
    Raiffa & Schlaifer 1961, Applied Statistical Decision Theory, chapter 4: the expected value of sample information.

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
    """Return what clicks are spent for: either is a way to say it."""
    from zooactive.foundation.errors import AcquisitionError

    if aim is not None and weights is not None:
        raise AcquisitionError("weights and an aim were given; the aim has weights of its own, give one of the two")
    return aim if aim is not None else Aim(weights=weights or {})


def paths(tree: DecisionTree) -> int:
    """Number of ways in which one volunteer can answer the whole tree."""
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
    from zooactive.acquisition.compiled.tree_layout import lay_out
    from zooactive.acquisition.compiled.vote_ladder import one_volunteer

    layout, counting, weights = lay_out(posterior.tree), aim.counting(posterior), posterior.weights

    def value(first: int) -> NDArray[np.float64]:
        here = slice(first, first + _SLICE)
        alpha = posterior.concentrations[:, here].copy()  # writable, or the function would be compiled once more
        found = np.empty(alpha.shape[1])
        one_volunteer(alpha, weights[:, here].copy(), counting[here].copy(), layout, found)
        return found

    return _in_slices(value, len(posterior))


def values_on_ladder(
    posterior: Posterior, points: NDArray[np.int64], aim: Aim, *, received: ArrayLike | None, trees: int, seed: int
) -> NDArray[np.float64]:
    """Return the value of several numbers of more volunteers, `points` (galaxy, point) ascending, of the same shape."""
    from zooactive.acquisition.compiled.tree_layout import lay_out
    from zooactive.acquisition.compiled.vote_ladder import climb

    tree, layout, steps = posterior.tree, lay_out(posterior.tree), points.shape[1]
    aim.question_weights(tree)
    votes = np.zeros((len(posterior), len(tree.columns))) if received is None else np.asarray(received, dtype=np.float64)
    seeds = hash_ids(posterior.ids, purpose="trees", seed=seed)
    weights = posterior.weights

    def value(first: int) -> NDArray[np.float64]:
        here = slice(first, first + _SLICE)
        part = Posterior(posterior.concentrations[:, here], posterior.ids[here], tree, weights=weights[:, here])
        galaxies, columns = len(part), trees * steps
        alpha, prior = part.concentrations.copy(), part.weights.copy()
        grown = _Grown(
            part,
            prior,
            steps,
            counts=np.empty((galaxies, len(tree.columns), columns), np.int64),
            sources=np.empty((galaxies, trees), np.int64),
            chance=np.empty((galaxies, 2, columns, part.draws)),
        )
        climb(
            alpha, prior, points[here].copy(), seeds[here].copy(), trees, layout, grown.counts, grown.sources, grown.chance
        )
        return VALUES[aim.goal](grown, aim, votes[here])

    return np.asarray(np.where(points == 0, 0.0, np.maximum(_in_slices(value, len(posterior)), 0.0)))


def _in_slices(value: Callable[[int], NDArray[np.float64]], galaxies: int) -> NDArray[np.float64]:
    with ThreadPoolExecutor(usable_cpus()) as pool:  # compiled functions hold no interpreter lock
        return np.concatenate(list(pool.map(value, range(0, max(galaxies, 1), _SLICE))))


class _Grown(NamedTuple):
    """Vote trees of a few galaxies, as `climb` fills them in."""

    posterior: Posterior
    weights: NDArray[np.float64]
    steps: int
    counts: NDArray[np.int64]
    sources: NDArray[np.int64]
    chance: NDArray[np.float64]

    def mean(self, of_columns: NDArray[Any]) -> NDArray[np.float64]:
        """Mean over trees of what is (galaxy, tree x point), shape (galaxy, point)."""
        galaxies = len(of_columns)
        return np.asarray(of_columns.reshape(galaxies, -1, self.steps).mean(1))


def _fall_of_error(grown: _Grown, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    from zooactive.acquisition.compiled.tree_layout import lay_out
    from zooactive.acquisition.compiled.vote_ladder import fall_of_error

    posterior = grown.posterior
    values = np.empty((len(posterior), grown.steps))
    fall_of_error(
        posterior.concentrations.copy(),
        grown.weights,
        aim.counting(posterior),
        grown.steps,
        lay_out(posterior.tree),
        grown.counts,
        grown.sources,
        grown.chance,
        values,
    )
    return values


def _information(grown: _Grown, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    from zooactive.acquisition.compiled.vote_ladder import information

    values = np.empty((len(grown.posterior), grown.steps))
    information(grown.weights, grown.steps, grown.chance, values)
    return values


def _enough_votes(grown: _Grown, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    tree = grown.posterior.tree
    have = tree.question_sums(received)
    more = np.add.reduceat(grown.counts, tree.starts, axis=1)
    value = np.zeros((len(have), grown.steps))
    for q, weight in enumerate(aim.question_weights(tree)):
        short = have[:, q] < aim.wanted
        value += weight * grown.mean((have[:, q, None] + more[:, q] >= aim.wanted) & short[:, None])
    return value


def _right_decisions(grown: _Grown, aim: Aim, received: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over trees of max(0, 2 P(wrong) - 1): what is gained where the votes turn the decision round.

    The probability of being above x keeps its mean as votes come in, so that this is the fall of min(P, 1 - P); trees that
    turn nothing round add exactly nothing.
    """
    from zooactive.acquisition.compiled.vote_ladder import weights_after

    posterior, tree = grown.posterior, grown.posterior.tree
    counting = aim.counting(posterior)
    value = np.zeros((len(posterior), grown.steps))
    after = np.empty(grown.chance.shape[2:])
    for g, rules in enumerate(_rules(posterior, aim)):
        alpha = posterior.concentrations[:, g].astype(np.float64)
        weights_after(grown.weights[:, g].copy(), grown.chance[g], after)
        for column, x in rules.items():
            q = int(tree.question_index[column])
            asked = grown.counts[g, tree.slices[q]].sum(0)
            above = _above(alpha[:, column], alpha[:, tree.slices[q]].sum(1), grown.counts[g, column], asked, after, x)
            before = _above(
                alpha[:, column], alpha[:, tree.slices[q]].sum(1), np.zeros(1), np.zeros(1), grown.weights[:, g][None], x
            )[0]
            turned = np.maximum(0, 1 - 2 * above if before >= 0.5 else 2 * above - 1)
            value[g] += counting[g, q] * turned.reshape(-1, grown.steps).mean(0)
    return value


def _above(
    alpha: NDArray[np.float64],
    total: NDArray[np.float64],
    count: NDArray[np.generic],
    asked: NDArray[np.generic],
    weights: NDArray[np.float64],
    x: float,
) -> NDArray[np.float64]:
    """P(fraction > x) given counts (column,), from alpha and total (draw,) and weights (column, draw)."""
    pairs, where = np.unique(np.column_stack([count, asked]), axis=0, return_inverse=True)
    a = alpha + pairs[:, :1]
    tails = special.betaincc(a, total + pairs[:, 1:] - a, x)
    return np.asarray((weights * tails[where.ravel()]).sum(1))


def _rules(posterior: Posterior, aim: Aim) -> list[dict[int, float]]:
    """Each galaxy's rules, number of the answer -> x."""
    given = aim.rule_columns(posterior.tree)
    if given:
        return [given] * len(posterior)
    mean = posterior.mean()
    slices = posterior.tree.slices
    return [{where.start + int(row[where].argmax()): 0.5 for where in slices} for row in mean]


VALUES: dict[Goal, Callable[[_Grown, Aim, NDArray[np.float64]], NDArray[np.float64]]] = {
    "error": _fall_of_error,
    "decision": _right_decisions,
    "count": _enough_votes,
    "model": _information,
}
"""How the worth of votes is computed for each goal: of vote trees, what clicks are for, and the votes received."""


def loss(posterior: Posterior, aim: Aim, received: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return what is still missing from a goal, shape (galaxy,): the most that votes can bring.

    The error; the expected wrong decisions; the weight of the questions that have fewer votes than wanted; the entropy of
    the draws' weights in nats.
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
    for g, rules in enumerate(_rules(posterior, aim)):
        alpha = posterior.concentrations[:, g].astype(np.float64)
        for column, x in rules.items():
            q = int(tree.question_index[column])
            total = alpha[:, tree.slices[q]].sum(1)
            above = _above(alpha[:, column], total, nobody, nobody, posterior.weights[:, g][None], x)[0]
            lost[g] += counting[g, q] * min(above, 1 - above)
    return lost
