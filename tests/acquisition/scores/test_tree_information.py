"""The estimator over sampled vote trees, against enumeration by another route (a Polya urn, vote by vote)."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import ROOT, SMALL, SMALL_ALPHA, entropies, information, random_tree, urn, vote_trees

from zooactive.acquisition import exact_mutual_information, information_by_question, mutual_information
from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree


def copies(tree, alpha, galaxies, weights=None):
    """One galaxy under many ids, each of which has its own random stream."""
    repeated = np.repeat(alpha[:, None], galaxies, axis=1)
    return Posterior(repeated, [f"copy{i}" for i in range(galaxies)], tree, weights=weights)


def assert_estimates(tree, alpha, votes, expected, *, trees=None, galaxies=2000):
    found = mutual_information(copies(tree, alpha, galaxies), votes, trees=trees, seed=3)
    sampled = galaxies * (trees or len(alpha))
    unseen = np.log(len(alpha)) / sampled  # what a tree of votes too rare to have been sampled once can be worth
    assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / np.sqrt(galaxies) + unseen
    assert found.min() >= 0
    assert found.max() <= np.log(len(alpha)) + 1e-12


def test_the_enumeration_of_this_file_gives_the_published_entropies():
    mixture, conditional = entropies(SMALL, SMALL_ALPHA, 2)
    assert conditional == pytest.approx(1.787216816, abs=1e-9)
    assert mixture == pytest.approx(2.087419937, abs=1e-9)
    assert information(SMALL, SMALL_ALPHA, 1) == pytest.approx(0.186447551, abs=1e-9)
    asked_of_draw_0 = np.array([sum(p[0] for k, p in urn(SMALL_ALPHA[:, :3], 2).items() if k[1] == n) for n in range(3)])
    assert asked_of_draw_0 == pytest.approx([0.509091, 0.381818, 0.109091], abs=1e-6)


@pytest.mark.parametrize(("votes", "expected"), [(1, 0.186447551), (2, 0.300203120)])
@pytest.mark.parametrize("trees", [None, 1, 3, 8])
def test_the_small_case_is_estimated_without_bias(votes, expected, trees):
    assert_estimates(SMALL, SMALL_ALPHA, votes, expected, trees=trees, galaxies=20000)


def test_forty_votes_on_the_root_alone_are_estimated_without_bias():
    assert_estimates(DecisionTree("root", [ROOT]), SMALL_ALPHA[:, :3], 40, 0.462060129, galaxies=20000)


@pytest.mark.parametrize("case", range(200))
def test_random_trees_are_estimated_and_enumerated_as_brute_force_does(case):
    rng = np.random.default_rng(case)
    tree = random_tree(rng, questions=2 + case % 3)
    draws, votes = int(rng.integers(2, 6)), int(rng.integers(1, 5 if case % 3 < 2 else 4))
    alpha = 10 ** rng.uniform(*((-3, 5) if case % 5 == 0 else (-0.5, 1.5)), (draws, len(tree.columns)))
    alpha = alpha.astype(np.float32).astype(float)
    expected = information(tree, alpha, votes)
    exact = exact_mutual_information(Posterior(alpha[:, None], ["g"], tree), votes)
    assert exact == pytest.approx([expected], abs=1e-10)
    assert_estimates(tree, alpha, votes, expected, trees=[None, 7][case % 2])


def test_one_draw_and_identical_draws_score_exactly_zero(tree):
    one = np.random.default_rng(0).uniform(1, 100, (1, 50, len(tree.columns)))
    ids = [f"g{i}" for i in range(50)]
    assert not mutual_information(Posterior(one, ids, tree)).any()
    for draws in (2, 7, 49):
        assert not mutual_information(Posterior(np.repeat(one, draws, axis=0), ids, tree)).any()


def test_no_votes_tell_nothing(tree):
    alpha = np.random.default_rng(0).uniform(1, 100, (5, 3, len(tree.columns)))
    assert mutual_information(Posterior(alpha, "abc", tree), votes=0).tolist() == [0, 0, 0]


def test_a_score_depends_on_no_other_galaxy(tree):
    rng = np.random.default_rng(1)
    alpha = rng.uniform(0.5, 50, (6, 1200, len(tree.columns)))
    whole = Posterior(alpha, [f"g{i}" for i in range(1200)], tree)
    scores = mutual_information(whole, trees=9, seed=4)
    order = rng.permutation(1200)
    shuffled = mutual_information(whole.select(whole.ids[order]), trees=9, seed=4)
    assert shuffled.tobytes() == scores[order].tobytes()
    alone = [mutual_information(whole.select([whole.ids[i]]), trees=9, seed=4)[0] for i in (0, 511, 512, 1199)]
    assert alone == scores[[0, 511, 512, 1199]].tolist()


def test_the_seed_and_nothing_else_changes_the_sampled_trees(tree):
    alpha = np.random.default_rng(2).uniform(0.5, 50, (6, 20, len(tree.columns)))
    posterior = Posterior(alpha, [f"g{i}" for i in range(20)], tree)
    assert np.array_equal(mutual_information(posterior, seed=1), mutual_information(posterior, seed=1))
    assert (mutual_information(posterior, seed=1) != mutual_information(posterior, seed=2)).all()


def test_each_galaxy_may_have_its_own_number_of_volunteers(tree):
    alpha = np.random.default_rng(3).uniform(0.5, 50, (6, 3, len(tree.columns)))
    posterior = Posterior(alpha, "abc", tree)
    mixed = mutual_information(posterior, [5, 0, 40])
    expected = [mutual_information(posterior, 5)[0], 0, mutual_information(posterior, 40)[2]]
    assert mixed.tolist() == expected


def test_a_pool_without_galaxies_has_no_scores(tree):
    assert mutual_information(Posterior(np.ones((2, 0, len(tree.columns))), [], tree)).shape == (0,)


@pytest.mark.parametrize("votes", [-1, 2.5, np.nan, "40", [1, 2]])
def test_votes_that_are_no_whole_numbers_are_refused(tree, votes):
    posterior = Posterior(np.ones((2, 3, len(tree.columns))), "abc", tree)
    with pytest.raises(AcquisitionError, match=r"votes .*whole number"):
        mutual_information(posterior, votes)


def test_fewer_than_one_vote_tree_is_refused(tree):
    with pytest.raises(AcquisitionError, match="trees = 0"):
        mutual_information(Posterior(np.ones((2, 1, len(tree.columns))), "a", tree), trees=0)


@pytest.mark.parametrize("trees", [None, 5])
def test_unequal_weights_of_the_draws_are_estimated_and_enumerated_as_brute_force_does(trees):
    weights = np.array([0.7, 0.05, 0.25])
    alpha = np.array([[6, 3, 1, 2, 8], [2, 7, 1, 5, 1], [1, 1, 9, 3, 3]], dtype=float)
    expected = information(SMALL, alpha, 3, weights)
    one = Posterior(alpha[:, None], ["g"], SMALL, weights=weights)
    assert exact_mutual_information(one, 3) == pytest.approx([expected], abs=1e-10)
    found = mutual_information(copies(SMALL, alpha, 20000, weights), 3, trees=trees, seed=3)
    assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / np.sqrt(20000)
    assert found.max() <= -(weights * np.log(weights)).sum() + 1e-12


def test_a_draw_of_weight_zero_is_as_if_it_were_not_there(tree):
    alpha = np.random.default_rng(0).uniform(0.5, 9, (2, 40, len(tree.columns)))
    two = Posterior(alpha, [f"g{i}" for i in range(40)], tree)
    three = Posterior(np.concatenate([alpha, alpha[:1] * 7]), two.ids, tree, weights=[0.5, 0.5, 0])
    assert exact_mutual_information(three, 2) == pytest.approx(exact_mutual_information(two, 2), abs=1e-12)
    found, expected = (mutual_information(posterior, 20, trees=400) for posterior in (three, two))
    assert found.max() <= np.log(2)
    assert abs((found - expected).mean()) < 4 * (found - expected).std() / np.sqrt(40)


def test_a_received_vote_leaves_what_the_chain_rule_says():
    """I(2) - I(1) = .113756, the average over one received vote; updating the weights alone would give .130735."""
    outcomes, p = vote_trees(SMALL, SMALL_ALPHA, 1)
    left = {"both": 0.0, "weights alone": 0.0}
    for outcome, chance in zip(outcomes, p.mean(1), strict=True):
        votes = [[outcome[column] for column in SMALL.columns]]
        after = Posterior(SMALL_ALPHA[:, None], ["g"], SMALL).given_votes(votes)
        left["both"] += chance * exact_mutual_information(after, 1)[0]
        halfway = Posterior(SMALL_ALPHA[:, None], ["g"], SMALL, weights=after.weights)
        left["weights alone"] += chance * exact_mutual_information(halfway, 1)[0]
    assert left["both"] == pytest.approx(0.300203120 - 0.186447551, abs=2e-9)
    assert left["weights alone"] == pytest.approx(0.130735, abs=1e-6)


@pytest.mark.parametrize(("votes", "expected"), [(1, [0.093466254, 0.092981298]), (2, [0.158509619, 0.141693501])])
def test_the_chain_rule_shares_the_small_case_out_among_its_questions(votes, expected):
    found = information_by_question(copies(SMALL, SMALL_ALPHA, 20000), votes)
    error = found.std(0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - expected) < 4 * error).all()


def test_the_shares_of_the_questions_sum_to_the_score(tree):
    alpha = np.random.default_rng(2).uniform(0.3, 30, (16, 200, len(tree.columns)))
    posterior = Posterior(alpha, [f"g{i}" for i in range(200)], tree)
    shares = information_by_question(posterior, 40, seed=5)
    assert shares.shape == (200, 4)
    assert shares.sum(1) == pytest.approx(mutual_information(posterior, 40, seed=5), abs=1e-12)


@pytest.mark.parametrize("votes", [0, 1, 5, 40, 90, 400])
@pytest.mark.parametrize("exponents", [(-1, 2), (-3, 5), (-30, 5)])
def test_plain_products_say_what_products_with_exponents_say(tree, votes, exponents):
    """Scores are plain products where these keep within a float64; the questions' shares always carry exponents along."""
    alpha = 10 ** np.random.default_rng(votes).uniform(*exponents, (7, 60, len(tree.columns)))
    weights = np.random.default_rng(1).dirichlet(np.ones(7), 60).T
    posterior = Posterior(alpha, [f"g{i}" for i in range(60)], tree, weights=weights)
    found = mutual_information(posterior, votes, trees=11, seed=3)
    shares = information_by_question(posterior, votes, trees=11, seed=3)
    assert found == pytest.approx(np.maximum(shares.sum(1), 0), abs=1e-12)


