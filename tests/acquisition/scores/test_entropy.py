"""The entropy of one vote, question by question."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import predictive_entropy
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

ROOT = Question("root", ["x", "y", "z"])
SMALL = DecisionTree("small", [ROOT, Question("child", ["u", "v"], ["root_y"])])
SMALL_ALPHA = np.array([[6, 3, 1, 2, 8], [2, 7, 1, 5, 1]], dtype=float)


def test_the_root_of_the_small_case_alone():
    found = predictive_entropy(Posterior(SMALL_ALPHA[:, None, :3], ["g"], DecisionTree("root", [ROOT])))
    assert found == pytest.approx([0.943348392], abs=2e-9)


def test_a_child_counts_as_often_as_it_is_asked():
    # P(asked child) = (0.3 + 0.7) / 2; weights 0.3 and 0.7 on its fractions of u, 0.2 and 5/6.
    u = 0.3 * 0.2 + 0.7 * 5 / 6
    child = -(u * np.log(u) + (1 - u) * np.log(1 - u))
    found = predictive_entropy(Posterior(SMALL_ALPHA[:, None], ["g"], SMALL))
    assert found == pytest.approx([0.943348392 + 0.5 * child], abs=2e-9)


def test_an_ambiguous_galaxy_scores_however_sure_the_network_is(tree):
    known = Posterior(np.full((3, 1, len(tree.columns)), 50.0), ["g"], tree)
    expected = np.log(3) + np.log(2) / 3 + np.log(3) / 6 + np.log(2) * 2 / 3
    assert predictive_entropy(known) == pytest.approx([expected], abs=1e-12)
