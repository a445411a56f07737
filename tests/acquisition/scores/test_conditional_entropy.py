"""The entropy given the draw, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import SMALL, SMALL_ALPHA, entropies, random_tree
from references import conditional_entropy, votes_asked

from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question


def test_the_small_case():
    found = conditional_entropy(Posterior(SMALL_ALPHA[:, None], ["g"], SMALL), 2)
    assert found == pytest.approx([1.787216816], abs=2e-9)


@pytest.mark.parametrize("case", range(40))
def test_random_trees_have_the_entropy_of_brute_force(case):
    rng = np.random.default_rng(case)
    tree = random_tree(rng, questions=2 + case % 3)
    draws, votes = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    alpha = (10 ** rng.uniform(-2, 3, (draws, len(tree.columns)))).astype(np.float32).astype(float)
    weights = rng.dirichlet(np.ones(draws))
    found = conditional_entropy(Posterior(alpha[:, None], ["g"], tree, weights=weights), votes)
    assert found == pytest.approx([entropies(tree, alpha, votes, weights)[1]], abs=1e-9)


def test_the_published_chances_of_being_asked_the_child():
    found = votes_asked(Posterior(SMALL_ALPHA[:, None], ["g"], SMALL), 2)
    assert found[0, 0, 1] == pytest.approx([0.509091, 0.381818, 0.109091], abs=1e-6)
    assert found[:, 0, 0].tolist() == [[0, 0, 1]] * 2


def test_a_question_after_every_answer_is_asked_of_everybody():
    tree = DecisionTree("t", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_x", "a_y"])])
    found = votes_asked(Posterior([[[3, 4, 1, 1]]], ["g"], tree), 5)
    assert found[0, 0, 1] == pytest.approx([0, 0, 0, 0, 0, 1], abs=1e-12)


def test_extreme_concentrations_stay_finite(tree):
    alpha = 10 ** np.random.default_rng(1).uniform(-3, 5, (3, 20, len(tree.columns)))
    found = conditional_entropy(Posterior(alpha, [f"g{i}" for i in range(20)], tree), 40)
    assert np.isfinite(found).all()
    assert (found > 0).all()
