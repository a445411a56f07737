"""The compiled distribution function of a Beta mixture is that of SciPy's incomplete beta function."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from zooactive.posterior.incomplete_beta import mixture_below


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
