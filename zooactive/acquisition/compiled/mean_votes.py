"""Compiled: mean votes down the tree, and their sums over draws.

Galaxies are the last axis of every buffer, so that the inner loops are vectorised.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.compiled.tree_layout import TreeLayout
from zooactive.foundation.compiled import compiled


@compiled
def fill_fractions(
    concentrations: NDArray[np.float32], layout: TreeLayout, fractions: NDArray[np.float64], asked: NDArray[np.float64]
) -> None:
    """Fill in mean fractions (draw, answer, galaxy) and the probability of being asked (draw, question, galaxy).

    The concentrations are (draw, galaxy, answer).
    """
    draws, galaxies, _ = concentrations.shape
    inverse = np.empty(galaxies)
    for t in range(draws):
        for q in layout.order:
            first, last = layout.bounds[q], layout.bounds[q + 1]
            inverse[:] = 0.0
            for a in range(first, last):
                for g in range(galaxies):
                    inverse[g] += concentrations[t, g, a]
            for g in range(galaxies):
                inverse[g] = 1.0 / inverse[g]
            for a in range(first, last):
                mu = fractions[t, a]
                for g in range(galaxies):
                    mu[g] = concentrations[t, g, a] * inverse[g]
            parent, reached = layout.parents[q], asked[t, q]
            if parent < 0:
                reached[:] = 1.0
                continue
            reached[:] = 0.0
            for a in range(layout.bounds[parent], layout.bounds[parent + 1]):
                if layout.leads_to[q, a]:
                    reached += fractions[t, a]
            reached *= asked[t, parent]


@compiled
def sum_over_draws(
    weights: NDArray[np.float64],
    fractions: NDArray[np.float64],
    log_fractions: NDArray[np.float64],
    asked: NDArray[np.float64],
    layout: TreeLayout,
    mean_asked: NDArray[np.float64],
    joint: NDArray[np.float64],
    conditional: NDArray[np.float64],
) -> None:
    """Fill in sums over draws, each term times weights (draw, galaxy) and the probability of being asked.

    The terms are 1 in `mean_asked` and -sum mu ln mu in `conditional`, both (question, galaxy), and mu in `joint` (answer,
    galaxy).
    """
    draws, questions, galaxies = asked.shape
    mean_asked[:], joint[:], conditional[:] = 0.0, 0.0, 0.0
    weight = np.empty(galaxies)
    for t in range(draws):
        for q in range(questions):
            for g in range(galaxies):
                weight[g] = weights[t, g] * asked[t, q, g]
                mean_asked[q, g] += weight[g]
            for a in range(layout.bounds[q], layout.bounds[q + 1]):
                mu, log_mu, given, entropy = fractions[t, a], log_fractions[t, a], joint[a], conditional[q]
                for g in range(galaxies):
                    share = weight[g] * mu[g]
                    given[g] += share
                    entropy[g] -= share * log_mu[g]
