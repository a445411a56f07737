"""The cost of a galaxy, against votes that are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import expected_clicks
from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior


def test_clicks_are_the_mean_of_drawn_votes(tree):
    rng = np.random.default_rng(0)
    alpha = rng.uniform(0.5, 6, (2, 1, len(tree.columns)))
    drawn = []
    for i in range(4000):
        votes = np.zeros(len(tree.columns))
        for q in tree.order:
            n = 10 if tree.parents[q] < 0 else int(votes[tree.leads_to[q]].sum())
            votes[tree.slices[q]] = rng.multinomial(n, rng.dirichlet(alpha[i % 2, 0, tree.slices[q]]))
        drawn.append(votes.sum())
    found = expected_clicks(Posterior(alpha, ["g"], tree), 10)[0]
    assert abs(np.mean(drawn) - found) < 4 * np.std(drawn) / np.sqrt(len(drawn))


def test_each_galaxy_may_have_its_own_number_of_volunteers(tree):
    posterior = Posterior(np.ones((1, 2, len(tree.columns))), "ab", tree)
    assert expected_clicks(posterior, [10, 20]) == pytest.approx(expected_clicks(posterior, 10) * [1, 2])
    with pytest.raises(AcquisitionError, match="whole number"):
        expected_clicks(posterior, 1.5)
