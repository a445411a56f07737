"""The compiled distribution function of a Beta mixture is that of SciPy's incomplete beta function."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from zooactive.posterior.incomplete_beta import log_densities, mixture_below, times_derivatives


@pytest.mark.parametrize("largest", [1.0, 30.0, 1e3, 1e5])
def test_it_is_the_weighted_sum_of_scipys_functions(largest):
    rng = np.random.default_rng(int(largest))
    a, b = np.exp(rng.uniform(np.log(1e-3), np.log(largest), (2, 600, 5)))
    weights = rng.dirichlet(np.ones(5), 600)
    within = special.betaincinv(a[:, 0], b[:, 0], rng.uniform(1e-4, 1 - 1e-4, 600))
    x = np.clip(np.where(np.arange(600) % 2, within, rng.random(600)), 1e-300, 1 - 1e-16)
    expected = (weights * special.betainc(a, b, x[:, None])).sum(1)
    assert np.allclose(mixture_below(a, b, weights, special.betaln(a, b), x), expected, rtol=0, atol=1e-9)


def test_tails_are_right_to_the_last_digits_that_count():
    a, b = np.full((1, 1), 2.0), np.full((1, 1), 3.0)
    for x in (1e-8, 0.1, 0.5, 0.9, 1 - 1e-8):  # I_x(2, 3) = 6 x^2 - 8 x^3 + 3 x^4
        found = mixture_below(a, b, np.ones((1, 1)), special.betaln(a, b), np.array([x]))[0]
        assert found == pytest.approx(6 * x**2 - 8 * x**3 + 3 * x**4, rel=1e-12)


def test_densities_and_their_derivatives_are_those_of_numpy_to_the_last_bit():
    rng = np.random.default_rng(0)
    a, b = np.exp(rng.uniform(np.log(1e-3), np.log(1e3), (2, 300, 7)))
    x = rng.uniform(1e-6, 1 - 1e-6, 300)
    log_norm, here, rest = special.betaln(a, b), x[:, None], 1 - x[:, None]
    logarithm = (a - 1) * np.log(here) + (b - 1) * np.log1p(-here) - log_norm
    assert np.array_equal(log_densities(a, b, log_norm, np.log(x), np.log1p(-x)), logarithm)
    density = np.exp(logarithm)
    slope = (a - 1) / here - (b - 1) / rest
    bend = -(a - 1) / here**2 - (b - 1) / rest**2
    first, second = times_derivatives(density, a, b, x)
    assert np.array_equal(first, density * slope)
    assert np.array_equal(second, density * (slope**2 + bend))
