"""Factors on concentrations, against votes drawn from posteriors whose true factor is known."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import BINARY, world

from zooactive.evaluation.calibration import coverage, fraction_coverage
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.posterior.corrections import scale_concentrations
from zooactive.posterior.loss import negative_log_likelihood
from zooactive.training.calibrate.factors import fit_concentration_factors


def test_the_factor_that_a_posterior_was_wrong_by_is_found_for_each_question(tree):
    right, votes = world(tree, 3000, volunteers=40)
    wrong = np.array([4.0, 0.25, 1.0, 10.0])
    posterior = scale_concentrations(right, wrong)
    factors = fit_concentration_factors(posterior, votes)
    assert factors.table["question"].tolist() == [question.name for question in tree.questions]
    found = np.log(factors.table["factor"].to_numpy() * wrong)
    assert found[0] == pytest.approx(0, abs=0.1)  # 3000 galaxies
    # Of questions further down too, but for what the number who were asked tells about the draw, which is left out.
    assert found == pytest.approx([0, 0, 0, 0], abs=0.2)
    same = np.log(fit_concentration_factors(right, votes).table["factor"].to_numpy())
    assert found == pytest.approx(same, abs=5e-3)  # whatever a posterior was scaled by comes out again
    assert factors.table["kept"].tolist() == [True, True, False, True]
    assert factors.values[2] == 1
    mended = scale_concentrations(posterior, factors.values)
    for level, found in coverage(mended, votes).drop(columns=["question", "galaxies"]).items():
        assert found.to_numpy() == pytest.approx(float(level), abs=0.03)
    assert negative_log_likelihood(mended, votes).mean() < negative_log_likelihood(posterior, votes).mean() - 0.5


def test_expected_fractions_stay_as_they_are(tree):
    posterior, _ = world(tree, 20)
    scaled = scale_concentrations(posterior, [3, 0.5, 7, 1])
    assert np.allclose(scaled.mean(), posterior.mean(), atol=1e-6)
    assert np.array_equal(scaled.weights, posterior.weights)
    column = tree.columns.index("bar_weak")
    assert np.allclose(scaled.concentrations[..., column], 7 * posterior.concentrations[..., column])


def test_a_factor_that_does_not_help_other_galaxies_is_not_kept():
    kept = []
    for seed in range(40):
        posterior, votes = world(BINARY, 60, seed=seed)
        kept += fit_concentration_factors(posterior, votes).table["kept"].tolist()
    assert sum(kept) <= 12  # the posterior is right; by chance a sixth may look as if it were not


def test_weights_of_the_draws_count():
    posterior, votes = world(BINARY, 2000, draws=2)
    sharp = posterior.concentrations.copy()
    sharp[1] *= 50
    # With all weight on the draw that is 50 times too sure the factor is 1/50, with none on it about 1.
    alone = Posterior(sharp, posterior.ids, BINARY, weights=np.array([[0.0], [1.0]]).repeat(2000, 1))
    only_second = Posterior(sharp[1:], posterior.ids, BINARY)
    assert fit_concentration_factors(alone, votes).table["factor"][0] == pytest.approx(
        fit_concentration_factors(only_second, votes).table["factor"][0], rel=1e-6
    )


def test_single_labels_and_too_few_galaxies_leave_everything_as_it_is(tree):
    posterior, votes = world(BINARY, 50, volunteers=1)
    assert fit_concentration_factors(posterior, votes).values.tolist() == [1]
    posterior, votes = world(tree, 2)
    table = fit_concentration_factors(posterior, votes)
    assert table.values.tolist() == [1] * 4
    assert not table.table["kept"].any()
    with pytest.raises(PosteriorError, match="give 4 numbers above 0, one for each question"):
        scale_concentrations(posterior, [1, 2, 0, 1])


def test_true_fractions_lie_in_the_intervals_of_a_posterior_that_is_right(tree):
    rng = np.random.default_rng(5)
    alpha = rng.gamma(1.5, 3, (6, 1500, len(tree.columns))) + 0.3
    posterior = Posterior(alpha, [f"g{i}" for i in range(1500)], tree)
    truth = np.zeros((1500, len(tree.columns)))
    for g, t in enumerate(rng.integers(6, size=1500)):
        for where in tree.slices:
            truth[g, where] = rng.dirichlet(alpha[t, g, where])
    counted = rng.random((1500, 4)) < 0.5
    counted[:, 2] = False
    table = fraction_coverage(posterior, truth, (0.5, 0.95), counted=counted)
    assert table["galaxies"].tolist() == counted.sum(0).tolist()
    assert table["0.5"].isna().tolist() == [False, False, True, False]
    every = fraction_coverage(posterior, truth)
    for level in ("0.5", "0.95"):
        assert every[level].to_numpy() == pytest.approx(float(level), abs=0.03)
    sure = scale_concentrations(posterior, [10] * 4)
    assert (fraction_coverage(sure, truth)["0.8"] < 0.7).all()
    with pytest.raises(PosteriorError, match="fractions have the shape"):
        fraction_coverage(posterior, truth[:, :3])
