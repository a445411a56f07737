"""Compiled: trees of votes sampled for a galaxy, and the draws' weights given these votes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.compiled.plain_chances import ROOM, bits_a_vote, plain_information
from zooactive.acquisition.compiled.tree_layout import TreeLayout
from zooactive.foundation.compiled import compiled

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_11, _SHIFT_27, _SHIFT_30, _SHIFT_31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)


@compiled
def uniform(state: NDArray[np.uint64]) -> float:
    """Return the next number in [0, 1) of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA 49, 453), and advance `state`."""
    state[0] += _GAMMA
    z = state[0]
    z = (z ^ (z >> _SHIFT_30)) * _MIX_1
    z = (z ^ (z >> _SHIFT_27)) * _MIX_2
    z = z ^ (z >> _SHIFT_31)
    return float(z >> _SHIFT_11) * 2.0**-53


@compiled
def _share_trees(weights: NDArray[np.float64], trees: int, state: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return, for each vote tree, the draw from which it is sampled, shape (tree,).

    This is systematic sampling over a shuffled deck of draws. A draw of weight w gets floor(trees * w) or ceil(trees * w)
    trees, and trees * w on average, which keeps the estimator unbiased. With equal weights each draw gets floor(trees /
    draws), and the remainder goes to distinct draws chosen uniformly.
    """
    draws = len(weights)
    deck = np.arange(draws)
    for i in range(draws - 1):
        j = i + int(uniform(state) * (draws - i))
        deck[i], deck[j] = deck[j], deck[i]
    source = np.empty(trees, np.int64)
    start = uniform(state)
    passed, m = 0.0, 0
    for i in range(draws):
        passed += trees * weights[deck[i]]
        while m < trees and start + m < passed:
            source[m] = deck[i]
            m += 1
    while m < trees:  # the weights sum to 1 only up to rounding
        source[m] = deck[draws - 1]
        m += 1
    return source


