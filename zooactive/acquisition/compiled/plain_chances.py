"""Compiled: the probability of vote trees under each draw as plain products, and the remaining entropy of the draws.

With few votes or moderate concentrations, the products stay within the range of a float64. They then need no separate
exponent (`vote_trees` carries one), and the logarithms of a whole block are computed at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.compiled.tree_layout import TreeLayout
from zooactive.foundation.compiled import compiled, compiled_extremes, compiled_sum

ROOM = 900.0
"""The powers of two by which a product may change before it is rescaled. A float64 holds 1022 of them in both directions."""

_LEAST = 1e-290
"""Weights below this are negligible; this bound keeps their logarithm finite."""

_EXPONENT_OF_ONE = 0x3FE0000000000000
_MANTISSA = 0xFFFFFFFFFFFFF
_WHOLE = 0x4330000000000000
"""Bits of float64: the exponent of numbers in [0.5, 1), all bits of a mantissa, and 2 ** 52, whose last bits hold a whole
number."""
_BIAS = 2.0**52 + 1022.0
_LN_2, _ROOT_HALF = float(np.log(2.0)), float(np.sqrt(0.5))


@compiled_extremes
def bits_a_vote(alpha: NDArray[np.float64], totals: NDArray[np.float64], volunteers: int) -> float:
    """Return a bound on the powers of two by which one vote can change a product.

    `alpha` is (answer, draw), and `totals` are its sums (question, draw). The probability of a vote is between the smallest
    concentration divided by the largest sum, and 1. Its factors are between the smallest concentration and the largest sum.
    """
    least, most = 1.0, 1.0
    for a in range(len(alpha)):
        for t in range(alpha.shape[1]):
            least = min(least, alpha[a, t])
    for q in range(len(totals)):
        for t in range(totals.shape[1]):
            most = max(most, totals[q, t])
    return float(np.log2((most + volunteers) / least))


@compiled
def _fill_table(
    alpha: NDArray[np.float64],
    totals: NDArray[np.float64],
    counts: NDArray[np.int64],
    asked: NDArray[np.int64],
    table: NDArray[np.float64],
) -> None:
    """Tabulate the factors by which counts (tree, answer) and their sums `asked` (tree, question) change the probability.

    The factors are tabulated for each draw. Row k of ``table[answer]`` is the product of alpha + j over j < k. After the
    answers come the questions, whose row n is the product of 1 / (alpha0 + j) over j < n. Rows 0 are 1 and stay 1.
    """
    answers, draws = alpha.shape
    most, most_asked = np.zeros(answers, np.int64), np.zeros(len(totals), np.int64)
    for m in range(len(counts)):
        for a in range(answers):
            most[a] = max(most[a], counts[m, a])
        for q in range(len(totals)):
            most_asked[q] = max(most_asked[q], asked[m, q])
    for a in range(answers):
        for k in range(most[a]):
            for t in range(draws):
                table[a, k + 1, t] = table[a, k, t] * (alpha[a, t] + k)
    for q in range(len(totals)):
        for n in range(most_asked[q]):
            for t in range(draws):
                table[answers + q, n + 1, t] = table[answers + q, n, t] / (totals[q, t] + n)


@compiled
def _fill_chances(
    counts: NDArray[np.int64],
    asked: NDArray[np.int64],
    layout: TreeLayout,
    bits: float,
    table: NDArray[np.float64],
    chance: NDArray[np.float64],
) -> None:
    """Fill in the probability of each tree of votes, (tree, answer), under each draw, up to a common factor of all draws."""
    (trees, answers), questions, high = counts.shape, asked.shape[1], table.shape[1]
    rows, chosen = table.reshape(len(table) * high, table.shape[2]), np.empty(answers + 1, np.int64)
    for m in range(trees):
        for t in range(chance.shape[1]):
            chance[m, t] = 1.0
        moved = 0.0
        for q in range(questions):
            n = asked[m, q]
            if n == 0:
                continue
            moved += bits * n
            if moved > ROOM:
                _divide_by_largest(chance[m])  # a draw 2 ** 900 times less likely than another now has weight 0
                moved = bits * n
            chosen[0], number = (answers + q) * high + n, 1
            for a in range(layout.bounds[q], layout.bounds[q + 1]):
                chosen[number] = a * high + counts[m, a]
                number += 1 if counts[m, a] > 0 else 0  # without a branch, which the processor could not predict
            for i in range(number):
                row = chosen[i]
                for t in range(chance.shape[1]):
                    chance[m, t] *= rows[row, t]


@compiled_extremes
def _divide_by_largest(values: NDArray[np.float64]) -> bool:
    """Divide values by the largest one, and return whether they differ."""
    most = least = values[0]
    for t in range(len(values)):
        most = max(most, values[t])
        least = min(least, values[t])
    inverse = 1.0 / most
    for t in range(len(values)):
        values[t] *= inverse
    return bool(least < most)


@compiled_sum
def _entropies(
    weights: NDArray[np.float64],
    logs: NDArray[np.float64],
    exponents: NDArray[np.float64],
    entropies: NDArray[np.float64],
) -> None:
    """Fill in the entropy of each row of `weights` (row, draw), whose sum need not be 1.

    H = ln S - sum v ln v / S. The logarithm of x = m 2^e, with m between the roots of 1/2 and 2, is e ln 2 + 2 artanh(z)
    with z = (m - 1) / (m + 1). Its series ends below the rounding error at z^21. `logs` and `exponents` are buffers as long
    as all weights together. The logarithm is written out because separate library calls took the most time.
    """
    rows, draws = weights.shape
    flat, of_log, of_exponent = weights.reshape(rows * draws), logs.view(np.int64), exponents.view(np.int64)
    for i in range(rows * draws):
        logs[i] = max(flat[i], _LEAST)
    for i in range(rows * draws):
        word = of_log[i]
        of_exponent[i] = (word >> 52) | _WHOLE
        of_log[i] = (word & _MANTISSA) | _EXPONENT_OF_ONE
    for i in range(rows * draws):
        mantissa, exponent = logs[i], exponents[i] - _BIAS
        small = mantissa < _ROOT_HALF
        mantissa = mantissa + mantissa if small else mantissa
        exponent = exponent - 1.0 if small else exponent
        z = (mantissa - 1.0) / (mantissa + 1.0)
        y = z * z
        series = 1 / 21.0
        series = series * y + 1 / 19.0
        series = series * y + 1 / 17.0
        series = series * y + 1 / 15.0
        series = series * y + 1 / 13.0
        series = series * y + 1 / 11.0
        series = series * y + 1 / 9.0
        series = series * y + 1 / 7.0
        series = series * y + 1 / 5.0
        series = series * y + 1 / 3.0
        series = series * y + 1.0
        logs[i] = flat[i] * (exponent * _LN_2 + 2.0 * z * series)
    for row in range(rows):
        whole, told = 0.0, 0.0
        for t in range(draws):
            whole += flat[row * draws + t]
            told += logs[row * draws + t]
        entropies[row] = np.log(whole) - told / whole


@compiled
def plain_information(
    alpha: NDArray[np.float64],
    totals: NDArray[np.float64],
    prior: NDArray[np.float64],
    counts: NDArray[np.int64],
    asked: NDArray[np.int64],
    layout: TreeLayout,
    bits: float,
    table: NDArray[np.float64],
    chance: NDArray[np.float64],
    buffers: NDArray[np.float64],
    entropies: NDArray[np.float64],
) -> float:
    """Return the mean fall of the entropy of the draws' weights by vote trees, exactly 0 if all draws agree.

    Parameters
    ----------
    alpha : ndarray of float64, shape (answer, draw)
    totals : ndarray of float64, shape (question, draw)
        The sums of `alpha` over the answers of each question.
    prior : ndarray of float64, shape (draw,)
        The weights of the draws.
    counts : ndarray of int, shape (tree, answer)
    asked : ndarray of int, shape (tree, question)
        The sums of `counts` over the answers of each question.
    layout : TreeLayout
    bits : float
        The result of `bits_a_vote`. Its product with `volunteers` must be below `ROOM`.
    table : ndarray of float64, shape (answer + question, vote + 1, draw)
        A buffer, whose rows for zero votes are 1.
    chance : ndarray of float64, shape (tree + 1, draw)
        A buffer.
    buffers : ndarray of float64, shape (2, (tree + 1) * draw)
    entropies : ndarray of float64, shape (tree + 1,)
        A buffer.
    """
    trees = len(counts)
    told = np.empty(trees, np.bool_)
    _fill_table(alpha, totals, counts, asked, table)
    _fill_chances(counts, asked, layout, bits, table, chance)
    for m in range(trees):
        told[m] = _divide_by_largest(chance[m])
        for t in range(len(prior)):
            chance[m, t] *= prior[t]
    chance[trees] = prior
    _entropies(chance, buffers[0], buffers[1], entropies)
    fallen = 0.0
    for m in range(trees):
        if told[m]:
            fallen += entropies[trees] - entropies[m]
    return max(fallen / trees, 0.0)