def test_draws_that_agree_tell_exactly_nothing_whatever_their_weights(tree):
    alpha = np.random.default_rng(0).uniform(0.3, 30, (1, 40, len(tree.columns)))
    weights = np.random.default_rng(1).dirichlet(np.ones(5), 40).T
    same = Posterior(np.repeat(alpha, 5, 0), [f"g{i}" for i in range(40)], tree, weights=weights)
    for votes in (1, 5, 40):
        assert (mutual_information(same, votes) == 0).all()


@pytest.mark.parametrize("votes", [40, 400, 3000])
def test_any_number_of_votes_and_any_concentrations_keep_the_score_in_range(tree, votes):
    alpha = 10 ** np.random.default_rng(votes).uniform(-3, 5, (6, 50, len(tree.columns)))
    found = mutual_information(Posterior(alpha, [f"g{i}" for i in range(50)], tree), votes)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= np.log(6) + 1e-12


def test_the_logits_of_sampled_trees_are_those_of_gamma_functions(tree):
    """The tables of products against lgamma, up to alpha = 1e5 and a thousand votes: by the score of one known tree."""
    from zooactive.acquisition.compiled.tree_layout import lay_out
    from zooactive.acquisition.compiled.vote_trees import tree_logits

    alpha = (10 ** np.random.default_rng(4).uniform(-3, 5, (5, 30, len(tree.columns)))).astype(np.float32)
    posterior = Posterior(alpha, [f"g{i}" for i in range(30)], tree)
    source, seeds = np.zeros(1, dtype=np.int64), np.arange(30, dtype=np.uint64)
    weights, volunteers = posterior.weights.copy(), np.full(30, 1000)
    found = tree_logits(alpha, weights, volunteers, seeds, 1, lay_out(tree), source)[:, 0]
    sure = Posterior(np.concatenate([alpha[:1]] * 5), posterior.ids, tree)
    same = tree_logits(sure.concentrations, weights, volunteers, seeds, 1, lay_out(tree), source)[:, 0]
    assert (same == same[:, :1]).all()
    assert found[:, 0] == pytest.approx(same[:, 0])
    assert np.isfinite(found).all()
