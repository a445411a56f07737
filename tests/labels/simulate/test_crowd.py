"""A crowd answers as its formula says, down the tree, and each volunteer once a galaxy."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.foundation.errors import CatalogueError
from zooactive.labels.simulate import Crowd
from zooactive.labels.simulate.crowd import members, perfect_crowd


@pytest.fixture
def rho(tree):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.dirichlet(np.ones(len(q.answers)), 3) for q in tree.questions], axis=1)


def names(n):
    return [f"g{number}" for number in range(n)]


@pytest.mark.parametrize("crowd", [Crowd(skill=1, bias=0), Crowd(skill=1, bias=1, activity=2), perfect_crowd(40)])
def test_perfect_skill_gives_the_true_probabilities(tree, rho, crowd):
    assert np.allclose(crowd.probabilities(rho, tree), rho, rtol=0, atol=1e-12)


def test_without_skill_and_bias_every_answer_is_alike(tree, rho):
    even = np.concatenate([np.full(len(q.answers), 1 / len(q.answers)) for q in tree.questions])
    assert np.allclose(Crowd(skill=0, bias=0).probabilities(rho, tree), even, rtol=0, atol=1e-12)


def test_the_expected_answers_are_those_of_every_volunteer_one_by_one(tree, rho):
    crowd = Crowd(volunteers=60, skill=0.6, skill_spread=0.5, bias=1.0, personal=0.9, activity=1.5)
    people = members(crowd, tree)
    expected = np.zeros_like(rho)
    for galaxy, truth in enumerate(rho):
        given = np.zeros(len(tree.columns))
        for skill, leaning, share in zip(people.skills, people.leanings, people.shares, strict=True):
            chances = skill * truth + (1 - skill) * leaning
            reached = np.ones(len(tree.questions))
            for question in tree.order:
                if tree.parents[question] >= 0:
                    leading = chances[tree.leads_to[question]].sum()
                    reached[question] = reached[tree.parents[question]] * leading
            given += share * reached[tree.question_index] * chances
        expected[galaxy] = given / tree.question_sums(given)[tree.question_index]
    assert np.allclose(crowd.probabilities(rho, tree), expected, rtol=0, atol=1e-12)
    # Those who come to a child question are no fair sample of the crowd.
    fair = people.shares @ (people.skills[:, None] * rho[0] + (1 - people.skills[:, None]) * people.leanings)
    assert np.abs(expected[0] - fair).max() > 0.01


@pytest.mark.parametrize(
    "crowd", [Crowd(volunteers=500), Crowd(volunteers=800, skill=0.5, skill_spread=0.6, bias=1, seed=4)]
)
def test_counts_agree_with_the_expected_answers_within_four_standard_errors(tree, rho, crowd):
    galaxies = 4000
    votes = crowd.walk(np.repeat(rho[:1], galaxies, axis=0), tree, ids=names(galaxies), volunteers=20)
    expected = 20 * tree.joint(crowd.probabilities(rho[:1], tree))[0]
    error = votes.std(axis=0) / np.sqrt(galaxies)
    assert (np.abs(votes.mean(axis=0) - expected) < 4 * error).all()
    naive = 20 * tree.joint(rho[0])
    assert (np.abs(naive - expected) > 4 * error).any(), "the crowd's errors are large enough to be seen"


def test_a_child_is_asked_of_exactly_those_who_gave_an_answer_that_leads_to_it(tree, rho):
    votes = Crowd().walk(np.tile(rho, (50, 1)), tree, ids=names(150), volunteers=30)
    sums = tree.question_sums(votes)
    assert (sums[:, 0] == 30).all()
    for question, parent in enumerate(tree.parents):
        if parent >= 0:
            assert np.array_equal(sums[:, question], votes[:, tree.leads_to[question]].sum(axis=1))


def test_a_volunteer_sees_a_galaxy_once_and_as_often_as_their_activity_says(tree, rho):
    crowd = Crowd(volunteers=300, activity=0.8)
    galaxies, each = 3000, 20
    parts = list(crowd.classify(np.repeat(rho[:1], galaxies, axis=0), tree, ids=names(galaxies), volunteers=each))
    who = np.concatenate([part.who for part in parts])
    assert who.shape == (galaxies, each)
    assert all(len(set(row)) == each for row in who.tolist())
    expected = galaxies * each * members(crowd, tree).shares
    seen = np.bincount(who.ravel(), minlength=300)
    # Each galaxy shows a volunteer or not, independently of the others; 4.5 for 300 volunteers at once.
    assert (np.abs(seen - expected) < 4.5 * np.sqrt(expected * (1 - expected / galaxies)) + 1e-9).all()
    assert seen.max() > 5 * np.median(seen)


def test_the_votes_of_a_galaxy_depend_on_its_id_and_the_seed_alone(tree, rho, monkeypatch):
    crowd, many = Crowd(volunteers=400), np.tile(rho, (40, 1))
    votes = crowd.walk(many, tree, ids=names(120), volunteers=15, seed=2)
    rows = [77, 3, 110]
    some = crowd.walk(many[rows], tree, ids=[f"g{row}" for row in rows], volunteers=15, seed=2)
    assert np.array_equal(some, votes[rows])
    monkeypatch.setattr("zooactive.labels.simulate.crowd._AT_ONCE", 8000)
    assert np.array_equal(crowd.walk(many, tree, ids=names(120), volunteers=15, seed=2), votes)
    assert not np.array_equal(crowd.walk(many, tree, ids=names(120), volunteers=15, seed=3), votes)
    other = Crowd(volunteers=400, seed=1).walk(many, tree, ids=names(120), volunteers=15, seed=2)
    assert not np.array_equal(other, votes)


def test_skills_have_the_mean_and_the_spread_that_were_asked_for(tree):
    skills = members(Crowd(volunteers=20_000, skill=0.7, skill_spread=0.2), tree).skills
    assert skills.mean() == pytest.approx(0.7, abs=0.01)
    assert skills.var() == pytest.approx(0.2 * 0.7 * 0.3, rel=0.05)


def test_an_impossible_answer_is_never_given(tree):
    sure = np.array([[0.0, 1, 0, 0, 1, 0, 0, 1, 1, 0]])
    votes = perfect_crowd(30).walk(np.repeat(sure, 100, axis=0), tree, ids=names(100), volunteers=30)
    assert np.array_equal(votes, np.repeat(30 * sure, 100, axis=0))


def test_a_crowd_that_is_too_small_is_told(tree, rho):
    with pytest.raises(CatalogueError, match=r"1 to 1\d, so that nobody sees a galaxy twice; give a larger crowd"):
        Crowd(volunteers=100, seed=1).walk(rho, tree, ids=names(3), volunteers=40)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"volunteers": 0}, "crowd of 0 volunteers"),
        ({"skill": 1.1}, "skill = 1.1; give a number from 0 to 1"),
        ({"bias": -0.1}, "bias = -0.1"),
        ({"personal": 2}, "personal = 2"),
        ({"skill_spread": 1.0}, "skill_spread = 1.0"),
        ({"activity": float("nan")}, "activity = nan"),
    ],
)
def test_a_crowd_that_cannot_be_is_told(values, said):
    with pytest.raises(CatalogueError, match=said):
        Crowd(**values)
