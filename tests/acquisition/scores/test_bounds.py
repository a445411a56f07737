"""Bounds from one question at a time: published numbers, and that the exact information lies between them."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import ROOT, SMALL, SMALL_ALPHA, information, random_tree
from references import information_bounds

from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree


def test_the_small_case():
    lower, upper = information_bounds(Posterior(SMALL_ALPHA[:, None], ["g"], SMALL), 2)
    assert lower == pytest.approx([0.285993994], abs=2e-9)
    assert upper == pytest.approx([0.304084896], abs=2e-9)


def test_the_bounds_of_one_question_are_its_information():
    lower, upper = information_bounds(Posterior(SMALL_ALPHA[:, None, :3], ["g"], DecisionTree("root", [ROOT])), 40)
    assert lower == pytest.approx([0.462060129], abs=2e-9)
    assert upper == pytest.approx(lower, abs=1e-12)


@pytest.mark.parametrize("case", range(40))
def test_the_information_of_random_trees_lies_between(case):
    rng = np.random.default_rng(case)
    tree = random_tree(rng, questions=2 + case % 3)
    draws, votes = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    alpha = (10 ** rng.uniform(-0.5, 1.5, (draws, len(tree.columns)))).astype(np.float32).astype(float)
    weights = rng.dirichlet(np.ones(draws))
    lower, upper = information_bounds(Posterior(alpha[:, None], ["g"], tree, weights=weights), votes)
    exact = information(tree, alpha, votes, weights)
    assert lower[0] - 1e-10 <= exact <= upper[0] + 1e-10
