"""Compiled: what a galaxy's votes would be as volunteers come one by one, and what its fractions would then be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.compiled.tree_layout import TreeLayout
from zooactive.acquisition.compiled.vote_trees import (
    LOG_SCALE,
    SCALE,
    entropy,
    share_trees,
    uniform,
    weigh_question,
)
from zooactive.foundation.compiled import compiled

_STREAM = np.uint64(0xD1B54A32D192ED03)


@compiled
def _climb(
    alpha: NDArray[np.float64],
    layout: TreeLayout,
    points: NDArray[np.int64],
    state: NDArray[np.uint64],
    counts: NDArray[np.int64],
) -> None:
    """Fill in the votes (answer, point) after each of `points` volunteers, ascending, from one draw's alpha (answer,).

    Each question is a Polya urn, as for whole vote trees; a volunteer walks down the tree before the next one comes.
    """
    answers, questions = len(alpha), len(layout.parents)
    total, asked = np.zeros(questions), np.zeros(questions)
    votes, chosen = np.zeros(answers, np.int64), np.empty(questions, np.int64)
    for q in range(questions):
        for a in range(layout.bounds[q], layout.bounds[q + 1]):
            total[q] += alpha[a]
    here = 0
    for volunteer in range(points[-1] + 1):
        while here < len(points) and points[here] == volunteer:
            counts[:, here] = votes
            here += 1
        if volunteer == points[-1]:
            return
        for q in layout.order:
            parent = layout.parents[q]
            chosen[q] = -1
            if parent >= 0 and (chosen[parent] < 0 or not layout.leads_to[q, chosen[parent]]):
                continue
            first, last = layout.bounds[q], layout.bounds[q + 1]
            left = uniform(state) * (total[q] + asked[q])
            chosen[q] = last - 1
            for a in range(first, last - 1):
                left -= alpha[a] + votes[a]
                if left < 0.0:
                    chosen[q] = a
                    break
            votes[chosen[q]] += 1
            asked[q] += 1.0


@compiled
def climb(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    points: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    trees: int,
    layout: TreeLayout,
    counts: NDArray[np.int64],
    sources: NDArray[np.int64],
    chance: NDArray[np.float64],
) -> None:
    """Sample vote trees of each galaxy, each seen after several numbers of volunteers, and weigh the draws by them.

    Every tree has a stream of its own, so that it grows from what it was when more volunteers are asked for.

    Parameters
    ----------
    concentrations : (draw, galaxy, answer)
    weights : (draw, galaxy)
    points : (galaxy, point)
        Numbers of volunteers, ascending.
    seeds : (galaxy,)
    counts : (galaxy, answer, tree x point)
        Filled in: votes.
    sources : (galaxy, tree)
        Filled in: the draw that a tree is sampled from.
    chance : (galaxy, 2, tree x point, draw)
        Filled in: mantissa and exponent (of LIMIT) of how probable the votes are under a draw, but for what all draws share.
    """
    draws, galaxies, answers = concentrations.shape
    steps = points.shape[1]
    state = np.empty(1, np.uint64)
    by_draw = np.empty((draws, answers))
    for g in range(galaxies):
        by_draw[:] = concentrations[:, g]
        alpha = by_draw.T.copy()
        sources[g] = share_trees(weights[:, g].copy(), trees, seeds[g])
        for m in range(trees):
            state[0] = seeds[g] + np.uint64(m + 1) * _STREAM
            _climb(by_draw[sources[g, m]], layout, points[g], state, counts[g, :, m * steps : (m + 1) * steps])
        table = np.empty((2, points[g, steps - 1] + 1, draws))
        chance[g, 0], chance[g, 1] = 1.0, 0.0
        for q in layout.order:
            weigh_question(q, alpha, counts[g], layout, table, chance[g])


@compiled
def weights_after(weights: NDArray[np.float64], chance: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    """Fill in the draws' weights (column, draw) once the votes are in, from weights (draw,) and chance (2, column, draw)."""
    draws = len(weights)
    for c in range(len(found)):
        highest = chance[1, c].max()
        total = 0.0
        for t in range(draws):
            below = highest - chance[1, c, t]
            scale = 1.0 if below == 0.0 else (SCALE if below == 1.0 else (SCALE * SCALE if below == 2.0 else 0.0))
            found[c, t] = weights[t] * chance[0, c, t] * scale
            total += found[c, t]
        found[c] /= total


