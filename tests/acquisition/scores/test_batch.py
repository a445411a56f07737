"""What several galaxies tell together, against enumeration of their joint votes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from brute_force import SMALL, SMALL_ALPHA, vote_trees
from scipy import special

from zooactive.acquisition import greedy_batch, mutual_information
from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

OTHER = np.array([[1, 5, 2, 3, 3], [4, 1, 1, 9, 1]], dtype=float)


def joint_information(posterior: Posterior, votes: int = 40, **options: int) -> float:
    """What all of the galaxies together tell."""
    return float(greedy_batch(posterior, len(posterior), votes, **options).information[-1])


def test_two_galaxies_tell_what_enumeration_of_both_gives():
    both = [vote_trees(SMALL, alpha, 2)[1] for alpha in (SMALL_ALPHA, OTHER)]
    p = np.array([a * b for a, b in itertools.product(*both)])
    mixture = p.mean(1)
    expected = (special.xlogy(p, p).sum(0)).mean() - special.xlogy(mixture, mixture).sum()
    posterior = Posterior(np.stack([SMALL_ALPHA, OTHER], axis=1), ["a", "b"], SMALL)
    found = np.array([joint_information(posterior, 2, trees=50, seed=seed) for seed in range(200)])
    assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / np.sqrt(200)


def test_one_galaxy_alone_tells_its_own_score(tree):
    alpha = np.random.default_rng(0).uniform(0.5, 9, (5, 1, len(tree.columns)))
    posterior = Posterior(alpha, ["g"], tree)
    joint = np.array([joint_information(posterior, 10, seed=seed) for seed in range(300)])
    own = np.array([mutual_information(posterior, 10, seed=seed)[0] for seed in range(300)])
    assert abs(joint.mean() - own.mean()) < 4 * np.hypot(joint.std(), own.std()) / np.sqrt(300)


def test_the_joint_information_saturates_at_the_logarithm_of_the_draws(tree):
    alpha = np.random.default_rng(0).uniform(0.5, 60, (4, 60, len(tree.columns)))
    posterior = Posterior(alpha, [f"g{i}" for i in range(60)], tree)
    assert joint_information(posterior) == pytest.approx(np.log(4), abs=1e-3)


def test_a_greedy_batch_takes_one_of_two_twins_and_says_what_each_step_added():
    twin, other = [[90, 10], [10, 90], [10, 90]], [[80, 20], [80, 20], [20, 80]]
    binary = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    posterior = Posterior(np.stack([twin, twin, other], axis=1), ["t1", "t2", "o"], binary)
    batch = greedy_batch(posterior, 3, trees=60)
    assert "o" in batch.ids[:2]
    assert (np.diff(batch.information) > -0.02).all()
    assert batch.information[1] == pytest.approx(joint_information(posterior.select(batch.ids[:2]), trees=60), abs=1e-9)
    shuffled = greedy_batch(posterior.select(["o", "t2", "t1"]), 3, trees=60)
    assert shuffled.ids == batch.ids


def test_impossible_batches_are_refused(tree):
    posterior = Posterior(np.ones((2, 3, len(tree.columns))), "abc", tree)
    with pytest.raises(AcquisitionError, match="a batch of 4"):
        greedy_batch(posterior, 4)
    with pytest.raises(AcquisitionError, match="too many for joint scores"):
        greedy_batch(posterior, 2, trees=10**9)
    votes = np.zeros((3, len(tree.columns)))
    votes[0, 0] = 5
    uneven = Posterior(np.random.default_rng(0).uniform(1, 9, (2, 3, len(tree.columns))), "abc", tree).given_votes(votes)
    with pytest.raises(AcquisitionError, match="weights differ between galaxies"):
        greedy_batch(uneven, 2)


def test_few_trees_choose_nearly_as_good_a_batch_as_many():
    """By the fall of entropy, whose mean is the same and whose noise is larger, three in a hundred are lost."""
    tree = DecisionTree("t", [Question("a", ["x", "y", "z"]), Question("b", ["u", "v"], ["a_x"])])
    rng = np.random.default_rng(0)
    spread = rng.gamma(2, 0.15, (60, 1))
    alpha = np.exp(rng.normal(1.5, 1, (60, 5)) + spread * rng.normal(size=(48, 60, 5)))
    pool = Posterior(alpha, [f"g{i:02d}" for i in range(60)], tree)

    def known(ids: tuple[str, ...]) -> float:
        return joint_information(pool.select(list(ids)), 1, trees=3000, seed=9)

    best = known(greedy_batch(pool, 8, 1, trees=1500, seed=7).ids)
    assert np.mean([known(greedy_batch(pool, 8, 1, seed=seed).ids) / best for seed in range(6)]) > 0.985
