"""Information about other galaxies, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import SMALL, vote_trees
from scipy import special

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
    with pytest.raises(AcquisitionError, match="2 draws and the candidates 3"):
        epig(candidates, Posterior(TARGET[:2], ["t0", "t1"], SMALL))
    with pytest.raises(AcquisitionError, match="target sample is empty"):
        epig(candidates, candidates.take([]))
