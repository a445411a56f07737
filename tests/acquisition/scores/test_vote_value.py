"""The catalogue's error and the value of votes: published numbers, and brute force along another route."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import SMALL, SMALL_ALPHA, random_tree, vote_trees
from scipy import stats

from zooactive.acquisition import Aim, catalogue_error, exact_mutual_information, value_of_votes
from zooactive.acquisition.scores.vote_value import loss
from zooactive.foundation.errors import AcquisitionError, TreeError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

PAIR = DecisionTree("pair", [Question("smooth", ["yes", "no"])])
THREE = DecisionTree("three", [Question("shape", ["smooth", "disk", "star"])])


def posterior(tree, alpha, *, galaxies=1, weights=None):
    """One galaxy under many ids, each of which has its own random stream."""
    repeated = np.repeat(np.asarray(alpha, dtype=float)[:, None], galaxies, axis=1)
    return Posterior(repeated, [f"copy{i}" for i in range(galaxies)], tree, weights=weights)


def expected_error_after(tree, alpha, votes, counting, weights=None):
    """Brute force: the mean over every vote tree of the error once it is known, P(asked) held fixed."""
    outcomes, chances = vote_trees(tree, np.asarray(alpha, dtype=float), votes)
    prior = np.full(len(alpha), 1 / len(alpha)) if weights is None else np.asarray(weights)
    whole = 0.0
    for known, chance in zip(outcomes, chances, strict=True):
        k = np.array([known[column] for column in tree.columns])
        likely = chance @ prior
        if likely == 0:
            continue
        after = np.asarray(alpha) + k
        total = np.stack([after[:, where].sum(1) for where in tree.slices], 1)[:, tree.question_index]
        w, mu = chance * prior / likely, after / total
        variance = w @ (mu * (after + 1) / (total + 1)) - (w @ mu) ** 2
        whole += likely * (counting[tree.question_index] * variance).sum()
    return whole


def assert_estimates(found, expected):
    """Within four standard errors; where nothing is left to chance, equal."""
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - expected) < 4 * error + 1e-7


# Published numbers -----------------------------------------------------------------------------------------------------


def test_one_draw_and_one_question_are_exact_for_any_number_of_votes():
    one = posterior(THREE, [[8, 2, 1.5]])
    before = catalogue_error(one)[0]
    after = [before - value_of_votes(one, votes)[0] for votes in (1, 2, 10)]
    assert [before, *after] == pytest.approx([0.0375047, 0.0345043, 0.0319485, 0.0200607], abs=5e-8)


def test_two_draws_move_their_concentrations_and_their_weights():
    two = [[8, 2, 1.5], [4, 5, 1.5]]
    before = catalogue_error(posterior(THREE, two))[0]
    assert before == pytest.approx(0.0928150, abs=5e-8)
    after_one = before - value_of_votes(posterior(THREE, two))[0]
    assert after_one == pytest.approx(0.0766900, abs=5e-8)
    assert abs(after_one - 0.0819335) > 0.005  # concentrations alone
    assert abs(after_one - 0.0872624) > 0.005  # weights alone
    for votes, published in ((2, 0.0654659), (5, 0.0457353)):
        assert_estimates(before - value_of_votes(posterior(THREE, two, galaxies=2000), votes, trees=8), published)


def test_draws_that_differ_in_spread_alone_have_falling_values():
    spread = posterior(PAIR, [[1, 1], [10, 10]], galaxies=2000)
    values = [value_of_votes(spread, votes, trees=8) for votes in (0, 1, 2, 3)]
    for votes, published in ((1, 0.0181406), (2, 0.0123356), (3, 0.0092529)):
        assert_estimates(values[votes] - values[votes - 1], published)


@pytest.mark.parametrize(
    ("weights", "before", "after"),
    [
        (None, 0.2429257, (0.1618769, 0.1201809)),
        ({"root": 1}, 0.1254545, (0.0853433, 0.0649774)),
        ({"child": 2}, 0.2349423, (0.1530672, 0.1104070)),  # P(asked) is one half
    ],
)
def test_the_small_case(weights, before, after):
    small = posterior(SMALL, SMALL_ALPHA, galaxies=2000)
    error = catalogue_error(small, weights)
    assert error[0] == pytest.approx(before, abs=5e-8)
    assert error[0] - value_of_votes(small, 1, weights)[0] == pytest.approx(after[0], abs=1e-7)
    assert_estimates(error - value_of_votes(small, 1, weights, trees=2), after[0])
    assert_estimates(error - value_of_votes(small, 2, weights, trees=8), after[1])


def test_a_childs_vote_tells_about_the_root_and_the_other_way_round():
    value = value_of_votes(posterior(SMALL, SMALL_ALPHA))[0]
    assert value == pytest.approx(0.0810488, abs=5e-8)
    assert abs(value - 0.0575470) > 0.02  # one-vote values of each question times P(asked), weights uniform
    child = value_of_votes(posterior(SMALL, SMALL_ALPHA), weights={"child": 2})[0]
    assert child == pytest.approx(0.0818751, abs=5e-8)
    assert abs(child - 0.0552593) > 0.02  # uniform weights
    assert abs(child - 0.0457751) > 0.02  # weights of those who were asked, the root's news forgotten


def test_the_next_vote_may_be_worth_more_than_this_one():
    rising = posterior(PAIR, [[90, 10], [60, 5], [1, 0.1]], galaxies=4000)
    values = [value_of_votes(rising, votes, trees=24) for votes in (0, 1, 2, 3, 4)]
    for votes, published in ((1, 0.0047280), (2, 0.0054269), (3, 0.0034248), (4, 0.0022438)):
        assert_estimates(values[votes] - values[votes - 1], published)


def test_votes_turn_a_decision_only_when_there_are_enough_of_them():
    known = posterior(PAIR, [[8, 3]], galaxies=1000)
    for votes in range(1, 6):
        assert value_of_votes(known, votes, aim=Aim("decision"), trees=8).max() == 0
    for votes, published in ((6, 0.0006866), (7, 0.0006866), (8, 0.0017548), (16, 0.0067959), (32, 0.0146846)):
        assert_estimates(value_of_votes(known, votes, aim=Aim("decision"), trees=32), published)


def test_the_uncertain_number_of_a_childs_votes_is_not_replaced_by_its_mean():
    chain = DecisionTree("chain", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_x"])])
    alpha = np.array([[1.0, 1.0, 3.0, 3.0]])
    found = value_of_votes(posterior(chain, alpha, galaxies=4000), 4, {"b": 2}, trees=8)
    variance, shares = 2 * 0.25 / 7, np.full(5, 0.2)  # Beta-binomial(4; 1, 1) is uniform
    fall = (shares * np.arange(5) / (6 + np.arange(5))).sum()
    assert_estimates(found, variance * fall)
    assert abs(found.mean() - variance * 2 / 8) > 10 * found.std() / np.sqrt(4000)  # of the mean: it flatters


# Brute force -----------------------------------------------------------------------------------------------------------


def test_random_trees_agree_with_brute_force():
    rng = np.random.default_rng(25)
    for _ in range(100):
        tree = random_tree(rng, int(rng.integers(1, 4)))
        draws, votes = int(rng.integers(1, 5)), int(rng.integers(1, 3))
        alpha = np.exp(rng.normal(0.5, 1, (draws, len(tree.columns)))).astype(np.float32).astype(float)
        weights = rng.dirichlet(np.ones(draws))
        names = rng.permutation([question.name for question in tree.questions])[: rng.integers(1, 4)]
        counts = {str(name): float(rng.uniform(0.5, 2)) for name in names}
        galaxies = posterior(tree, alpha, galaxies=300, weights=weights)
        counting = np.array([counts.get(question.name, 0) for question in tree.questions]) * galaxies.asked()[0]
        error = catalogue_error(galaxies, counts)
        assert error[0] == pytest.approx(expected_error_after(tree, alpha, 0, counting, weights), abs=1e-6)
        expected = expected_error_after(tree, alpha, votes, counting, weights)
        if votes == 1:
            assert error[0] - value_of_votes(galaxies.take([0]), 1, counts)[0] == pytest.approx(expected, abs=1e-6)
        assert_estimates(error - value_of_votes(galaxies, votes, counts, trees=6), expected)


def test_information_is_the_value_of_votes_for_the_model():
    small = posterior(SMALL, SMALL_ALPHA, galaxies=2000)
    found = value_of_votes(small, 2, aim=Aim("model"), trees=8)
    assert_estimates(found, exact_mutual_information(small.take([0]), 2)[0])


def test_votes_wanted_are_counted_from_those_received():
    small = posterior(SMALL, SMALL_ALPHA, galaxies=2000)
    aim = Aim("count", weights={"child": 1}, wanted=3)
    received = np.tile([0, 2, 0, 1, 1], (2000, 1))
    given = small.given_votes(received)
    outcomes, chances = vote_trees(SMALL, given.concentrations[:, 0].astype(float), 2)
    enough = np.array([known["root_y"] + 2 >= 3 for known in outcomes])
    expected = (chances @ given.weights[:, 0])[enough].sum()
    assert_estimates(value_of_votes(given, 2, aim=aim, received=received, trees=8), expected)
    assert value_of_votes(given, 2, aim=Aim("count", weights={"child": 1}, wanted=2), received=received).max() == 0


def test_draws_that_are_worlds_apart_are_weighed_by_logarithms():
    alpha = np.tile([0.001, 6400.0], (64, 1))
    alpha[0] = [6400.0, 0.001]
    worlds = posterior(PAIR, alpha)
    mu = np.array([0.001, 6400.0]) / 6400.001
    within = 2 * mu[0] * mu[1] / 6401.001 * 6400.001 / 6600.001  # of each draw once 200 votes are in, which tell the draw
    found = value_of_votes(worlds, 200, trees=64)[0]  # the draw that is alone multiplies what is alike for all by 64 ** 200
    assert found == pytest.approx(catalogue_error(worlds)[0] - within, rel=1e-5)


# What does not matter, and what is refused -----------------------------------------------------------------------------


def test_a_galaxys_value_depends_on_nothing_but_itself():
    rng = np.random.default_rng(3)
    alpha = np.exp(rng.normal(0, 1, (4, 30, 5)))
    whole = Posterior(alpha, [f"g{i}" for i in range(30)], SMALL)
    values = value_of_votes(whole, 5, seed=1)
    order = rng.permutation(30)
    np.testing.assert_array_equal(value_of_votes(whole.take(order), 5, seed=1), values[order])
    np.testing.assert_array_equal(value_of_votes(whole.take([7]), 5, seed=1), values[[7]])
    assert not np.array_equal(value_of_votes(whole, 5, seed=2), values)


def test_trees_grow_from_what_they_were_when_more_volunteers_come():
    from zooactive.acquisition.scores.vote_value import values_on_ladder

    few = posterior(SMALL, SMALL_ALPHA, galaxies=5)
    ladder = values_on_ladder(few, np.tile([1, 3, 8], (5, 1)), Aim(), received=None, trees=4, seed=0)
    np.testing.assert_allclose(ladder[:, 1], value_of_votes(few, 3, trees=4), rtol=1e-12)
    np.testing.assert_allclose(ladder[:, 2], value_of_votes(few, 8, trees=4), rtol=1e-12)


def test_no_vote_is_worth_nothing():
    small = posterior(SMALL, SMALL_ALPHA, galaxies=3)
    for goal in ("error", "decision", "count", "model"):
        assert value_of_votes(small, 0, aim=Aim(goal)).tolist() == [0, 0, 0]


def test_a_question_that_does_not_count_is_worth_its_news_about_others():
    small = posterior(SMALL, SMALL_ALPHA)
    alone = catalogue_error(small.question("root"))[0]
    by_root = alone - expected_error_after(
        DecisionTree("r", [Question("root", ["x", "y", "z"])]), SMALL_ALPHA[:, :3], 1, np.ones(1)
    )
    assert value_of_votes(small, 1, {"root": 1})[0] > by_root + 1e-4


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda p: catalogue_error(p, {"root": -1}), "weight of question 'root' is -1"),
        (lambda p: catalogue_error(p, {"root": 0}), "all questions have the weight 0"),
        (lambda p: catalogue_error(p, {"root": float("nan")}), "is nan"),
        (lambda p: value_of_votes(p, 1.5), "whole number"),
        (lambda p: value_of_votes(p, 2, trees=0), "at least one vote tree"),
        (lambda p: value_of_votes(p, 1, {"root": 1}, aim=Aim()), "give one of the two"),
        (lambda p: Aim("erorr"), "Did you mean 'error'"),
        (lambda p: Aim("model", weights={"root": 1}), "leave out the questions' weights"),
        (lambda p: Aim("error", rules={"root_x": 0.5}), "rules belong to the goal 'decision'"),
        (lambda p: Aim("decision", rules={"root_x": 1.5}), "the limit 1.5"),
        (lambda p: Aim("count", wanted=0), "wanted = 0"),
    ],
)
def test_impossible_aims_are_refused(ask, said):
    with pytest.raises(AcquisitionError, match=said):
        ask(posterior(SMALL, SMALL_ALPHA))


def test_unknown_questions_and_answers_are_refused_with_a_hint():
    small = posterior(SMALL, SMALL_ALPHA)
    with pytest.raises(TreeError, match=r"no question 'chlid'.*child"):
        catalogue_error(small, {"chlid": 1})
    with pytest.raises(TreeError, match="root_w"):
        value_of_votes(small, 2, aim=Aim("decision", rules={"root_w": 0.5}))


# What is still missing ------------------------------------------------------------------------------------------------

ONE = DecisionTree("one", [Question("bar", ["strong", "no"])])


def two_draws() -> Posterior:
    return Posterior([[[6.0, 4.0]], [[1.0, 3.0]]], ["a"], ONE)


def test_what_is_missing_from_the_error_is_the_error():
    assert loss(two_draws(), Aim("error")) == pytest.approx(catalogue_error(two_draws()))


def test_what_is_missing_from_a_decision_is_the_chance_to_be_wrong():
    above = (stats.beta.sf(0.3, 6, 4) + stats.beta.sf(0.3, 1, 3)) / 2
    assert loss(two_draws(), Aim("decision", rules={"bar_strong": 0.3})) == pytest.approx(min(above, 1 - above), abs=1e-6)


def test_what_is_missing_from_a_count_are_the_questions_with_too_few_votes():
    aim = Aim("count", weights={"bar": 2.5}, wanted=3)
    assert loss(two_draws(), aim) == pytest.approx(2.5)
    assert loss(two_draws(), aim, [[1.0, 1.0]]) == pytest.approx(2.5)
    assert loss(two_draws(), aim, [[2.0, 1.0]]) == 0


def test_what_is_missing_from_the_model_is_the_entropy_of_its_draws():
    assert loss(two_draws(), Aim("model")) == pytest.approx(np.log(2))