@compiled
def _sample_tree(
    alpha: NDArray[np.float64],
    layout: TreeLayout,
    volunteers: int,
    state: NDArray[np.uint64],
    urn: NDArray[np.float64],
    votes: NDArray[np.int64],
    asked_of: NDArray[np.int64],
) -> None:
    """Fill `votes` (answer,) and their sums `asked_of` (question,) with one tree of votes from concentrations (answer,).

    `urn` is a buffer (answer,).

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
        asked_of[q] = asked
        for a in range(first, last):
            votes[a] = 0
        if asked == 0:
            continue
        total = 0.0
        for a in range(first, last):
            urn[a] = alpha[a]
            total += alpha[a]
        for vote in range(asked):
            left = uniform(state) * (total + vote)
            chosen, passed = first, 0.0
            for a in range(first, last - 1):  # to the end, because an unpredictable branch costs more than the rest
                passed += urn[a]
                chosen += 1 if left >= passed else 0
            votes[chosen] += 1
            urn[chosen] += 1.0


@compiled
def _sample_trees(
    alpha: NDArray[np.float64],
    source: NDArray[np.int64],
    layout: TreeLayout,
    volunteers: int,
    state: NDArray[np.uint64],
    counts: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> None:
    """Fill `counts` (tree, answer) with a tree of votes from each source draw of alpha (draw, answer).

    Also fill `asked` (tree, question) with their sums over the answers of each question.
    """
    urn = np.empty(alpha.shape[1])
    for m in range(len(source)):
        _sample_tree(alpha[source[m]], layout, volunteers, state, urn, counts[m], asked[m])


_LIMIT, SCALE, LOG_SCALE = 2.0**64, 2.0**-64, 64 * np.log(2.0)
"""Products are kept as mantissa x _LIMIT ** exponent, so that no number of votes or concentration overflows them."""

_UNCHECKED = 6
"""The number of factors below _LIMIT multiplied before the mantissas are normalised; 2 ** (7 * 64) is far from overflow."""


@compiled
def _fill_rising(
    alpha: NDArray[np.float64], highest: int, mantissa: NDArray[np.float64], exponent: NDArray[np.float64]
) -> None:
    """Tabulate G(alpha_t + k) / G(alpha_t), the product of alpha_t + j over j < k, at ``[k, t]`` for k up to `highest`."""
    for t in range(len(alpha)):
        mantissa[0, t], exponent[0, t] = 1.0, 0.0
    for k in range(highest):
        for t in range(len(alpha)):
            product = mantissa[k, t] * (alpha[t] + k)
            large = product >= _LIMIT
            mantissa[k + 1, t] = product * SCALE if large else product
            exponent[k + 1, t] = exponent[k, t] + 1.0 if large else exponent[k, t]


@compiled
def _multiply_rising(
    alpha: NDArray[np.float64],
    counts: NDArray[np.int64],
    inverse: bool,
    table: NDArray[np.float64],
    chance: NDArray[np.float64],
) -> None:
    """Multiply or divide each tree's probability by the rising factorial of its count.

    `alpha` is (draw,) and `counts` (tree,). ``chance[0]`` is the mantissa and ``chance[1]`` the exponent, (tree, draw);
    `table` is a buffer. Products replace sums of logarithms, so that only one logarithm per tree and draw is taken at the
    end, instead of one per answer.
    """
    highest = counts.max()
    if highest == 0:
        return
    mantissa, exponent = table[0], table[1]
    _fill_rising(alpha, highest, mantissa, exponent)
    for m in range(len(counts)):
        k = counts[m]
        if k == 0:
            continue
        product, power, factor, more = chance[0, m], chance[1, m], mantissa[k], exponent[k]
        if inverse:
            for t in range(len(alpha)):
                product[t] /= factor[t]
                power[t] -= more[t]
        else:
            for t in range(len(alpha)):
                product[t] *= factor[t]
                power[t] += more[t]


@compiled
def _normalise(chance: NDArray[np.float64]) -> None:
    """Bring every mantissa from within _LIMIT ** 8 back to within _LIMIT, by bisection of the power."""
    for m in range(chance.shape[1]):
        product, power = chance[0, m], chance[1, m]
        for t in range(chance.shape[2]):
            value, exponent = product[t], power[t]
            for step in (4.0, 2.0, 1.0):
                limit = _LIMIT**step
                large, small = value >= limit, value * limit < 1.0
                value *= 1.0 / limit if large else (limit if small else 1.0)
                exponent += step if large else (-step if small else 0.0)
            product[t], power[t] = value, exponent


@compiled
def entropy(logits: NDArray[np.float64]) -> float:
    """Return the entropy of softmax(logits) over draws (draw,)."""
    highest = logits.max()
    norm, weighted = 0.0, 0.0
    for t in range(len(logits)):
        above = logits[t] - highest
        if above > -50.0:  # smaller terms are below rounding, and exp is slow when it underflows
            weight = np.exp(above)
            norm += weight
            weighted += weight * above
    return float(np.log(norm) - weighted / norm)


@compiled
def _lower_entropies(
    chance: NDArray[np.float64],
    told: NDArray[np.bool_],
    prior: NDArray[np.float64],
    logits: NDArray[np.float64],
    entropies: NDArray[np.float64],
) -> float:
    """Update the entropy of the draws' weights for the trees with new votes (`told`), and return its mean fall."""
    fallen = 0.0
    for m in range(len(entropies)):
        if not told[m]:
            continue
        for t in range(len(prior)):
            logits[t] = prior[t] + np.log(chance[0, m, t]) + chance[1, m, t] * LOG_SCALE
        now = entropy(logits)
        fallen += entropies[m] - now  # one by one, so that the sum is exactly 0 if all draws agree
        entropies[m] = now
    return fallen / len(entropies)


@compiled
def weigh_question(
    q: int,
    alpha: NDArray[np.float64],
    counts: NDArray[np.int64],
    layout: TreeLayout,
    table: NDArray[np.float64],
    chance: NDArray[np.float64],
) -> None:
    """Multiply one question's votes, (answer, tree), into each tree's probability under every draw, alpha (answer, draw)."""
    first, last = layout.bounds[q], layout.bounds[q + 1]
    for a in range(first, last):
        _multiply_rising(alpha[a], counts[a], False, table, chance)
        if (a - first) % _UNCHECKED == _UNCHECKED - 1:
            _normalise(chance)
    _multiply_rising(alpha[first:last].sum(0), counts[first:last].sum(0), True, table, chance)
    _normalise(chance)


