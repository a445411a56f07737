"""The mixture over draws: published numbers, brute-force integration, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special, stats

from zooactive.foundation.errors import PosteriorError, TreeError
from zooactive.posterior import Posterior, combine_draws, read_posterior, write_posterior
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
    assert 1 - one.probability_above(0.2)[0, 0] == pytest.approx(below, abs=5e-9)
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
    for i, column in enumerate(tree.columns):
        densities = posterior.density(column, GRID[::100])
        for g in range(4):
            alpha = posterior.concentrations[:, g].astype(float)
            total = alpha[:, tree.slices[tree.question_index[i]]].sum(1)
            mixture = stats.beta(alpha[:, i], total - alpha[:, i])
            expected = mixture.mean().mean()
            assert mean[g, i] == pytest.approx(expected, abs=1e-6)
            spread = (mixture.var() + mixture.mean() ** 2).mean() - expected**2
            assert variance[g, i] == pytest.approx(spread, rel=1e-4)
            assert [mixture.cdf(x).mean() for x in interval[g, i]] == pytest.approx([0.1, 0.9], abs=2e-5)
            assert densities[g] == pytest.approx(mixture.pdf(GRID[::100, None]).mean(1), rel=1e-4, abs=1e-12)


def test_a_density_integrates_to_one(posterior):
    for column in ("smooth-or-featured_smooth", "bar_weak", "merging_no"):
        total, _ = integrate.quad_vec(lambda x, column=column: posterior.density(column, [x])[:, 0], 0, 1, epsabs=1e-6)
        assert total == pytest.approx(np.ones(4), abs=1e-5)


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


# Tails, votes, entropies ------------------------------------------------------------------------------------------------


def test_tails_are_those_of_the_weighted_mixture(tree):
    rng = np.random.default_rng(5)
    alpha, weights = rng.uniform(0.6, 60, (5, 3, len(tree.columns))), rng.dirichlet(np.ones(5), 3).T
    found = Posterior(alpha, "abc", tree, weights=weights).probability_above(0.3)
    total = tree.question_sums(alpha)[..., tree.question_index]
    expected = (weights[..., None] * stats.beta.sf(0.3, alpha, total - alpha)).sum(0)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("answer", "expected"), [("a", 0.147256980), ("b", 0.140418716)])
def test_published_information_follows_from_the_predictive_votes_of_each_draw(answer, expected):
    draws = [[6, 3, 1], [2, 7, 1]]
    p = np.array([single([alpha], ROOT).vote_probabilities(f"q_{answer}", 2)[0] for alpha in draws])
    mixture = single(draws, ROOT).vote_probabilities(f"q_{answer}", 2)[0]
    assert mixture == pytest.approx(p.mean(0), abs=1e-12)
    assert special.rel_entr(p, mixture).sum(1).mean() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("votes", [0, 1, 40])
def test_predictive_votes_are_the_weighted_mixture_of_beta_binomials(tree, votes):
    rng = np.random.default_rng(6)
    alpha = (10 ** rng.uniform(-3, 5, (4, 6, len(tree.columns)))).astype(np.float32).astype(float)
    weights = rng.dirichlet(np.ones(4))
    found = Posterior(alpha, "abcdef", tree, weights=weights).vote_probabilities("bar_weak", votes)
    assert found.shape == (6, votes + 1)
    assert found.sum(1) == pytest.approx(np.ones(6), abs=1e-9)
    a, rest = alpha[..., 6], alpha[..., 5] + alpha[..., 7]
    k = np.arange(votes + 1)
    expected = (weights[:, None, None] * stats.betabinom.pmf(k, votes, a[..., None], rest[..., None])).sum(0)
    assert found == pytest.approx(expected, abs=1e-8)


def test_the_published_split_of_one_vote():
    split = single([[6, 3, 1], [2, 7, 1]], ROOT).vote_entropy()
    found = [part[0, 0] for part in split]
    assert found == pytest.approx([0.093466254, 0.088413885, 0.761468254], abs=2e-9)
    assert sum(found) == pytest.approx(0.943348392, abs=2e-9)


def test_the_split_is_that_of_drawn_fractions():
    alpha, weights, rng = np.array([[6, 3, 0.4], [2, 7, 1]]), [0.8, 0.2], np.random.default_rng(0)
    split = Posterior(alpha[:, None], ["g"], ROOT, weights=weights).vote_entropy()
    drawn = [special.entr(rng.dirichlet(a, 200000)).sum(1) for a in alpha]
    error = np.hypot(*(weight * h.std() / np.sqrt(len(h)) for weight, h in zip(weights, drawn, strict=True)))
    assert abs(np.dot(weights, [h.mean() for h in drawn]) - split.data[0, 0]) < 4 * error
    mu = alpha / alpha.sum(1, keepdims=True)
    given = np.dot(weights, special.entr(mu).sum(1))
    assert split.distributional[0, 0] + split.data[0, 0] == pytest.approx(given, abs=1e-7)
    assert sum(part[0, 0] for part in split) == pytest.approx(special.entr(np.dot(weights, mu)).sum(), abs=1e-7)


# Votes that have come in ------------------------------------------------------------------------------------------------


def test_votes_that_came_in_weigh_the_draws_and_add_to_their_concentrations(tree, draw_votes):
    votes = draw_votes(6, volunteers=5)
    alpha = np.random.default_rng(1).uniform(0.5, 9, (3, 6, len(tree.columns))).astype(np.float32)
    after = Posterior(alpha, "abcdef", tree).given_votes(votes)
    assert after.concentrations == pytest.approx(alpha + votes)
    for g in range(6):
        p = np.ones(3)
        for t in range(3):
            for where in tree.slices:
                k = votes[g, where].astype(int)
                if k.sum():  # SciPy 1.14 has no word for nobody
                    p[t] *= stats.dirichlet_multinomial.pmf(k, alpha[t, g, where].astype(float), k.sum())
        assert after.weights[:, g] == pytest.approx(p / p.sum(), abs=1e-9)


def test_votes_may_come_in_one_after_the_other(tree, draw_votes):
    first, second = draw_votes(5, volunteers=4, seed=1), draw_votes(5, volunteers=7, seed=2)
    alpha = np.random.default_rng(1).uniform(0.5, 9, (3, 5, len(tree.columns)))
    before = Posterior(alpha, "abcde", tree)
    step_by_step, at_once = before.given_votes(first).given_votes(second), before.given_votes(first + second)
    assert step_by_step.weights == pytest.approx(at_once.weights, abs=1e-5)
    assert step_by_step.mean() == pytest.approx(at_once.mean(), abs=1e-5)


def test_a_galaxy_without_votes_stays_as_it_is(tree):
    before = Posterior(np.random.default_rng(1).uniform(0.5, 9, (3, 2, len(tree.columns))), "ab", tree)
    after = before.given_votes(np.zeros((2, len(tree.columns))))
    assert after.concentrations.tobytes() == before.concentrations.tobytes()
    assert (after.weights == 1 / 3).all()


def test_votes_far_beyond_every_draw_leave_finite_weights():
    after = single([[1e5, 1e-3], [9e4, 1e-3]], BINARY).given_votes([[0, 4000]])
    assert np.isfinite(after.weights).all()
    assert after.weights.sum() == pytest.approx(1)


def test_votes_of_other_galaxies_are_refused(posterior):
    with pytest.raises(PosteriorError, match=r"votes have the shape \(2, 10\); the posterior needs \(4, 10\)"):
        posterior.given_votes(np.zeros((2, 10)))


# Weights ----------------------------------------------------------------------------------------------------------------


def test_weights_are_repeated_draws(tree):
    alpha = np.random.default_rng(2).uniform(0.5, 9, (3, 4, len(tree.columns)))
    weighted = Posterior(alpha, "abcd", tree, weights=[3, 1, 2])
    repeated = Posterior(alpha[[0, 0, 0, 1, 2, 2]], "abcd", tree)
    for name in ("mean", "variance", "interval", "asked", "joint_mean"):
        assert getattr(weighted, name)() == pytest.approx(getattr(repeated, name)(), abs=2e-6), name
    assert weighted.density("bar_weak", [0.2, 0.7]) == pytest.approx(repeated.density("bar_weak", [0.2, 0.7]))
    assert np.array(weighted.vote_entropy()) == pytest.approx(np.array(repeated.vote_entropy()), abs=1e-12)


@pytest.mark.parametrize("weights", [[1, 2], [[1], [1]], np.ones((3, 3))])
def test_weights_of_another_shape_are_refused(weights):
    with pytest.raises(PosteriorError, match="weights have the shape"):
        Posterior(np.ones((3, 2, 2)), "ab", BINARY, weights=weights)


@pytest.mark.parametrize("weights", [[[1, 0], [1, 0]], [[1, -1], [1, 2]], [[1, np.nan], [1, 1]], [[1, np.inf], [1, 1]]])
def test_impossible_weights_are_refused_with_the_galaxy(weights):
    with pytest.raises(PosteriorError, match="the weights of galaxy 'b'"):
        Posterior(np.ones((2, 2, 2)), "ab", BINARY, weights=weights)


# Parts, files, ensembles ------------------------------------------------------------------------------------------------


def test_one_question_alone_has_the_fractions_that_it_had(posterior):
    bar = posterior.question("bar")
    assert bar.tree.columns == ("bar_strong", "bar_weak", "bar_no")
    assert bar.mean() == pytest.approx(posterior.mean()[:, 5:8])
    assert (bar.asked() == 1).all()
    with pytest.raises(TreeError, match="Did you mean 'bar'"):
        posterior.question("baar")


@pytest.mark.parametrize("weights", [None, "uneven"])
def test_a_posterior_comes_back_from_parquet_bit_for_bit(tree, tmp_path, weights):
    rng = np.random.default_rng(3)
    given = None if weights is None else rng.dirichlet(np.ones(5), 4).T
    before = Posterior(
        rng.uniform(0.6, 60, (5, 4, len(tree.columns))), ["1", "22", "é", "587722981741363294"], tree, weights=given
    )
    write_posterior(before, tmp_path / "posterior.parquet")
    after = read_posterior(tmp_path / "posterior.parquet")
    assert after.tree == tree
    assert after.ids.tolist() == before.ids.tolist()
    assert after.concentrations.tobytes() == before.concentrations.tobytes()
    assert np.array_equal(after.weights, before.weights)


def test_a_posterior_without_galaxies_comes_back_too(tree, tmp_path):
    write_posterior(Posterior(np.ones((2, 0, len(tree.columns))), [], tree), tmp_path / "none.parquet")
    assert read_posterior(tmp_path / "none.parquet").concentrations.shape == (2, 0, len(tree.columns))


def test_files_that_hold_no_posterior_are_refused(tmp_path):
    with pytest.raises(PosteriorError, match="is missing"):
        read_posterior(tmp_path / "nothing.parquet")
    (tmp_path / "text.parquet").write_text("not Parquet")
    with pytest.raises(PosteriorError, match="holds no posterior"):
        read_posterior(tmp_path / "text.parquet")


def test_each_network_of_an_ensemble_counts_the_same_however_many_draws_it_has(tree):
    rng = np.random.default_rng(4)
    one = Posterior(rng.uniform(1, 9, (2, 3, len(tree.columns))), "abc", tree)
    other = Posterior(rng.uniform(1, 9, (6, 3, len(tree.columns))), "cab", tree)
    both = combine_draws([one, other])
    assert both.draws == 8
    assert both.ids.tolist() == ["a", "b", "c"]
    assert both.mean() == pytest.approx((one.mean() + other.select("abc").mean()) / 2)
    with pytest.raises(PosteriorError, match="galaxy 'c' is in one posterior"):
        combine_draws([one, one.select("ab")])
    with pytest.raises(PosteriorError, match="'small' and 'binary'"):
        combine_draws([one, single([[1, 1]], BINARY)])
    with pytest.raises(PosteriorError, match="there are no posteriors to combine"):
        combine_draws([])
