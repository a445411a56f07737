"""Compiled: sample trees of votes for a galaxy, and weigh the draws by them.

This is the only module that imports numba, and it is itself imported when the first score is asked for. Galaxies are
independent of each other, so callers run slices of them in threads: the compiled functions hold no interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from zooactive.tree import DecisionTree

_Function = TypeVar("_Function", bound=Callable[..., object])

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_11, _SHIFT_27, _SHIFT_30, _SHIFT_31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)


class TreeLayout(NamedTuple):
    """A decision tree as plain arrays, for compiled code.

    ``bounds`` (question + 1): question q has the answers ``bounds[q]`` to ``bounds[q + 1]``; ``order``: questions,
    parents first; ``parents`` (question): -1 at roots; ``leads_to`` (question, answer).
    """

    bounds: NDArray[np.int64]
    order: NDArray[np.int64]
    parents: NDArray[np.int64]
    leads_to: NDArray[np.bool_]


def lay_out(tree: DecisionTree) -> TreeLayout:
    """Return a tree's structure as plain arrays."""
    return TreeLayout(
        bounds=np.append(tree.starts, len(tree.columns)).astype(np.int64),
        order=np.array(tree.order, dtype=np.int64),
        parents=np.array(tree.parents, dtype=np.int64),
        leads_to=np.ascontiguousarray(tree.leads_to),
    )


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, nogil=True)(function))


@_compiled
def _uniform(state: NDArray[np.uint64]) -> float:
    """Next number in [0, 1) of the generator SplitMix64 (Steele, Lea & Flood 2014, OOPSLA 49, 453); `state` moves on."""
    state[0] += _GAMMA
    z = state[0]
    z = (z ^ (z >> _SHIFT_30)) * _MIX_1
    z = (z ^ (z >> _SHIFT_27)) * _MIX_2
    z = z ^ (z >> _SHIFT_31)
    return float(z >> _SHIFT_11) * 2.0**-53


@_compiled
def _share_trees(draws: int, trees: int, state: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return for each vote tree the draw that it is sampled from, shape (tree,).

    Each draw has floor(trees / draws); the remainder goes to distinct draws chosen uniformly (a Fisher-Yates shuffle that
    stops early), which keeps the estimator unbiased.
    """
    source = np.empty(trees, np.int64)
    whole = (trees // draws) * draws
    for m in range(whole):
        source[m] = m % draws
    deck = np.arange(draws)
    for m in range(whole, trees):
        i = m - whole
        j = i + int(_uniform(state) * (draws - i))
        deck[i], deck[j] = deck[j], deck[i]
        source[m] = deck[i]
    return source


@_compiled
def _sample_tree(
    alpha: NDArray[np.float64], layout: TreeLayout, volunteers: int, state: NDArray[np.uint64], votes: NDArray[np.int64]
) -> None:
    """Fill `votes` (answer,) with one tree of votes from one draw's concentrations (answer,).

    Each question is a Polya urn, which samples the Dirichlet-multinomial exactly for every alpha > 0: the next vote is for
    answer a with probability (alpha_a + k_a) / (alpha0 + votes so far).
    """
    for q in layout.order:
        first, last = layout.bounds[q], layout.bounds[q + 1]
        asked = volunteers
        parent = layout.parents[q]
        if parent >= 0:
            asked = 0
            for a in range(layout.bounds[parent], layout.bounds[parent + 1]):
                if layout.leads_to[q, a]:
                    asked += votes[a]
        total = 0.0
        for a in range(first, last):
            votes[a] = 0
            total += alpha[a]
        for vote in range(asked):
            left = _uniform(state) * (total + vote)
            chosen = last - 1
            for a in range(first, last - 1):
                left -= alpha[a] + votes[a]
                if left < 0.0:
                    chosen = a
                    break
            votes[chosen] += 1


@_compiled
def _add_log_rising(
    alpha: NDArray[np.float64],
    counts: NDArray[np.int64],
    sign: float,
    rising: NDArray[np.float64],
    logits: NDArray[np.float64],
) -> None:
    """Add sign * [lnG(alpha_t + k_m) - lnG(alpha_t)] to ``logits[t, m]``, for alpha (draw,) and counts k (tree,).

    The difference is the cumulative sum of ln(alpha + j) over j < k: a table (`rising`, a buffer) only as long as the
    largest count, instead of an lgamma for each.
    """
    highest = counts.max()
    if highest == 0:
        return
    for t in range(len(alpha)):
        rising[0] = 0.0
        for j in range(highest):
            rising[j + 1] = rising[j] + np.log(alpha[t] + j)
        for m in range(len(counts)):
            logits[t, m] += sign * rising[counts[m]]


@_compiled
def _information(logits: NDArray[np.float64]) -> float:
    """Return ln T - mean over trees of H(softmax over draws), for logits (draw, tree); exactly 0 when all draws agree."""
    draws, trees = logits.shape
    total = 0.0
    for m in range(trees):
        highest = logits[:, m].max()
        norm, weighted = 0.0, 0.0
        for t in range(draws):
            above = logits[t, m] - highest
            weight = np.exp(above)
            norm += weight
            weighted += weight * above
        total += np.log(draws) + weighted / norm - np.log(norm)
    return float(max(total / trees, 0.0))


@_compiled
def score_galaxies(
    concentrations: NDArray[np.float32],
    volunteers: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    trees: int,
    layout: TreeLayout,
) -> NDArray[np.float64]:
    """Estimate the mutual information of each galaxy's votes, shape (galaxy,).

    Parameters
    ----------
    concentrations : ndarray, shape (draw, galaxy, answer)
    volunteers : ndarray of int, shape (galaxy,)
    seeds : ndarray of uint64, shape (galaxy,)
        Where each galaxy's own random stream starts.
    trees : int
        Vote trees a galaxy.
    layout : TreeLayout
    """
    draws, galaxies, answers = concentrations.shape
    questions = len(layout.parents)
    scores = np.empty(galaxies)
    state = np.empty(1, np.uint64)
    alpha = np.empty((draws, answers))
    by_answer = np.empty((answers, draws))
    votes = np.empty(answers, np.int64)
    counts = np.empty((answers, trees), np.int64)
    rising = np.empty(volunteers.max() + 1 if galaxies else 1)
    logits = np.empty((draws, trees))
    for g in range(galaxies):
        state[0] = seeds[g]
        for t in range(draws):
            for a in range(answers):
                alpha[t, a] = concentrations[t, g, a]
                by_answer[a, t] = alpha[t, a]
        source = _share_trees(draws, trees, state)
        for m in range(trees):
            _sample_tree(alpha[source[m]], layout, volunteers[g], state, votes)
            counts[:, m] = votes
        logits[:] = 0.0
        for q in range(questions):
            first, last = layout.bounds[q], layout.bounds[q + 1]
            for a in range(first, last):
                _add_log_rising(by_answer[a], counts[a], 1.0, rising, logits)
            _add_log_rising(by_answer[first:last].sum(0), counts[first:last].sum(0), -1.0, rising, logits)
        scores[g] = _information(logits)
    return scores
