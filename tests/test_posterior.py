"""The mixture over draws: published numbers, brute-force integration, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from zooactive.errors import PosteriorError, TreeError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

ROOT = DecisionTree("root", [Question("q", ["a", "b", "c"])])
BINARY = DecisionTree("binary", [Question("q", ["a", "b"])])
GRID = (np.arange(200000) + 0.5) / 200000


def single(alpha, tree):
    """A posterior of one galaxy from concentrations (draw, answer)."""
    return Posterior(np.asarray(alpha, dtype=float)[:, None], ["g"], tree)


@pytest.fixture
def posterior(tree):
    alpha = np.random.default_rng(0).uniform(0.6, 60, (5, 4, len(tree.columns)))
    return Posterior(alpha, ["p", "q", "r", "s"], tree)


@pytest.mark.parametrize(
    ("alpha", "mean", "variance", "below"),
    [([8, 2, 1.5], 0.69565217, 0.01693762, 0.00013951), ([4, 5, 1.5], 0.38095238, 0.02050675, 0.10257097)],
)
def test_published_moments_and_tails_of_one_draw(alpha, mean, variance, below):
    one = single([alpha], ROOT)
    assert one.mean()[0, 0] == pytest.approx(mean, abs=5e-9)
    assert one.variance()[0, 0] == pytest.approx(variance, abs=5e-9)
    assert one.density("q_a", GRID)[0][GRID < 0.2].mean() * 0.2 == pytest.approx(below, abs=2e-8)
    # The quantile at that tail's probability lies where the tail ends.
    assert one.quantiles([stats.beta.cdf(0.2, alpha[0], sum(alpha[1:]))])[0, 0, 0] == pytest.approx(0.2, abs=2e-6)


def test_the_published_interval_of_one_draw():
    assert single([[2, 2, 4]], ROOT).interval(0.9)[0, 1] == pytest.approx([0.0534, 0.5207], abs=5e-5)


def test_the_interval_of_draws_that_disagree_is_that_of_the_mixture():
    found = single([[90, 10], [10, 90]], BINARY).interval(0.9)
    assert found[0, 0] == pytest.approx([0.064, 0.936], abs=5e-4)
    assert found[0, 1] == pytest.approx([0.064, 0.936], abs=5e-4)


def test_moments_and_quantiles_agree_with_integration_of_the_mixture(posterior, tree):
    mean, variance, interval = posterior.mean(), posterior.variance(), posterior.interval(0.8)
    for g in range(4):
        for i, column in enumerate(tree.columns):
            alpha = posterior.concentrations[:, g].astype(float)
            total = alpha[:, tree.slices[tree.question_index[i]]].sum(1)
            mixture = stats.beta(alpha[:, i], total - alpha[:, i])
            expected = mixture.mean().mean()
            assert mean[g, i] == pytest.approx(expected, abs=1e-6)
            spread = (mixture.var() + mixture.mean() ** 2).mean() - expected**2
            assert variance[g, i] == pytest.approx(spread, rel=1e-4)
            assert [mixture.cdf(x).mean() for x in interval[g, i]] == pytest.approx([0.1, 0.9], abs=2e-5)
            density = posterior.density(column, GRID[::100])[g]
            assert density == pytest.approx(mixture.pdf(GRID[::100, None]).mean(1), rel=1e-4, abs=1e-12)


def test_a_density_integrates_to_one(posterior):
    for column in ("smooth-or-featured_smooth", "bar_weak", "merging_no"):
        for g in range(4):
            total, _ = integrate.quad(lambda x, column=column, g=g: posterior.density(column, [x])[g, 0], 0, 1, limit=200)
            assert total == pytest.approx(1, abs=1e-5)


def test_quantiles_hold_for_extreme_concentrations():
    rng = np.random.default_rng(1)
    alpha = (10 ** rng.uniform(-2, 5, (3, 200, 2))).astype(np.float32)
    many = Posterior(alpha, [f"g{i}" for i in range(200)], BINARY)
    for k, level in enumerate((0.05, 0.5, 0.95)):
        x = many.quantiles((0.05, 0.5, 0.95))[:, 0, k]
        a, b = alpha.astype(float).transpose(2, 0, 1)
        low = stats.beta.cdf(np.clip(x - 2e-6, 0, 1), a, b).mean(0)
        high = stats.beta.cdf(np.clip(x + 2e-6, 0, 1), a, b).mean(0)
        assert ((low <= level + 1e-9) & (high >= level - 1e-9)).all()


def test_fractions_of_each_question_sum_to_one(posterior, tree):
    assert tree.question_sums(posterior.mean()) == pytest.approx(np.ones((4, 4)), abs=1e-12)


def test_being_asked_is_the_mean_of_products_along_the_path():
    chain = DecisionTree(
        "t", [Question("a", ["y", "n"]), Question("b", ["y", "n"], ["a_y"]), Question("c", ["y", "n"], ["b_y"])]
    )
    draws = single([[9, 1, 9, 1, 1, 1], [1, 9, 1, 9, 1, 1]], chain)
    assert draws.asked()[0] == pytest.approx([1, 0.5, 0.41], abs=1e-7)  # not 0.25, the product of means
    expected = [0.5, 0.5, 0.41, 0.09, 0.205, 0.205]
    assert draws.joint_mean()[0] == pytest.approx(expected, abs=1e-7)


def test_a_question_after_two_answers_is_asked_after_either(posterior, tree):
    mu = tree.fractions(posterior.concentrations.astype(float))
    asked = posterior.asked()
    assert asked[:, 0].tolist() == [1.0] * 4
    assert asked[:, 3] == pytest.approx((mu[..., 0] + mu[..., 1]).mean(0), abs=1e-12)
    assert asked[:, 2] == pytest.approx((mu[..., 1] * mu[..., 4]).mean(0), abs=1e-12)
    assert posterior.joint_mean()[:, 5] == pytest.approx((mu[..., 1] * mu[..., 4] * mu[..., 5]).mean(0), abs=1e-12)


def test_select_returns_galaxies_in_the_order_asked_for(posterior):
    chosen = posterior.select(["s", "q"])
    assert chosen.ids.tolist() == ["s", "q"]
    assert np.array_equal(chosen.concentrations, posterior.concentrations[:, [3, 1]])
    assert len(posterior.select([])) == 0
    with pytest.raises(PosteriorError, match="'x' is not among the 4 predicted ones"):
        posterior.select(["x"])


def test_a_galaxy_does_not_depend_on_its_neighbours(posterior):
    alone = posterior.select(["r"])
    assert np.array_equal(alone.mean()[0], posterior.mean()[2])
    assert np.array_equal(alone.interval()[0], posterior.interval()[2])
    assert np.array_equal(alone.asked()[0], posterior.asked()[2])


def test_the_table_has_means_then_intervals_then_asked(posterior, tree):
    table = posterior.to_table(probability=0.5)
    ends = [f"{column}_{end}" for column in tree.columns for end in ("low", "high")]
    asked = [f"asked_{question.name}" for question in tree.questions]
    assert table.columns.tolist() == ["id", *tree.columns, *ends, *asked]
    assert table.id.tolist() == ["p", "q", "r", "s"]
    assert np.array_equal(table[list(tree.columns)], posterior.mean())
    assert np.array_equal(table[ends].to_numpy().reshape(4, -1, 2), posterior.interval(0.5))
    assert np.array_equal(table[asked], posterior.asked())


def test_concentrations_are_kept_as_float32_of_draw_galaxy_answer(posterior, tree):
    assert posterior.concentrations.dtype == np.float32
    assert posterior.concentrations.shape == (5, 4, len(tree.columns))
    assert (posterior.draws, len(posterior)) == (5, 4)


@pytest.mark.parametrize(
    ("alpha", "ids", "message"),
    [
        (np.ones((2, 3)), ["a", "b"], r"shape \(2, 3\); 2 ids and tree 'root' need \(draw, 2, 3\)"),
        (np.ones((1, 2, 2)), ["a", "b"], "need"),
        (np.ones((1, 3, 3)), ["a", "b"], "2 ids"),
        (np.ones((0, 2, 3)), ["a", "b"], "no draw"),
        (np.ones((1, 2, 3)), ["a", "a"], "'a' occurs twice"),
        ([[[1, 1, 1], [1, 0, 1]]], ["a", "b"], r"'q_b' for galaxy 'b' in draw 0 is 0\.0"),
        ([[[1, 1, np.nan]]], ["a"], "'q_c' for galaxy 'a' in draw 0 is nan"),
        ([[[np.inf, 1, 1]]], ["a"], "is inf"),
    ],
)
def test_concentrations_that_are_no_posterior_are_refused(alpha, ids, message):
    with pytest.raises(PosteriorError, match=message):
        Posterior(alpha, ids, ROOT)


@pytest.mark.parametrize("probability", [0, 1, 90, -0.1, np.nan])
def test_an_impossible_probability_is_refused(posterior, probability):
    with pytest.raises(PosteriorError, match="between 0 and 1"):
        posterior.interval(probability)


def test_a_misspelt_answer_is_refused_with_the_nearest(posterior):
    with pytest.raises(TreeError, match="Did you mean 'bar_strong'"):
        posterior.density("bar_stong", [0.5])
