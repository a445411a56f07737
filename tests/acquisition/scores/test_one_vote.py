"""The closed form of one vote: published numbers, and that it bounds the exact information."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import exact_mutual_information, one_vote_information
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

ROOT = Question("root", ["x", "y", "z"])
SMALL = DecisionTree("small", [ROOT, Question("child", ["u", "v"], ["root_y"])])
SMALL_ALPHA = np.array([[6, 3, 1, 2, 8], [2, 7, 1, 5, 1]], dtype=float)


def test_the_small_case():
    found = one_vote_information(Posterior(SMALL_ALPHA[:, None], ["g"], SMALL))
    assert found == pytest.approx([0.186447551], abs=1e-8)


def test_the_root_of_the_small_case_alone():
    found = one_vote_information(Posterior(SMALL_ALPHA[:, None, :3], ["g"], DecisionTree("root", [ROOT])))
    assert found == pytest.approx([0.093466254], abs=2e-9)


def test_it_bounds_the_exact_information_of_one_vote(tree):
    alpha = np.random.default_rng(0).uniform(0.2, 20, (5, 40, len(tree.columns)))
    posterior = Posterior(alpha, [f"g{i}" for i in range(40)], tree)
    assert (one_vote_information(posterior) >= exact_mutual_information(posterior, 1) - 1e-12).all()


def test_draws_that_differ_in_spread_alone_score_zero():
    question = DecisionTree("t", [Question("one", ["yes", "no"])])
    assert one_vote_information(Posterior([[[1, 1]], [[10, 10]]], ["g"], question)).tolist() == [0]


def test_identical_draws_score_zero(tree):
    alpha = np.repeat(np.random.default_rng(1).uniform(0.2, 20, (1, 40, len(tree.columns))), 7, axis=0)
    assert not one_vote_information(Posterior(alpha, [f"g{i}" for i in range(40)], tree)).any()


def test_a_question_that_nobody_reaches_adds_nothing():
    alpha = [[[1e-38, 1e38, 3, 1]], [[1e-38, 1e38, 1, 3]]]
    deep = DecisionTree("t", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_x"])])
    assert one_vote_information(Posterior(alpha, ["g"], deep)).tolist() == [0]


def test_scores_do_not_depend_on_order_or_chunks(tree):
    rng = np.random.default_rng(2)
    alpha = rng.uniform(0.2, 20, (3, 5000, len(tree.columns)))
    whole = Posterior(alpha, [f"g{i}" for i in range(5000)], tree)
    scores = one_vote_information(whole)
    order = rng.permutation(5000)
    assert one_vote_information(whole.select(whole.ids[order])).tobytes() == scores[order].tobytes()
    assert one_vote_information(whole.select([whole.ids[17]]))[0] == scores[17]
    assert one_vote_information(whole.select([])).shape == (0,)