@compiled
def score_galaxies(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    volunteers: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    trees: int,
    layout: TreeLayout,
    by_question: bool,
) -> NDArray[np.float64]:
    """Estimate the mutual information of each galaxy's votes, shape (galaxy, 1) or (galaxy, question).

    `concentrations` are (draw, galaxy, answer) and `weights` (draw, galaxy). `volunteers` and `seeds` give each galaxy's
    number of volunteers and the start of its own random stream. Each galaxy gets `trees` vote trees. `by_question` splits
    the information into shares by question, by the chain rule in the layout's order.
    """
    draws, galaxies, answers = concentrations.shape
    questions = len(layout.parents)
    scores = np.zeros((galaxies, questions if by_question else 1))
    state = np.empty(1, np.uint64)
    by_draw, alpha, totals = np.empty((draws, answers)), np.empty((answers, draws)), np.empty((questions, draws))
    sampled, counts = np.empty((trees, answers), np.int64), np.empty((answers, trees), np.int64)
    most = volunteers.max() if galaxies else 0
    table = np.empty((2, most + 1, draws))
    chance = np.empty((2, trees, draws))
    logits, entropies, told = np.empty(draws), np.empty(trees), np.empty(trees, np.bool_)
    asked = np.empty((trees, questions), np.int64)
    plain_votes = 0 if by_question else min(most, int(ROOM))  # more votes would exceed ROOM
    table_of_plain = np.ones((answers + questions, plain_votes + 1, draws))
    plain, buffers, of_plain = np.empty((trees + 1, draws)), np.empty((2, (trees + 1) * draws)), np.empty(trees + 1)
    for g in range(galaxies):
        state[0] = seeds[g]
        for t in range(draws):
            for a in range(answers):
                by_draw[t, a] = concentrations[t, g, a]
        for a in range(answers):
            for t in range(draws):
                alpha[a, t] = by_draw[t, a]
        for q in range(questions):
            totals[q] = 0.0
            for a in range(layout.bounds[q], layout.bounds[q + 1]):
                for t in range(draws):
                    totals[q, t] += alpha[a, t]
        source = _share_trees(weights[:, g], trees, state)
        _sample_trees(by_draw, source, layout, volunteers[g], state, sampled, asked)
        bits = bits_a_vote(alpha, totals, volunteers[g])
        if not by_question and bits * volunteers[g] < ROOM:
            own = weights[:, g].copy()
            scores[g, 0] = plain_information(
                alpha, totals, own, sampled, asked, layout, bits, table_of_plain, plain, buffers, of_plain
            )
            continue
        counts[:] = sampled.T
        prior = np.log(weights[:, g])
        chance[0], chance[1] = 1.0, 0.0
        entropies[:] = entropy(prior)
        for q in layout.order:
            weigh_question(q, alpha, counts, layout, table, chance)
            if by_question:
                told[:] = counts[layout.bounds[q] : layout.bounds[q + 1]].sum(0) > 0
                scores[g, q] = _lower_entropies(chance, told, prior, logits, entropies)
        if not by_question:
            told[:] = True
            scores[g, 0] = max(_lower_entropies(chance, told, prior, logits, entropies), 0.0)
    return scores


@compiled
def tree_logits(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    volunteers: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    trees: int,
    layout: TreeLayout,
    common_source: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Sample vote trees of each galaxy, and return ln p(tree | draw) up to a common term of all draws, (galaxy, tree, draw).

    The parameters are as in `score_galaxies`, and

    common_source : ndarray of int, shape (tree,) or (0,)
        The draw from which tree m of *every* galaxy is sampled. If empty, each galaxy has its own sources, in proportion to
        its weights.
    """
    draws, galaxies, answers = concentrations.shape
    out = np.empty((galaxies, trees, draws), np.float32)
    state = np.empty(1, np.uint64)
    by_draw = np.empty((draws, answers))
    sampled, counts = np.empty((trees, answers), np.int64), np.empty((answers, trees), np.int64)
    asked = np.empty((trees, len(layout.parents)), np.int64)
    table = np.empty((2, volunteers.max() + 1 if galaxies else 1, draws))
    chance = np.empty((2, trees, draws))
    for g in range(galaxies):
        state[0] = seeds[g]
        by_draw[:] = concentrations[:, g]
        alpha = by_draw.T.copy()
        source = common_source if len(common_source) else _share_trees(weights[:, g], trees, state)
        _sample_trees(by_draw, source, layout, volunteers[g], state, sampled, asked)
        counts[:] = sampled.T
        chance[0], chance[1] = 1.0, 0.0
        for q in layout.order:
            weigh_question(q, alpha, counts, layout, table, chance)
        for m in range(trees):
            for t in range(draws):
                out[g, m, t] = np.log(chance[0, m, t]) + chance[1, m, t] * LOG_SCALE
    return out


@compiled
def share_trees(weights: NDArray[np.float64], trees: int, seed: np.uint64) -> NDArray[np.int64]:
    """Return, for each vote tree, the draw from which it is sampled, (tree,), in proportion to weights (draw,)."""
    state = np.empty(1, np.uint64)
    state[0] = seed
    return _share_trees(weights, trees, state)
