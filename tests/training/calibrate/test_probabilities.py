"""Temperatures and shares of labels, against probabilities that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from zooactive.foundation.errors import PosteriorError
from zooactive.models import LinearHead
from zooactive.posterior.corrections import prior_shift
from zooactive.training.calibrate.shares import shares_of, with_shares
from zooactive.training.calibrate.temperature import COLDEST, HOTTEST, fit_temperature, with_temperature
from zooactive.tree import load_tree


def test_the_temperature_that_was_put_in_is_found():
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (20_000, 3))
    labels = (special.softmax(z, axis=1).cumsum(1) < rng.random((20_000, 1))).sum(1)
    for temperature in (0.5, 1.0, 2.5):
        assert fit_temperature(z * temperature, labels) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_has_bounds_and_no_galaxies_change_nothing():
    many = 20_000
    assert fit_temperature(np.tile([1.0, 0.0], (many, 1)), np.zeros(many, int)) == pytest.approx(COLDEST, rel=1e-3)
    assert fit_temperature(np.tile([30.0, 0.0], (20, 1)), np.ones(20, int)) == pytest.approx(HOTTEST, rel=1e-3)
    assert fit_temperature(np.empty((0, 2)), np.empty(0, int)) == 1.0
    with pytest.raises(PosteriorError, match="one label per galaxy"):
        fit_temperature([[0.0, 1.0]], [0, 1])


def test_a_few_galaxies_all_told_right_say_little_of_the_temperature():
    assert 0.8 < fit_temperature([[1.0, 0.0]] * 3, [0, 0, 0]) < 1


def test_galaxies_count_by_their_weights():
    z, labels = [[2.0, 0.0]] * 4, [0, 0, 0, 1]
    twice = fit_temperature(z + z[3:], [*labels, 1])
    assert fit_temperature(z, labels, [1, 1, 1, 2]) == pytest.approx(twice, rel=1e-3)
    assert fit_temperature(z, labels) < twice


def test_a_shifted_prior_is_bayes_rule():
    """Two classes of Gaussian galaxies: the shifted odds of a balanced sample are those of the rare one, exactly."""
    x = np.linspace(-3, 3, 50)
    likelihood = np.stack([np.exp(-((x - 1) ** 2) / 2), np.exp(-((x + 1) ** 2) / 2)], axis=1)
    balanced = np.log(likelihood * [0.5, 0.5])
    rare = likelihood * [0.03, 0.97]
    shifted = special.softmax(balanced + prior_shift([0.5, 0.5], [0.03, 0.97]), axis=1)
    assert shifted == pytest.approx(rare / rare.sum(1, keepdims=True))
    with pytest.raises(PosteriorError, match="not a prior"):
        prior_shift([0.5, 0.5], [0.0, 1.0])


def test_a_head_takes_the_temperature_and_the_shares():
    kernel, bias = np.array([[2.0, -1.0], [0.5, 3.0]]), np.array([1.0, -1.0])
    head = LinearHead(kernel, bias, 0.1, "fraction", load_tree("rings"))
    softened = with_temperature(head, 2.0)
    assert (softened.kernel.tolist(), softened.bias.tolist()) == ((kernel / 2).tolist(), (bias / 2).tolist())
    moved = with_shares(head, [0.5, 0.5], [0.2, 0.8])
    assert moved.bias == pytest.approx(bias + np.log([0.4, 1.6]))
    assert np.array_equal(moved.kernel, head.kernel)
    assert with_shares(head, [0.0, 1.0], [0.0, 1.0]).bias.tolist() == bias.tolist()  # nothing is known of the first label


def test_shares_are_the_tables_or_even_where_labels_are_weighed():
    votes = np.array([[1, 0]] * 3 + [[0, 1]] * 9, dtype=np.float32)
    assert shares_of(votes, load_tree("rings")) == pytest.approx([0.25, 0.75])
    assert shares_of(votes, load_tree("rings"), 1.0) == pytest.approx([0.5, 0.5])
