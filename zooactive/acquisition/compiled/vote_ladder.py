"""Compiled: a galaxy's votes as volunteers come one by one, and its fractions after these votes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.compiled.tree_layout import TreeLayout
from zooactive.acquisition.compiled.vote_trees import share_trees, uniform
from zooactive.foundation.compiled import compiled, compiled_sum

_STREAM, _QUESTION = np.uint64(0xD1B54A32D192ED03), np.uint64(0x8CB92BA72F3D8DD7)
"""The distances between the starts of the random streams of trees and of questions."""

_TREES_AT_ONCE = 8
"""The number of vote trees computed at a time, which fit into a core's fastest cache."""

_TINY, _HUGE = 1e-250, 1e250
"""Sums of products within these bounds are accurate; other sums are computed from logarithms."""


class Factors(NamedTuple):
    """Tables over draws of the factors by which one galaxy's votes change the draws' weights; row 0 of ``rows`` is 1.

    ``rows`` (row, draw): row ``answer[a] + k - 1`` is the product of (alpha_a + j) over j < k, and row ``question[q] + n -
    1`` the product of 1 / (alpha0_q + j) over j < n. Each row is divided by a common factor of all draws, which keeps
    products near 1; only the ratios between draws matter. ``inverse`` (draw, number): number ``shares[q] + n`` is 1 /
    (alpha0_q + n). ``alpha`` (answer, draw) and ``total`` (question, draw) are the concentrations and their sums.
    """

    alpha: NDArray[np.float64]
    total: NDArray[np.float64]
    rows: NDArray[np.float64]
    inverse: NDArray[np.float64]
    answer: NDArray[np.int64]
    question: NDArray[np.int64]
    shares: NDArray[np.int64]


