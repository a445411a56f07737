"""Compiled: the exact value of one volunteer's votes, by enumeration of all paths down the tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.compiled.tree_layout import TreeLayout
from zooactive.foundation.compiled import compiled


@compiled
def one_volunteer(
    concentrations: NDArray[np.float32],
    weights: NDArray[np.float64],
    counting: NDArray[np.float64],
    layout: TreeLayout,
    values: NDArray[np.float64],
) -> None:
    """Fill in the exact fall of the error by one volunteer, `values` (galaxy,), over all paths down the tree.

    The parameters are as in `fall_of_error`. A path is a complete set of answers; its probability under a draw is the
    product of their fractions.
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
    """Return P(path) times the squared moves of the expected fractions after this path, weighted by `counting`."""
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
