"""The binomial score of 2020: published numbers."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import binomial_information
from zooactive.foundation.errors import AcquisitionError, TreeError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

BINARY = DecisionTree("binary", [Question("smooth", ["yes", "no"])])


def of(rho, votes):
    alpha = np.array([[[r, 1 - r]] for r in rho]) + 1e-30
    return binomial_information(Posterior(alpha, ["g"], BINARY), "smooth_yes", votes)[0]


@pytest.mark.parametrize(
    ("rho", "votes", "expected"),
    [
        ((0.1, 0.9), 1, 0.368064),
        ((0.4, 0.6), 10, 0.171015),
        ((0.4, 0.6), 40, 0.452751),
        ((0.1, 0.5, 0.9), 10, 0.877819),
        ((0, 1), 40, np.log(2)),
        ((0.3, 0.3), 40, 0),
    ],
)
def test_published_numbers(rho, votes, expected):
    assert of(rho, votes) == pytest.approx(expected, abs=1e-6)


def test_small_fractions_are_not_rounded():
    assert of((0.0004, 0.0014), 40) == pytest.approx(0.00586, abs=5e-6)
    assert of((0.000, 0.001), 40) == pytest.approx(0.01379, abs=5e-6)  # what rounding to three decimals first would give


def test_an_answer_of_three_is_one_against_the_rest():
    three = Posterior([[[6, 3, 1]], [[2, 7, 1]]], ["g"], DecisionTree("t", [Question("q", ["x", "y", "z"])]))
    two = Posterior([[[6, 4]], [[2, 8]]], ["g"], BINARY)
    found, expected = binomial_information(three, "q_x", 9), binomial_information(two, "smooth_yes", 9)
    assert found == pytest.approx(expected, abs=1e-12)


def test_mistakes_are_refused():
    posterior = Posterior([[[6, 4]]], ["g"], BINARY)
    with pytest.raises(AcquisitionError, match="whole number"):
        binomial_information(posterior, "smooth_yes", -1)
    with pytest.raises(TreeError, match="Did you mean 'smooth_yes'"):
        binomial_information(posterior, "smoth_yes")
