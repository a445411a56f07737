"""Disagreement of the draws about the mean votes."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import draw_variance
from zooactive.posterior import Posterior


def test_it_is_the_variance_of_the_joint_fractions(tree):
    alpha = np.random.default_rng(0).uniform(0.5, 9, (5, 8, len(tree.columns)))
    found = draw_variance(Posterior(alpha, "abcdefgh", tree))
    for g in range(8):
        joint = []
        for t in range(5):
            mu = np.concatenate([alpha[t, g, where] / alpha[t, g, where].sum() for where in tree.slices])
            featured, not_edge_on = mu[1], mu[4]
            reached = [1, featured, featured * not_edge_on, mu[0] + mu[1]]
            joint.append(mu * np.repeat(reached, [3, 2, 3, 2]))
        assert found[g] == pytest.approx(np.var(joint, axis=0).sum(), rel=1e-6)


def test_identical_draws_do_not_disagree(tree):
    alpha = np.repeat(np.random.default_rng(0).uniform(0.5, 9, (1, 8, len(tree.columns))), 4, axis=0)
    assert draw_variance(Posterior(alpha, "abcdefgh", tree)) == pytest.approx(np.zeros(8), abs=1e-30)
