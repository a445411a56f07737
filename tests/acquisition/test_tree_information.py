"""The estimator over sampled vote trees, against enumeration written here by another route (a Polya urn, vote by vote)."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import exact_mutual_information, mutual_information
from zooactive.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

ROOT = Question("root", ["x", "y", "z"])
CHILD = Question("child", ["u", "v"], ["root_y"])
SMALL = DecisionTree("small", [ROOT, CHILD])
SMALL_ALPHA = np.array([[6, 3, 1, 2, 8], [2, 7, 1, 5, 1]], dtype=float)


def urn(alpha, votes):
    """Counts -> probability in each draw, by adding one vote after the other to Polya's urn."""
    counts = {(0,) * alpha.shape[1]: np.ones(len(alpha))}
    for vote in range(votes):
        grown = {}
        for k, p in counts.items():
            for a in range(len(k)):
                one_more = (*k[:a], k[a] + 1, *k[a + 1 :])
                chance = p * (alpha[:, a] + k[a]) / (alpha.sum(1) + vote)
                grown[one_more] = grown.get(one_more, 0) + chance
        counts = grown
    return counts


def entropies(tree, alpha, volunteers):
    """Entropy of the mixture of all vote trees, and the mean entropy given the draw."""
    trees = {(): np.ones(len(alpha))}
    for q in tree.order:
        question, grown = tree.questions[q], {}
        for known, p in trees.items():
            votes = dict(known)
            asked = sum(votes[column] for column in question.asked_after) if question.asked_after else volunteers
            for counts, chance in urn(alpha[:, tree.slices[q]], asked).items():
                grown[known + tuple(zip(question.columns, counts, strict=True))] = p * chance
        trees = grown
    p = np.array(list(trees.values()))
    assert np.allclose(p.sum(0), 1)
    mixture = p.mean(1)
    return -(mixture * np.log(mixture)).sum(), -(p * np.log(p)).sum(0).mean()


def information(tree, alpha, volunteers):
    mixture, conditional = entropies(tree, alpha, volunteers)
    return mixture - conditional


def random_tree(rng, questions):
    """A tree whose later questions are roots, or asked after some answers of an earlier question."""
    made = [Question("q0", [f"a{i}" for i in range(rng.integers(2, 5))])]
    while len(made) < questions:
        parent = made[rng.integers(len(made))]
        leading = rng.permutation(parent.columns)[: rng.integers(0, len(parent.columns))]
        answers = [f"a{i}" for i in range(rng.integers(2, 5))]
        made.append(Question(f"q{len(made)}", answers, sorted(leading)))
    order = rng.permutation(questions)
    return DecisionTree("random", [made[i] for i in order])


def copies(tree, alpha, galaxies):
    """One galaxy under many ids, each of which has its own random stream."""
    repeated = np.repeat(alpha[:, None], galaxies, axis=1)
    return Posterior(repeated, [f"copy{i}" for i in range(galaxies)], tree)


def assert_estimates(tree, alpha, votes, expected, *, trees=None, galaxies=4000):
    found = mutual_information(copies(tree, alpha, galaxies), votes, trees=trees, seed=3)
    assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / np.sqrt(galaxies) + 1e-12
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


@pytest.mark.parametrize("case", range(25))
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
