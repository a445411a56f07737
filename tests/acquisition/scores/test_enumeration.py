"""Enumeration of every vote tree: published numbers, and properties that hold for any tree."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import random_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from zooactive.acquisition import exact_mutual_information
from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question, load_tree

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


@st.composite
def worlds(draw):
    """A random tree, and concentrations of a few draws for one galaxy."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tree = random_tree(rng, questions=draw(st.integers(1, 3)))
    alpha = 10 ** rng.uniform(-1, 2, (draw(st.integers(2, 5)), len(tree.columns)))
    return tree, alpha.astype(np.float32), draw(st.integers(1, 3))


def of(tree, alpha, votes):
    return exact_mutual_information(Posterior(np.asarray(alpha)[:, None], ["g"], tree), votes)[0]


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_properties_that_hold_for_every_posterior(world):
    tree, alpha, votes = world
    found, draws = of(tree, alpha, votes), len(alpha)
    assert 0 <= found <= np.log(draws) + 1e-12
    assert of(tree, np.repeat(alpha[:1], draws, axis=0), votes) == pytest.approx(0, abs=1e-12)
    assert of(tree, alpha[::-1], votes) == pytest.approx(found, abs=1e-10)
    assert of(tree, np.repeat(alpha, 2, axis=0), votes) == pytest.approx(found, abs=1e-10)
    assert of(tree, alpha, votes + 1) >= found - 1e-10
    assert of(tree, alpha, 0) == pytest.approx(0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(0, 2**32 - 1))
def test_relabelling_answers_changes_nothing(world, seed):
    tree, alpha, votes = world
    rng, order, questions = np.random.default_rng(seed), [], []
    for question, where in zip(tree.questions, tree.slices, strict=True):
        shuffled = rng.permutation(len(question.answers))
        order += [where.start + i for i in shuffled]
        questions.append(Question(question.name, [question.answers[i] for i in shuffled], question.asked_after))
    relabelled = DecisionTree("relabelled", questions)
    assert of(relabelled, alpha[:, order], votes) == pytest.approx(of(tree, alpha, votes), abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_a_question_more_never_tells_less(world):
    tree, alpha, votes = world
    leaves = [q for q in range(len(tree.questions)) if q not in tree.parents]
    fewer = [question for q, question in enumerate(tree.questions) if q != leaves[0]]
    if fewer:
        kept = np.flatnonzero(tree.question_index != leaves[0])
        assert of(DecisionTree("fewer", fewer), alpha[:, kept], votes) <= of(tree, alpha, votes) + 1e-10


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_one_answer_against_the_rest_tells_no_more_than_all(world):
    tree, alpha, votes = world
    question, where = tree.questions[tree.roots[0]], tree.slices[tree.roots[0]]
    alone = DecisionTree("alone", [Question("q", question.answers)])
    whole = of(alone, alpha[:, where], votes)
    rest = np.column_stack([alpha[:, where.start], alpha[:, where][:, 1:].sum(1)])
    marginal = of(DecisionTree("two", [Question("q", ["this", "other"])]), rest, votes)
    assert marginal <= whole + 1e-6  # float32 sums of the others
    if len(question.answers) == 2:
        assert marginal == pytest.approx(whole, abs=1e-6)


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
