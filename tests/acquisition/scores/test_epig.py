"""Information about other galaxies, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import SMALL, vote_trees
from scipy import special, stats

from zooactive.acquisition import epig
from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior

ALPHA = np.array([[6, 3, 1, 2, 8], [2, 7, 1, 5, 1], [4, 4, 4, 1, 1]], dtype=float)
TARGET = np.array(
    [[[9, 1, 1, 3, 1], [1, 9, 1, 1, 5]], [[1, 9, 1, 6, 1], [1, 9, 2, 1, 1]], [[5, 5, 5, 1, 8], [1, 8, 1, 9, 1]]]
)
PRIOR = np.array([0.5, 0.2, 0.3])


def chances_of_small(alpha):
    """What one volunteer says of one galaxy under one draw: each question's outcomes, "not asked" among them."""
    root, child = alpha[:3] / alpha[:3].sum(), alpha[3:] / alpha[3:].sum()
    return [root, np.append(child * root[1], 1 - root[1])]


def entropy(p):
    return -special.xlogy(p, p).sum()


def expected(variables):
    """Mutual information of three votes and some variables given the draw, for variables[draw] a list of distributions."""
    _, p = vote_trees(SMALL, ALPHA, 3)
    whole = 0.0
    for v in range(len(variables[0])):
        given = np.array([variables[t][v] for t in range(3)])
        posterior = p * PRIOR / (p @ PRIOR)[:, None]
        whole += entropy(PRIOR @ given) - sum(
            chance * entropy(w @ given) for chance, w in zip(p @ PRIOR, posterior, strict=True)
        )
    return whole


def estimate(column):
    candidates = Posterior(np.repeat(ALPHA[:, None], 4000, axis=1), [f"c{i}" for i in range(4000)], SMALL, weights=PRIOR)
    return epig(candidates, Posterior(TARGET, ["t0", "t1"], SMALL), column=column, votes=3, trees=7)


def assert_mean(found, value):
    assert abs(found.mean() - value) < 4 * found.std(ddof=1) / np.sqrt(len(found))


def test_all_questions_of_the_target_are_enumerated_alike():
    variables = [[p for g in range(2) for p in chances_of_small(TARGET[t, g])] for t in range(3)]
    assert_mean(estimate(None), expected(variables) / 2)


def drawn_posteriors(spread, *, draws=40, galaxies=60):
    rng = np.random.default_rng(0)
    centre = rng.normal(2, 1, (galaxies, 5))
    alpha = np.exp(centre + spread * rng.normal(size=(draws, galaxies, 5)))
    whole = Posterior(alpha, [f"g{i}" for i in range(galaxies)], SMALL)
    return whole.take(slice(0, 40)), whole.take(slice(40, None))


def test_two_seeds_agree_about_galaxies_that_tell_little():
    """The difference of two entropies, whose mean is the same, is so noisy that two seeds hardly agree."""
    pool, target = drawn_posteriors(0.3)
    one, two = (epig(pool, target, votes=5, seed=seed) for seed in (0, 1))
    assert stats.spearmanr(one, two)[0] > 0.75


@pytest.mark.parametrize("column", [None, "root_x"])
def test_to_second_order_it_is_the_same_where_votes_change_little(column):
    pool, target = drawn_posteriors(0.05)
    exact = epig(pool, target, votes=5, column=column)
    second = epig(pool, target, votes=5, column=column, exact=False)
    assert second == pytest.approx(exact, rel=0.03)
    assert (second > 0).all()


def test_second_order_is_off_by_so_much_where_an_answer_becomes_certain():
    """p = 1/2 becomes 1 or 0 by many votes: ln 2 in truth, and 1/2 to second order."""
    sure = Posterior([[[1e4, 1.0, 1.0, 1.0, 1.0]], [[1.0, 1e4, 1.0, 1.0, 1.0]]], ["g"], SMALL)
    exact, second = (epig(sure, sure, column="root_x", exact=how)[0] for how in (True, False))
    assert exact == pytest.approx(np.log(2), rel=0.01)
    assert second == pytest.approx(0.5, rel=0.01)


def test_galaxies_with_weights_of_their_own_are_scored_exactly_in_both_ways():
    pool, target = drawn_posteriors(0.3)
    weights = np.random.default_rng(1).dirichlet(np.ones(40), 40).T
    voted = Posterior(pool.concentrations, pool.ids, SMALL, weights=weights)
    both = [epig(voted, target, votes=3, exact=how) for how in (True, False)]
    assert (both[0] == both[1]).all()
    alone = [epig(voted.take([row]), target, votes=3)[0] for row in range(3)]
    assert alone == pytest.approx(both[0][:3], rel=1e-10)


def test_one_answer_of_the_target_is_enumerated_alike():
    variables = []
    for t in range(3):
        given = [chances_of_small(TARGET[t, g])[1][0] for g in range(2)]
        variables.append([np.array([p, 1 - p]) for p in given])
    assert_mean(estimate("child_u"), expected(variables) / 2)


def test_a_galaxy_of_which_all_draws_agree_tells_nothing_of_others():
    same = Posterior(np.repeat(ALPHA[:1, None], 3, axis=0), ["g"], SMALL)
    assert epig(same, Posterior(TARGET, ["t0", "t1"], SMALL)) == pytest.approx([0], abs=1e-12)


def test_a_score_depends_on_no_other_candidate(tree):
    alpha = np.random.default_rng(0).uniform(0.5, 9, (4, 150, len(tree.columns)))
    pool = Posterior(alpha, [f"g{i}" for i in range(150)], tree)
    target = pool.take(slice(0, 10))
    scores = epig(pool, target, column="bar_strong")
    order = np.random.default_rng(1).permutation(150)
    assert epig(pool.take(order), target, column="bar_strong") == pytest.approx(scores[order], abs=1e-12)


def test_targets_that_do_not_fit_are_refused():
    candidates = Posterior(ALPHA[:, None], ["g"], SMALL)
    with pytest.raises(AcquisitionError, match="2 draws, but the candidates have 3"):
        epig(candidates, Posterior(TARGET[:2], ["t0", "t1"], SMALL))
    with pytest.raises(AcquisitionError, match="target sample is empty"):
        epig(candidates, candidates.take([]))
