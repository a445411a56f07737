"""Factors that lie around a common one, against votes drawn from posteriors whose true factors are known."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import BINARY, world

from zooactive.foundation.errors import PosteriorError
from zooactive.posterior.corrections import scale_concentrations
from zooactive.training.calibrate import fit_concentration_factors, fit_pooled_factors


def test_few_galaxies_find_a_factor_that_questions_share_better_than_each_question_does(tree):
    true, off = 0.5, {"pooled": [], "each": []}
    for seed in range(12):
        right, votes = world(tree, 40, seed=seed)
        posterior = scale_concentrations(right, np.full(4, 1 / true))
        pooled, each = fit_pooled_factors(posterior, votes), fit_concentration_factors(posterior, votes)
        off["pooled"].append(np.log(pooled.values / true))
        off["each"].append(np.log(each.table["factor"].to_numpy() / true))
        assert pooled.table["kept"].all()
        assert pooled.table["factor"].tolist() == pooled.values.tolist()
    rms = {name: np.sqrt(np.square(found).mean()) for name, found in off.items()}
    assert rms["pooled"] < 0.75 * rms["each"]
    assert abs(np.mean(off["pooled"])) < 0.1


def test_with_many_galaxies_each_question_has_its_own(tree):
    right, votes = world(tree, 3000, volunteers=40)
    wrong = np.array([4.0, 0.5, 1.0, 2.0])
    fitted = fit_pooled_factors(scale_concentrations(right, wrong), votes)
    same = fit_concentration_factors(right, votes).table["factor"].to_numpy()
    np.testing.assert_allclose(np.log(fitted.values * wrong / same), 0, atol=0.1)
    assert (fitted.table["gain"].to_numpy()[[0, 1, 3]] > 0).all()


def test_a_wide_spread_is_each_question_alone_and_a_narrow_one_a_single_factor(tree):
    posterior, votes = world(tree, 150)
    alone = fit_pooled_factors(posterior, votes, spread=100)
    each = fit_concentration_factors(posterior, votes).table["factor"].to_numpy()
    np.testing.assert_allclose(alone.values, each, rtol=0.01)
    single = fit_pooled_factors(posterior, votes, spread=0.005)
    assert np.ptp(np.log(single.values)) < 0.03


def test_a_question_that_nobody_was_asked_takes_the_common_factor(tree):
    right, votes = world(tree, 300)
    votes[:, tree.slices[3]] = 0
    fitted = fit_pooled_factors(scale_concentrations(right, np.full(4, 4.0)), votes)
    assert fitted.table["galaxies"].to_numpy()[3] == 0
    assert fitted.values[3] == pytest.approx(0.25, rel=0.2)


def test_single_votes_leave_everything_as_it_is():
    posterior, votes = world(BINARY, 50, volunteers=1)
    fitted = fit_pooled_factors(posterior, votes)
    assert fitted.values.tolist() == [1]
    assert not fitted.table["kept"].any()
    with pytest.raises(PosteriorError, match="spread = 0"):
        fit_pooled_factors(posterior, votes, spread=0)
