"""Posteriors with votes drawn from them: what is measured of these is known beforehand."""

from __future__ import annotations

import numpy as np

from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

BINARY = DecisionTree("binary", [Question("smooth", ["yes", "no"])])


def world(tree, galaxies, *, volunteers=20, seed=0, draws=6):
    """A posterior, and votes drawn from one draw of it for each galaxy."""
    rng = np.random.default_rng(seed)
    alpha = rng.gamma(1.5, 3, (draws, galaxies, len(tree.columns))) + 0.05
    posterior = Posterior(alpha, [f"g{i}" for i in range(galaxies)], tree)
    votes = np.zeros((galaxies, len(tree.columns)))
    for g in range(galaxies):
        t = rng.integers(draws)
        for q in tree.order:
            n = volunteers if tree.parents[q] < 0 else int(votes[g, tree.leads_to[q]].sum())
            where = tree.slices[q]
            votes[g, where] = rng.multinomial(n, rng.dirichlet(posterior.concentrations[t, g, where].astype(float)))
    return posterior, votes
