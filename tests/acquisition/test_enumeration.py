"""Enumeration of every vote tree: published numbers, and properties that hold for any tree."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import exact_mutual_information
from zooactive.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question
from zooactive.tree_files import load_tree

ROOT = Question("root", ["x", "y", "z"])
CHILD = Question("child", ["u", "v"], ["root_y"])
THIRD = Question("third", ["i", "j", "k"], ["root_x", "root_y"])
SMALL_ALPHA = np.array([[6, 3, 1, 2, 8], [2, 7, 1, 5, 1]], dtype=float)


def exact(questions, alpha, votes):
    alpha = np.asarray(alpha, dtype=float)
    return exact_mutual_information(Posterior(alpha[:, None], ["g"], DecisionTree("t", questions)), votes)[0]


@pytest.mark.parametrize(("votes", "expected"), [(1, 0.186447551), (2, 0.300203120)])
def test_the_small_case(votes, expected):
    assert exact([ROOT, CHILD], SMALL_ALPHA, votes) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("votes", "expected"), [(1, 0.093466254), (2, 0.158509619), (40, 0.462060129)])
def test_the_root_of_the_small_case_alone(votes, expected):
    assert exact([ROOT], SMALL_ALPHA[:, :3], votes) == pytest.approx(expected, abs=1e-8)


def test_a_third_question_that_follows_two_answers():
    alpha = np.concatenate([SMALL_ALPHA, [[1, 1, 1], [4, 4, 4]]], axis=1)
    assert exact([ROOT, CHILD, THIRD], alpha, 2) == pytest.approx(0.302682669, abs=1e-8)


@pytest.mark.parametrize(("answer", "expected"), [(0, 0.147256980), (1, 0.140418716), (2, 0)])
def test_one_answer_against_the_rest(answer, expected):
    one = SMALL_ALPHA[:, answer]
    alpha = np.column_stack([one, SMALL_ALPHA[:, :3].sum(1) - one])
    assert exact([Question("one", ["yes", "no"])], alpha, 2) == pytest.approx(expected, abs=1e-8)


def test_more_votes_can_add_more_than_the_first_did():
    alpha = [[1, 1], [10, 10]]
    found = [exact([Question("one", ["yes", "no"])], alpha, votes) for votes in (1, 2, 3, 4)]
    assert found == pytest.approx([0, 0.010632, 0.024301, 0.038139], abs=6e-7)


@pytest.mark.parametrize(
    ("rho", "votes", "expected"),
    [
        ([0.1, 0.9], 1, 0.368064),
        ([0.4, 0.6], 10, 0.171015),
        ([0.4, 0.6], 40, 0.452751),
        ([0.1, 0.5, 0.9], 10, 0.877819),
        ([0.0004, 0.0014], 40, 0.00586),
    ],
)
def test_large_concentrations_approach_the_binomial_numbers(rho, votes, expected):
    alpha = [[1e10 * p, 1e10 * (1 - p)] for p in rho]
    assert exact([Question("one", ["yes", "no"])], alpha, votes) == pytest.approx(expected, abs=4e-6)


def test_certain_and_opposite_draws_are_told_apart():
    assert exact([Question("one", ["yes", "no"])], [[1e-30, 1e9], [1e9, 1e-30]], 40) == pytest.approx(np.log(2), abs=1e-9)


def test_properties_that_hold_for_every_posterior(tree):
    rng = np.random.default_rng(0)
    ids = [f"g{i}" for i in range(6)]
    alpha = rng.uniform(0.2, 20, (4, 6, len(tree.columns)))
    found = [exact_mutual_information(Posterior(alpha, ids, tree), votes) for votes in (0, 1, 2, 3)]
    assert found[0] == pytest.approx(np.zeros(6), abs=1e-12)
    assert (np.diff(found, axis=0) > 0).all()
    assert (found[3] < np.log(4)).all()
    permuted = exact_mutual_information(Posterior(alpha[[2, 0, 3, 1]], ids, tree), 2)
    assert permuted == pytest.approx(found[2], abs=1e-12)
    doubled = exact_mutual_information(Posterior(np.concatenate([alpha, alpha]), ids, tree), 2)
    assert doubled == pytest.approx(found[2], abs=1e-12)
    same = exact_mutual_information(Posterior(np.repeat(alpha[:1], 4, axis=0), ids, tree), 2)
    assert same == pytest.approx(np.zeros(6), abs=1e-12)
    leafless = DecisionTree("leafless", tree.questions[:3])
    fewer = exact_mutual_information(Posterior(alpha[:, :, : len(leafless.columns)], ids, leafless), 2)
    assert (fewer < found[2]).all()


def test_relabelled_answers_tell_as_much():
    relabelled = [Question("root", ["x", "z", "y"]), CHILD]
    alpha = SMALL_ALPHA[:, [0, 2, 1, 4, 3]]
    assert exact(relabelled, alpha, 2) == pytest.approx(0.300203120, abs=1e-8)


def test_a_million_outcomes_are_the_most():
    decals = load_tree("decals_dr5")
    posterior = Posterior(np.ones((2, 1, len(decals.columns))), ["g"], decals)
    with pytest.raises(AcquisitionError, match=r"outcomes or more.*ask for fewer votes, or use mutual_information"):
        exact_mutual_information(posterior, 40)


@pytest.mark.parametrize("votes", [-1, 2.0, True])
def test_votes_that_are_no_whole_number_are_refused(tree, votes):
    with pytest.raises(AcquisitionError, match="whole number"):
        exact_mutual_information(Posterior(np.ones((2, 1, len(tree.columns))), "a", tree), votes)
