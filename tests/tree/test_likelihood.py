"""The Dirichlet-multinomial likelihood: published values, scipy, and that probabilities sum to one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import special, stats

from zooactive.foundation.errors import PosteriorError
from zooactive.tree import DecisionTree, Question
from zooactive.tree.likelihood import (
    GivenVotes,
    dirichlet_multinomial_log_prob,
    log_likelihood_slope,
    log_rising,
    log_rising_table,
)


def one_question(answers):
    return DecisionTree("one", [Question("q", [f"a{i}" for i in range(answers)])])


@pytest.mark.parametrize(
    ("votes", "concentrations", "expected"),
    [
        ((5, 0, 0), (1, 1, 1), 3.044522),
        ((10, 0), (1, 1), 2.397895),
        ((1, 1), (2, 3), 0.916291),
        ((3, 2, 0), (10, 5, 1), 1.547176),
        ((12, 28, 0), (30, 60, 5), 4.043949),
        ((40, 0), (101, 1), 0.333639),
        ((0, 40), (101, 1), 81.493918),
    ],
)
def test_published_log_probabilities(votes, concentrations, expected):
    found = dirichlet_multinomial_log_prob(votes, concentrations, one_question(len(votes)))
    assert -found == pytest.approx([expected], abs=5e-7)


@pytest.mark.parametrize("volunteers", [0, 1, 5, 40.5])
def test_answers_that_nobody_gave_are_passed_over_without_a_bit_of_difference(tree, volunteers):
    rng = np.random.default_rng(1)
    votes = np.floor(rng.uniform(0, 1, (200, len(tree.columns))) ** 4 * (volunteers + 1)) + 0.5 * (volunteers % 1)
    alpha = rng.uniform(1e-3, 1e3, votes.shape)
    rising, slope = GivenVotes(votes, tree).log_rising_and_slope(alpha)
    assert np.array_equal(rising, log_rising(votes, alpha, tree))
    assert np.array_equal(slope, log_likelihood_slope(votes, alpha, tree))


def test_a_question_without_votes_has_log_probability_exactly_zero(tree):
    alpha = np.random.default_rng(0).uniform(1e-3, 1e4, (50, len(tree.columns)))
    found = dirichlet_multinomial_log_prob(np.zeros(len(tree.columns)), alpha, tree)
    assert found.shape == (50, 4)
    assert not found.any()


def test_the_probabilities_of_all_votes_sum_to_one_for_every_question(tree):
    alpha = np.random.default_rng(1).uniform(0.1, 30, len(tree.columns))
    ways = np.array([k for k in itertools.product(range(6), repeat=3) if sum(k) == 5])
    votes = np.zeros((len(ways), len(tree.columns)))
    votes[:, tree.slices[2]] = ways
    assert np.exp(dirichlet_multinomial_log_prob(votes, alpha, tree)[:, 2]).sum() == pytest.approx(1, abs=1e-12)


def test_log_probabilities_are_those_of_scipy(tree, draw_votes):
    votes = draw_votes(20)
    alpha = np.random.default_rng(2).uniform(0.1, 100, (20, len(tree.columns)))
    found = dirichlet_multinomial_log_prob(votes, alpha, tree)
    for g, (q, where) in itertools.product(range(20), enumerate(tree.slices)):
        k = votes[g, where].astype(int)
        expected = stats.dirichlet_multinomial.logpmf(k, alpha[g, where], k.sum())
        assert found[g, q] == pytest.approx(expected, abs=1e-9)


def test_the_table_of_rising_factorials_is_that_of_gamma_functions():
    alpha = 10 ** np.random.default_rng(0).uniform(-3, 5, (3, 4))
    found = log_rising_table(alpha, 50)
    k = np.arange(51)
    assert found.shape == (3, 4, 51)
    assert found == pytest.approx(special.gammaln(alpha[..., None] + k) - special.gammaln(alpha)[..., None], abs=1e-8)


def test_votes_and_concentrations_that_do_not_fit_are_refused(tree):
    good = np.ones(len(tree.columns))
    with pytest.raises(PosteriorError, match=r"votes have the shape \(3,\).*'small' has 10 answers"):
        dirichlet_multinomial_log_prob([1, 2, 3], good, tree)
    with pytest.raises(PosteriorError, match=r"'smooth-or-featured_smooth' is 0\.0"):
        dirichlet_multinomial_log_prob(good, [0, *good[1:]], tree)
