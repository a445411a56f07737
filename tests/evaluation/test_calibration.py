"""Coverage and information kept, against votes that are drawn from the posterior itself, and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from worlds import BINARY, world

from zooactive.acquisition import exact_mutual_information
from zooactive.evaluation.calibration import (
    acquisition_calibration,
    coverage,
    coverage_by_galaxy,
    pit_histogram,
    realised_information,
)
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question


def test_a_posterior_that_is_right_covers_every_level(tree):
    posterior, votes = world(tree, 1500)
    table = coverage(posterior, votes)
    assert table["question"].tolist() == [question.name for question in tree.questions]
    assert table["galaxies"].tolist() == [int((votes[:, where].sum(1) > 0).sum()) for where in tree.slices]
    for level in (0.5, 0.8, 0.95):
        error = np.sqrt(level * (1 - level) / table["galaxies"])
        assert (np.abs(table[f"{level:g}"] - level) < 4 * error).all()


def test_a_posterior_that_is_too_sure_covers_less(tree):
    posterior, votes = world(tree, 400)
    sure = Posterior(posterior.concentrations * 20, posterior.ids, tree)
    assert (coverage(sure, votes)["0.8"] < coverage(posterior, votes)["0.8"] - 0.02).all()


def test_coverage_is_the_average_of_its_randomised_form():
    alpha, n, k = np.array([[6.0, 3.0], [1.0, 4.0]]), 9, 3
    posterior = Posterior(alpha[:, None], ["g"], BINARY)
    pmf = stats.betabinom.pmf(np.arange(n + 1), n, alpha[:, :1], alpha[:, 1:]).mean(0)
    below, above = pmf[:k].sum(), pmf[: k + 1].sum()
    u = below + (above - below) * (np.arange(100000) + 0.5) / 100000
    for level in (0.3, 0.5):
        expected = ((u > (1 - level) / 2) & (u < (1 + level) / 2)).mean()
        assert coverage(posterior, [[k, n - k]], [level])[f"{level:g}"][0] == pytest.approx(expected, abs=2e-5)


def test_what_each_galaxy_adds_has_the_coverage_as_its_mean(tree):
    posterior, votes = world(tree, 200)
    each = coverage_by_galaxy(posterior, votes, 0.8)
    np.testing.assert_array_equal(np.isnan(each), tree.question_sums(votes) == 0)
    np.testing.assert_allclose(np.nanmean(each, axis=0), coverage(posterior, votes)["0.8"], atol=1e-12)
    alone = coverage_by_galaxy(posterior.take([7]), votes[[7]], 0.8)
    np.testing.assert_allclose(alone[0], each[7])
    with pytest.raises(PosteriorError, match="level of 1"):
        coverage_by_galaxy(posterior, votes, 1)


def test_a_question_without_votes_has_no_coverage(tree):
    posterior, votes = world(tree, 5)
    votes[:, tree.slices[3]] = 0
    table = coverage(posterior, votes)
    assert table["galaxies"][3] == 0
    assert np.isnan(table["0.5"][3])


def test_the_mean_of_what_is_realised_is_what_was_predicted():
    alpha = np.array([[6, 3], [2, 7], [20, 1]], dtype=float)
    chance = np.array([stats.betabinom.pmf(np.arange(8), 7, a, b) for a, b in alpha])
    posterior = Posterior(np.repeat(alpha[:, None], 8, axis=1), [f"k{i}" for i in range(8)], BINARY)
    realised = realised_information(posterior, [[k, 7 - k] for k in range(8)])
    expected = exact_mutual_information(posterior, 7)[0]
    assert chance.mean(0) @ realised == pytest.approx(expected, abs=1e-9)


def test_scores_of_a_posterior_that_is_right_keep_their_word(tree):
    posterior, votes = world(tree, 3000)
    found = acquisition_calibration(posterior, votes)
    predicted, realised = found.table["predicted"], found.table["realised"]
    error = (realised - predicted).std() / np.sqrt(3000)
    assert abs(realised.mean() - predicted.mean()) < 4 * error
    assert found.correlation == pytest.approx(np.corrcoef(predicted, realised)[0, 1], abs=1e-9)
    assert found.slope == pytest.approx(np.polyfit(predicted, realised, 1)[0], abs=1e-9)
    assert found.slope > 0.5
    assert (found.table["votes"] == 20).all()


def test_galaxies_without_votes_are_left_out(tree):
    posterior, votes = world(tree, 6)
    votes[[1, 4]] = 0
    assert acquisition_calibration(posterior, votes).table["id"].tolist() == ["g0", "g2", "g3", "g5"]
    with pytest.raises(PosteriorError, match="1 galaxies have votes"):
        acquisition_calibration(posterior.take([0]), votes[:1])


def test_impossible_levels_are_refused(tree):
    posterior, votes = world(tree, 3)
    with pytest.raises(PosteriorError, match=r"a level of 1\.5"):
        coverage(posterior, votes, [0.5, 1.5])


def test_transforms_of_a_right_posterior_are_flat_and_show_what_is_wrong_otherwise():
    rng = np.random.default_rng(5)
    p = rng.beta(2, 3, 4000)
    k = rng.binomial(20, p)
    votes = np.stack([k, 20 - k], axis=1)
    tree = DecisionTree("t", [Question("q", ["yes", "no"])])

    def shares(alpha):
        table = pit_histogram(Posterior([[alpha] * 4000], map(str, range(4000)), tree), votes, bins=5)
        assert table["share"].sum() == pytest.approx(1)
        assert table["from"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
        return table["share"].to_numpy()

    assert np.abs(shares([2, 3]) - 0.2).max() < 0.015
    wide, narrow, low = shares([0.4, 0.6]), shares([40, 60]), shares([1, 4])
    assert wide[2] > 0.25 > 0.15 > wide[0]
    assert narrow[0] > 0.3
    assert narrow[4] > 0.3
    assert low[4] > 0.5 > 0.1 > low[0]


def test_a_count_is_spread_over_its_own_probability():
    tree = DecisionTree("t", [Question("q", ["yes", "no"])])
    table = pit_histogram(Posterior([[[1, 1]]], ["g"], tree), [[1, 2]], bins=8)  # uniform over 0 to 3: from 1/4 to 1/2
    assert table["share"].tolist() == pytest.approx([0, 0, 0.5, 0.5, 0, 0, 0, 0])
    with pytest.raises(PosteriorError, match="0 bins were asked for"):
        pit_histogram(Posterior([[[1, 1]]], ["g"], tree), [[1, 2]], bins=0)
    assert pit_histogram(Posterior([[[1, 1]]], ["g"], tree), [[0, 0]]).empty