@compiled
def fall_of_error(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    counting: NDArray[np.float64],
    steps: int,
    layout: TreeLayout,
    counts: NDArray[np.int64],
    sources: NDArray[np.int64],
    chance: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Fill in the expected fall of the catalogue's error, `values` (galaxy, point).

    The mean over vote trees of sum_qa c_q [(m(k) - m)^2 - C_qa]. How much a question counts, c_q, is `counting`
    (galaxy, question), and m is the expected fraction. C is a control variate: the squared move of the best linear
    estimate, (k - n m)^2 / (s + n)^2, less its mean given n and the draw t that the tree is sampled from, which is
    (n mu_t (1 - mu_t) (alpha0_t + n) / (alpha0_t + 1) + n^2 (mu_t - m)^2) / (s + n)^2. The one concentration s has the
    variance of the whole mixture. So the estimate stays unbiased, and where the draws agree only n is left to chance.
    """
    draws, galaxies, _ = concentrations.shape
    columns = counts.shape[2]
    after = np.empty((columns, draws))
    inverse = np.empty(draws)
    for g in range(galaxies):
        weights_after(weights[:, g].copy(), chance[g], after)
        values[g] = 0.0
        for q in range(len(layout.parents)):
            if counting[g, q] == 0.0:
                continue
            first, last = layout.bounds[q], layout.bounds[q + 1]
            total = np.zeros(draws)
            for t in range(draws):
                for a in range(first, last):
                    total[t] += concentrations[t, g, a]
            spread, off = np.zeros(draws), np.zeros(draws)
            means = np.zeros(last - first)
            for a in range(first, last):
                for t in range(draws):
                    means[a - first] += weights[t, g] * concentrations[t, g, a] / total[t]
            variance, widest = 0.0, 0.0
            for a in range(first, last):
                widest += means[a - first] * (1.0 - means[a - first])
                for t in range(draws):
                    mu = concentrations[t, g, a] / total[t]
                    spread[t] += mu * (1.0 - mu)
                    off[t] += (mu - means[a - first]) ** 2
            for t in range(draws):
                variance += weights[t, g] * (spread[t] / (total[t] + 1.0) + off[t])
            single = max(widest / variance - 1.0, 0.0)
            for c in range(columns):
                asked = 0
                for a in range(first, last):
                    asked += counts[g, a, c]
                source = sources[g, c // steps]
                shrunk = 1.0 / (single + asked) ** 2 if asked > 0 else 0.0
                fall = spread[source] * asked * (total[source] + asked) / (total[source] + 1.0)
                fall = (fall + off[source] * asked * asked) * shrunk
                for t in range(draws):
                    inverse[t] = after[c, t] / (total[t] + asked)
                rest = 0.0
                for t in range(draws):
                    rest += inverse[t]
                for a in range(first, last):
                    mean = counts[g, a, c] * rest
                    for t in range(draws):
                        mean += inverse[t] * concentrations[t, g, a]
                    fall += (mean - means[a - first]) ** 2
                    fall -= (counts[g, a, c] - asked * means[a - first]) ** 2 * shrunk
                values[g, c % steps] += counting[g, q] * fall
        values[g] /= columns // steps


@compiled
def information(weights: NDArray[np.float64], steps: int, chance: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Fill in the mutual information of the votes and the draw, `values` (galaxy, point), in nats."""
    draws, galaxies = weights.shape
    columns = chance.shape[2]
    logits = np.empty(draws)
    for g in range(galaxies):
        prior = np.log(weights[:, g])
        before = entropy(prior)
        values[g] = 0.0
        for c in range(columns):
            for t in range(draws):
                logits[t] = prior[t] + np.log(chance[g, 0, c, t]) + chance[g, 1, c, t] * LOG_SCALE
            values[g, c % steps] += before - entropy(logits)
        values[g] /= columns // steps


@compiled
def one_volunteer(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    counting: NDArray[np.float64],
    layout: TreeLayout,
    values: NDArray[np.float64],
) -> None:
    """Fill in the exact fall of the error by one volunteer, `values` (galaxy,), going through all paths down the tree.

    Parameters as in `fall_of_error`. A path is a complete set of answers; its probability under a draw is the product of
    their fractions.
    """
    draws, galaxies, answers = concentrations.shape
    questions = len(layout.parents)
    chosen = np.empty(questions, np.int64)
    likely = np.empty((questions + 1, draws))
    total, mu = np.empty((questions, draws)), np.empty((answers, draws))
    means = np.empty(answers)
    for g in range(galaxies):
        for q in range(questions):
            for t in range(draws):
                total[q, t] = 0.0
                for a in range(layout.bounds[q], layout.bounds[q + 1]):
                    total[q, t] += concentrations[t, g, a]
            for a in range(layout.bounds[q], layout.bounds[q + 1]):
                means[a] = 0.0
                for t in range(draws):
                    mu[a, t] = concentrations[t, g, a] / total[q, t]
                    means[a] += weights[t, g] * mu[a, t]
        likely[0] = weights[:, g]
        values[g] = 0.0
        chosen[:] = -1
        depth, deeper = 0, True
        while depth >= 0:
            if depth == questions:
                values[g] += _told(concentrations, counting, layout, g, chosen, likely[depth], total, mu, means)
                depth, deeper = depth - 1, False
                continue
            q = layout.order[depth]
            parent = layout.parents[q]
            asked = parent < 0 or (chosen[parent] >= 0 and layout.leads_to[q, chosen[parent]])
            if deeper:
                chosen[q] = layout.bounds[q] if asked else -1
            elif asked and chosen[q] + 1 < layout.bounds[q + 1]:
                chosen[q] += 1
                deeper = True
            else:
                chosen[q] = -1
                depth -= 1
                continue
            for t in range(draws):
                likely[depth + 1, t] = likely[depth, t] * mu[chosen[q], t] if asked else likely[depth, t]
            depth += 1


@compiled
def _told(
    concentrations: NDArray[np.float32],
    counting: NDArray[np.float64],
    layout: TreeLayout,
    g: int,
    chosen: NDArray[np.int64],
    likely: NDArray[np.float64],
    total: NDArray[np.float64],
    mu: NDArray[np.float64],
    means: NDArray[np.float64],
) -> float:
    """P(path) times the squared moves of the expected fractions once it is known, weighted by how much questions count."""
    chance = likely.sum()
    if chance <= 0.0:
        return 0.0
    told = 0.0
    for q in range(len(layout.parents)):
        if counting[g, q] == 0.0:
            continue
        for a in range(layout.bounds[q], layout.bounds[q + 1]):
            mean = 0.0
            for t in range(len(likely)):
                if chosen[q] < 0:
                    mean += likely[t] * mu[a, t]
                else:
                    one = 1.0 if chosen[q] == a else 0.0
                    mean += likely[t] * (concentrations[t, g, a] + one) / (total[q, t] + 1.0)
            told += counting[g, q] * (mean / chance - means[a]) ** 2
    return float(chance * told)