@compiled
def _sample(
    alpha: NDArray[np.float64],
    layout: TreeLayout,
    points: NDArray[np.int64],
    seed: np.uint64,
    state: NDArray[np.uint64],
    bounds: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Fill in the votes (point, answer) after each of `points` volunteers, ascending, from one draw's alpha (answer,).

    Each question is a Polya urn with its own random stream, from which votes come one by one. With more volunteers, the same
    tree therefore grows. `state` (1,) and `bounds` (answer,) are buffers. The code does not branch on a vote, because the
    processor cannot predict it.
    """
    for i in range(len(layout.order)):
        q = layout.order[i]
        first, last, parent = layout.bounds[q], layout.bounds[q + 1], layout.parents[q]
        state[0] = seed + np.uint64(q + 1) * _QUESTION
        total = 0.0
        for a in range(first, last):
            total += alpha[a]
            bounds[a] = total
            counts[0, a] = 0
        given = 0
        for here in range(len(points)):
            if here > 0:
                for a in range(first, last):
                    counts[here, a] = counts[here - 1, a]
            asked = points[here]
            if parent >= 0:
                asked = 0
                for a in range(layout.bounds[parent], layout.bounds[parent + 1]):
                    asked += counts[here, a] * layout.leads_to[q, a]
            for vote in range(given, asked):
                where, answer = uniform(state) * (total + vote), first
                for a in range(first, last - 1):
                    answer += where >= bounds[a]
                for a in range(first, last - 1):
                    bounds[a] += a >= answer
                counts[here, answer] += 1
            given = asked


@compiled
def _trees(
    by_draw: NDArray[np.float64],
    sources: NDArray[np.int64],
    layout: TreeLayout,
    points: NDArray[np.int64],
    seed: np.uint64,
    counts: NDArray[np.int64],
) -> None:
    """Fill in the votes (tree, point, answer) of trees sampled from the draws `sources`."""
    state, bounds = np.empty(1, np.uint64), np.empty(by_draw.shape[1])
    for m in range(len(sources)):
        _sample(by_draw[sources[m]], layout, points, seed + np.uint64(m + 1) * _STREAM, state, bounds, counts[m])


@compiled
def _factors(
    alpha: NDArray[np.float64], total: NDArray[np.float64], layout: TreeLayout, counts: NDArray[np.int64]
) -> Factors:
    """Tabulate the factors of votes (column, answer) from alpha (answer, draw) and its sums by question (question, draw)."""
    answers, draws = alpha.shape
    questions = len(total)
    most, asked = np.zeros(answers, np.int64), np.zeros(questions, np.int64)
    for c in range(len(counts)):
        for q in range(questions):
            n = 0
            for a in range(layout.bounds[q], layout.bounds[q + 1]):
                n += counts[c, a]
                most[a] = max(most[a], counts[c, a])
            asked[q] = max(asked[q], n)
    rows, inverse = np.empty((1 + most.sum() + asked.sum(), draws)), np.empty((draws, questions + asked.sum()))
    answer, question, shares = np.empty(answers, np.int64), np.empty(questions, np.int64), np.empty(questions, np.int64)
    rows[0] = 1.0
    row, share = 1, 0
    for a in range(answers):
        answer[a] = row
        middle = alpha[a].mean()
        for k in range(most[a]):
            before, scale = 0 if k == 0 else row - 1, 1.0 / (middle + k)
            for t in range(draws):
                rows[row, t] = rows[before, t] * ((alpha[a, t] + k) * scale)
            row += 1
    for q in range(questions):
        question[q], shares[q] = row, share
        middle = total[q].mean()
        for n in range(asked[q] + 1):
            for t in range(draws):
                inverse[t, share] = 1.0 / (total[q, t] + n)
            if n < asked[q]:
                before = 0 if n == 0 else row - 1
                for t in range(draws):
                    rows[row, t] = rows[before, t] * ((middle + n) * inverse[t, share])
                row += 1
            share += 1
    return Factors(alpha, total, rows, inverse, answer, question, shares)


@compiled_sum
def _likely(
    weights: NDArray[np.float64],
    factors: Factors,
    layout: TreeLayout,
    counts: NDArray[np.int64],
    c: int,
    which: NDArray[np.int64],
    likely: NDArray[np.float64],
) -> float:
    """Fill in weights x P(votes | draw), (draw,), for column `c` of votes (column, answer), and return their sum.

    The values omit one factor that is common to all draws. `which` is a buffer for the factors' rows.
    """
    rows, draws, used = factors.rows, len(weights), 0
    for q in range(len(layout.parents)):
        n = 0
        for a in range(layout.bounds[q], layout.bounds[q + 1]):
            k = counts[c, a]
            which[used] = factors.answer[a] + k - 1
            used += k > 0  # without a branch, which could not be predicted
            n += k
        which[used] = factors.question[q] + n - 1
        used += n > 0
    for t in range(draws):
        likely[t] = weights[t]
    for _ in range(3):
        which[used] = 0
        used += 1
    for i in range(0, used - 3, 4):
        one, two, three, four = which[i], which[i + 1], which[i + 2], which[i + 3]
        for t in range(draws):
            likely[t] *= (rows[one, t] * rows[two, t]) * (rows[three, t] * rows[four, t])
    whole = 0.0
    for t in range(draws):
        whole += likely[t]
    if _TINY < whole < _HUGE:
        return whole
    return _likely_by_logarithms(weights, factors, layout, counts, c, likely)


@compiled
def _likely_by_logarithms(
    weights: NDArray[np.float64],
    factors: Factors,
    layout: TreeLayout,
    counts: NDArray[np.int64],
    c: int,
    likely: NDArray[np.float64],
) -> float:
    """Compute the same as `_likely` by logarithms, for products outside the range of a float64."""
    highest = -np.inf
    for t in range(len(weights)):
        likely[t] = np.log(weights[t])
        for q in range(len(layout.parents)):
            n = 0
            for a in range(layout.bounds[q], layout.bounds[q + 1]):
                for k in range(counts[c, a]):
                    likely[t] += np.log((factors.alpha[a, t] + k) / (factors.total[q, t] + n))
                    n += 1
        highest = max(highest, likely[t])
    whole = 0.0
    for t in range(len(weights)):
        likely[t] = np.exp(likely[t] - highest)
        whole += likely[t]
    return whole


@compiled
def _concentrations(
    concentrations: NDArray[np.float32], g: int, layout: TreeLayout
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return one galaxy's concentrations as (draw, answer) and (answer, draw), and their sums (question, draw)."""
    draws, _, answers = concentrations.shape
    by_draw, alpha = np.empty((draws, answers)), np.empty((answers, draws))
    total = np.zeros((len(layout.parents), draws))
    for t in range(draws):
        for q in range(len(layout.parents)):
            for a in range(layout.bounds[q], layout.bounds[q + 1]):
                by_draw[t, a] = alpha[a, t] = concentrations[t, g, a]
                total[q, t] += alpha[a, t]
    return by_draw, alpha, total


@compiled
def climb(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    points: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    trees: int,
    layout: TreeLayout,
    counts: NDArray[np.int64],
    after: NDArray[np.float64],
) -> None:
    """Sample vote trees of each galaxy, each seen after several numbers of volunteers, and weight the draws by them.

    Every tree has its own random stream, so that the same tree grows if more volunteers are asked for.

    Parameters
    ----------
    concentrations : (draw, galaxy, answer)
    weights : (draw, galaxy)
    points : (galaxy, point)
        Numbers of volunteers, ascending.
    seeds : (galaxy,)
    counts : (galaxy, tree, point, answer)
        Filled in: the votes.
    after : (galaxy, tree x point, draw)
        Filled in: the draws' weights given the votes.
    """
    _, galaxies, answers = concentrations.shape
    which = np.empty(answers + len(layout.parents) + 3, np.int64)
    for g in range(galaxies):
        by_draw, alpha, total = _concentrations(concentrations, g, layout)
        prior = weights[:, g].copy()
        _trees(by_draw, share_trees(prior, trees, seeds[g]), layout, points[g], seeds[g], counts[g])
        columns = counts[g].reshape((-1, answers))
        factors = _factors(alpha, total, layout, columns)
        for c in range(len(columns)):
            likely = after[g, c]
            likely /= _likely(prior, factors, layout, columns, c, which, likely)


@compiled
def fall_of_error(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    counting: NDArray[np.float64],
    points: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    trees: int,
    layout: TreeLayout,
    values: NDArray[np.float64],
) -> None:
    """Fill in the expected fall of the catalogue's error, `values` (galaxy, point); parameters as in `climb`.

    The value is the mean over vote trees of sum_qa c_q [(m(k) - m)^2 - C_qa]. The weight of a question, c_q, is `counting`
    (galaxy, question), and m is the expected fraction. C is a control variate: the squared move of the best linear estimate,
    (k - n m)^2 / (s + n)^2, minus its mean given n and the draw t from which the tree is sampled, which is (n mu_t (1 -
    mu_t) (alpha0_t + n) / (alpha0_t + 1) + n^2 (mu_t - m)^2) / (s + n)^2. The single concentration s has the variance of the
    whole mixture. The estimate therefore stays unbiased; if the draws agree, only n is random.
    """
    draws, galaxies, answers = concentrations.shape
    questions = len(layout.parents)
    which, likely = np.empty(answers + questions + 3, np.int64), np.empty(draws)
    means, single = np.empty(answers), np.empty(questions)
    spread, off = np.empty((questions, draws)), np.empty((questions, draws))
    width = _TREES_AT_ONCE * points.shape[1]
    after, sums = np.empty((draws, width)), np.empty((answers, width))
    asked, share, moved = np.empty(width, np.int64), np.empty(width), np.empty(width)
    for g in range(galaxies):
        values[g] = 0.0
        ladder = np.unique(points[g])
        ladder = ladder[ladder > 0]
        steps = len(ladder)
        if steps == 0:
            continue
        by_draw, alpha, total = _concentrations(concentrations, g, layout)
        prior = weights[:, g].copy()
        for q in range(questions):
            single[q] = _linear(alpha, total, prior, layout, q, means, spread, off)
        sources = share_trees(prior, trees, seeds[g])
        counts = np.empty((trees, steps, answers), np.int64)
        _trees(by_draw, sources, layout, ladder, seeds[g], counts)
        columns = counts.reshape((-1, answers))
        factors = _factors(alpha, total, layout, columns)
        falls = np.zeros(steps)
        for begin in range(0, len(columns), width):
            some = columns[begin : begin + width]
            for c in range(len(some)):
                scale = 1.0 / _likely(prior, factors, layout, some, c, which, likely)
                for t in range(draws):
                    after[t, c] = likely[t] * scale
            for q in range(questions):
                if counting[g, q] == 0.0:
                    continue
                _move(factors, layout, q, some, after, means, asked, share, sums, moved)
                for c in range(len(some)):
                    n, source = asked[c], sources[(begin + c) // steps]
                    if n > 0:
                        linear = spread[q, source] * n * (total[q, source] + n) / (total[q, source] + 1.0)
                        linear += off[q, source] * n * n
                        for a in range(layout.bounds[q], layout.bounds[q + 1]):
                            linear -= (some[c, a] - n * means[a]) ** 2
                        moved[c] += linear / (single[q] + n) ** 2
                    falls[(begin + c) % steps] += counting[g, q] * moved[c]
        for j in range(points.shape[1]):
            if points[g, j] > 0:
                values[g, j] = falls[np.searchsorted(ladder, points[g, j])] / trees


@compiled
def _linear(
    alpha: NDArray[np.float64],
    total: NDArray[np.float64],
    weights: NDArray[np.float64],
    layout: TreeLayout,
    q: int,
    means: NDArray[np.float64],
    spread: NDArray[np.float64],
    off: NDArray[np.float64],
) -> float:
    """Return the concentration s of the best linear estimate of a question's fractions.

    Also fill in their expected values `means` (answer,), and the sums over answers of mu_t (1 - mu_t), `spread`, and of
    (mu_t - m)^2, `off`, both (question, draw).
    """
    draws = len(weights)
    widest, variance = 0.0, 0.0
    for t in range(draws):
        spread[q, t], off[q, t] = 0.0, 0.0
    for a in range(layout.bounds[q], layout.bounds[q + 1]):
        means[a] = 0.0
        for t in range(draws):
            means[a] += weights[t] * alpha[a, t] / total[q, t]
        widest += means[a] * (1.0 - means[a])
        for t in range(draws):
            mu = alpha[a, t] / total[q, t]
            spread[q, t] += mu * (1.0 - mu)
            off[q, t] += (mu - means[a]) ** 2
    for t in range(draws):
        variance += weights[t] * (spread[q, t] / (total[q, t] + 1.0) + off[q, t])
    return max(widest / variance - 1.0, 0.0)


@compiled
def _move(
    factors: Factors,
    layout: TreeLayout,
    q: int,
    counts: NDArray[np.int64],
    after: NDArray[np.float64],
    means: NDArray[np.float64],
    asked: NDArray[np.int64],
    share: NDArray[np.float64],
    sums: NDArray[np.float64],
    moved: NDArray[np.float64],
) -> None:
    """Fill in the votes on a question, `asked` (column,), and the sum over its answers of (m(k) - m)^2, `moved` (column,).

    m(k) is the mean of (alpha_a + k_a) / (alpha0 + asked) over draws of weights `after` (draw, column), for votes `counts`
    (column, answer). The last answer gets 1 minus the sum of the others. `share` (column,) and `sums` (answer, column) are
    buffers. Columns are the last axis, so that the inner loops are vectorised.
    """
    first, last, columns = layout.bounds[q], layout.bounds[q + 1], len(counts)
    for c in range(columns):
        n = 0
        for a in range(first, last):
            n += counts[c, a]
        asked[c] = n
    sums[first:last] = 0.0
    for t in range(len(after)):
        for c in range(columns):
            share[c] = after[t, c] * factors.inverse[t, factors.shares[q] + asked[c]]
        for c in range(columns):
            sums[last - 1, c] += share[c]
        for a in range(first, last - 1):
            alpha = factors.alpha[a, t]
            for c in range(columns):
                sums[a, c] += share[c] * alpha
    for c in range(columns):
        moved[c], rest = 0.0, 0.0
        for a in range(first, last - 1):
            move = sums[a, c] + counts[c, a] * sums[last - 1, c] - means[a]
            moved[c] += move * move
            rest -= move
        moved[c] += rest * rest


@compiled
def information(weights: NDArray[np.float64], steps: int, after: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Fill in the mutual information between the votes and the draw, `values` (galaxy, point), in nats.

    The information is the mean fall of the entropy of the draws' weights, from `weights` (draw, galaxy) to `after` (galaxy,
    tree x point, draw).
    """
    columns = after.shape[1]
    for g in range(len(after)):
        before = _entropy(weights[:, g])
        values[g] = 0.0
        for c in range(columns):
            values[g, c % steps] += before - _entropy(after[g, c])
        values[g] /= columns // steps


@compiled
def _entropy(weights: NDArray[np.float64]) -> float:
    """Return the entropy of weights (draw,) that sum to 1."""
    found = 0.0
    for weight in weights:
        if weight > 0.0:
            found -= weight * np.log(weight)
    return found
