"""Likelihoods and tables of merit: published values, and other routes to the same numbers."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zooactive.evaluation import evaluate, question_table
from zooactive.evaluation.calibration import coverage
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.posterior.loss import constant_concentrations, constant_negative_log_likelihood, negative_log_likelihood
from zooactive.tree import DecisionTree, Question
from zooactive.tree.likelihood import dirichlet_multinomial_log_prob


def one_question(answers):
    return DecisionTree("one", [Question("q", [f"a{i}" for i in range(answers)])])


def test_the_posterior_likelihood_is_the_mean_over_draws_of_whole_trees(tree, draw_votes):
    votes = draw_votes(12, volunteers=9)
    alpha = np.random.default_rng(3).uniform(0.5, 20, (4, 12, len(tree.columns))).astype(np.float32)
    found = negative_log_likelihood(Posterior(alpha, [f"g{i}" for i in range(12)], tree), votes)
    for g in range(12):
        p = np.ones(4)
        for t, where in itertools.product(range(4), tree.slices):
            k = votes[g, where].astype(int)
            p[t] *= stats.dirichlet_multinomial.pmf(k, alpha[t, g, where].astype(float), k.sum())
        assert found[g] == pytest.approx(-np.log(p.mean()), abs=1e-9)


def test_a_galaxy_without_votes_has_likelihood_one_exactly(tree):
    for draws in (1, 3, 49):
        alpha = np.random.default_rng(4).uniform(0.5, 2e4, (draws, 5, len(tree.columns)))
        found = negative_log_likelihood(Posterior(alpha, "abcde", tree), np.zeros((5, len(tree.columns))))
        assert found.tolist() == [0.0] * 5
        assert not np.signbit(found).any()


def test_likelihoods_far_below_the_smallest_number_stay_finite():
    posterior = Posterior([[[1e5, 1e-3]], [[9e4, 1e-3]]], ["g"], one_question(2))
    found = negative_log_likelihood(posterior, [[0, 4000]])
    both = [
        -dirichlet_multinomial_log_prob([0, 4000], a[0].astype(float), one_question(2))[0] for a in posterior.concentrations
    ]
    assert min(both) > 750
    assert min(both) <= found[0] <= max(both)


def test_constant_concentrations_find_those_that_the_votes_came_from():
    rng = np.random.default_rng(5)
    true = np.array([6.0, 3.0, 1.0])
    votes = np.array([rng.multinomial(40, p) for p in rng.dirichlet(true, 20000)])
    found = constant_concentrations(votes, one_question(3))
    assert found == pytest.approx(true, rel=0.03)


def test_constant_concentrations_are_the_maximum_of_the_likelihood(tree, draw_votes):
    votes = draw_votes(60, volunteers=12)
    for counts in (votes, votes * 0.73):  # pseudo-counts are not whole
        best = constant_concentrations(counts, tree)
        lowest = constant_negative_log_likelihood(best, counts, tree).sum()
        for i, factor in itertools.product(range(len(best)), (0.9, 0.99, 1.01, 1.1)):
            moved = best.copy()
            moved[i] *= factor
            assert constant_negative_log_likelihood(moved, counts, tree).sum() > lowest


def test_constant_concentrations_stay_within_their_bounds():
    same = constant_concentrations([[20, 20]] * 50, one_question(2))  # less spread than any Dirichlet gives
    assert same[0] / same.sum() == pytest.approx(0.5, abs=1e-6)
    assert same.sum() > 1e4
    never = constant_concentrations([[9, 1, 0], [4, 6, 0]], one_question(3))
    assert never[2] == pytest.approx(1e-3)
    assert ((never >= 1e-3 * (1 - 1e-12)) & (never <= 1e5 * (1 + 1e-12))).all()


def test_single_votes_give_constant_concentrations_in_the_right_ratio():
    found = constant_concentrations([[1, 0]] * 30 + [[0, 1]] * 10, one_question(2))
    assert found[0] / found.sum() == pytest.approx(0.75, abs=1e-4)


def test_a_question_without_votes_has_constant_concentrations_of_one(tree):
    votes = np.zeros((10, len(tree.columns)))
    votes[:, 0] = np.arange(10)
    votes[:, 1] = 5
    assert constant_concentrations(votes, tree)[3:].tolist() == [1.0] * (len(tree.columns) - 3)


def test_the_constant_likelihood_counts_every_question():
    child = DecisionTree("t", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_y"])])
    found = constant_negative_log_likelihood([1, 1, 1, 1], [[2, 3, 1, 2], [4, 0, 0, 0], [0, 0, 0, 0]], child)
    assert found == pytest.approx([np.log(6) + np.log(4), np.log(5), 0], abs=1e-12)
    assert comb(6, 1) == 6  # uniform over the n + 1 ways to share n votes between two answers


def test_the_question_table_counts_only_galaxies_of_which_the_question_was_asked():
    child = DecisionTree("t", [Question("b", ["u", "v"], ["a_y"]), Question("a", ["x", "y"])])
    votes = np.array(
        [  # b_u, b_v, a_x, a_y
            [4, 1, 5, 5],  # half of the volunteers reached b
            [1, 3, 6, 4],  # fewer did
            [2, 8, 0, 10],
            [7, 3, 0, 10],
            [0, 0, 9, 0],
            [0, 0, 0, 0],
        ]
    )
    mean = np.array(
        [[0.7, 0.3, 0.4, 0.6], [0.9, 0.1, 0.7, 0.3], [0.6, 0.4, 0.1, 0.9], [0.6, 0.4, 0.2, 0.8]] + [[0.5, 0.5, 0.8, 0.2]] * 2
    )
    table = question_table(Posterior(mean[None] * 10, "pqrstu", child), votes).set_index("question")
    assert table.index.tolist() == ["b", "a"]
    assert table.galaxies.tolist() == [3, 5]
    assert table.loc["b", "accuracy"] == pytest.approx(2 / 3)
    assert table.loc["b", "baseline"] == pytest.approx(2 / 3)
    assert table.loc["b", "mean_deviation"] == pytest.approx((0.1 + 0.4 + 0.1) / 3, abs=1e-6)
    # p is a tie of five against five: the first answer is the true one, and the second was predicted.
    assert table.loc["a", "accuracy"] == pytest.approx(4 / 5)
    assert table.loc["a", "baseline"] == pytest.approx(3 / 5)
    all_of_them = question_table(Posterior(mean[None] * 10, "pqrstu", child), votes, min_share=0).set_index("question")
    assert all_of_them.galaxies.tolist() == [4, 5]


def test_a_grandchild_is_measured_against_its_root(tree):
    votes = np.zeros((2, len(tree.columns)))
    votes[:, :3] = [[0, 40, 0], [0, 40, 0]]
    votes[:, 3:5] = [[0, 40], [30, 10]]
    votes[:, 5:8] = [
        [40, 0, 0],
        [10, 0, 0],
    ]  # the second bar was asked of all of its parent's no, but of a quarter of the crowd
    table = question_table(Posterior(np.ones((1, 2, len(tree.columns))), "ab", tree), votes).set_index("question")
    assert table.galaxies.tolist() == [2, 2, 1, 0]
    assert table.loc["merging", ["accuracy", "baseline", "mean_deviation"]].isna().all()


def test_votes_and_concentrations_that_do_not_fit_are_refused(tree):
    good = np.ones(len(tree.columns))
    posterior = Posterior(np.ones((2, 3, len(tree.columns))), "abc", tree)
    with pytest.raises(PosteriorError, match=r"'smooth-or-featured_artifact' in row 1 are -1\.0"):
        negative_log_likelihood(posterior, [good, [1, 1, -1, *good[3:]], good])
    with pytest.raises(PosteriorError, match=r"votes have the shape \(2, 10\); the posterior needs \(3, 10\)"):
        question_table(posterior, [good, good])


def test_an_evaluation_sets_the_posterior_beside_the_best_constant_of_the_votes_learnt_from(tree, draw_votes):
    seen, votes = draw_votes(80, seed=1), draw_votes(30, seed=2)
    posterior = Posterior(votes[None] + 1.0, [str(i) for i in range(30)], tree)  # it knows the answers
    metrics = evaluate(posterior, votes, seen=seen)
    assert metrics.galaxies == 30
    assert metrics.likelihood == pytest.approx(negative_log_likelihood(posterior, votes).mean())
    constant = constant_concentrations(seen, tree)
    assert metrics.constant_likelihood == pytest.approx(constant_negative_log_likelihood(constant, votes, tree).mean())
    assert 0 < metrics.gain == pytest.approx(1 - metrics.likelihood / metrics.constant_likelihood)
    assert (metrics.questions["accuracy"] == 1).all()


def test_an_evaluation_carries_how_often_votes_lie_in_their_intervals(tree, draw_votes):
    votes = draw_votes(30)
    posterior = Posterior(np.ones((2, 30, len(tree.columns))), map(str, range(30)), tree)
    metrics = evaluate(posterior, votes, seen=votes, resamples=20)
    pd.testing.assert_frame_equal(metrics.coverage, coverage(posterior, votes))
    assert metrics.to_dict()["coverage"][0]["question"] == "smooth-or-featured"
    labels = replace(tree, votes="class")
    alike = Posterior(posterior.concentrations, posterior.ids, labels)
    labelled = evaluate(alike, votes, seen=votes, resamples=20)
    assert len(labelled.coverage) == len(labelled.pit) == 0


def test_an_evaluation_tells_its_metrics_by_redshift_where_that_is_given(tree, draw_votes):
    votes = draw_votes(40)
    posterior = Posterior(np.ones((2, 40, len(tree.columns))), map(str, range(40)), tree)
    found = evaluate(posterior, votes, seen=votes, columns={"redshift": np.arange(40)}, resamples=20)
    assert set(found.by_column["column"]) == {"redshift"}
    assert len(found.by_column) == 4 * len(tree.questions)


def test_an_evaluation_carries_the_classification_of_every_question(tree, draw_votes):
    votes, other = draw_votes(40, seed=2), draw_votes(40, seed=3)
    posterior = Posterior(votes[None] / 2 + other[None] + 1.0, [str(i) for i in range(40)], tree)
    metrics = evaluate(posterior, votes, seen=votes, resamples=50)
    assert list(metrics.questions) == [
        "question", "galaxies", "accuracy", "baseline", "mean_deviation",
        "macro_f1", "weighted_f1", "auc", "accuracy_low", "accuracy_high",
    ]  # fmt: skip
    assert len(metrics.classification) == len(metrics.questions) == 4
    for (_, row), measured in zip(metrics.questions.iterrows(), metrics.classification, strict=True):
        assert (row["question"], row["galaxies"]) == (measured.question, measured.galaxies)
        assert row["accuracy"] == pytest.approx(measured.confusion.trace() / measured.confusion.sum())
        assert row["baseline"] == pytest.approx(measured.confusion.sum(1).max() / measured.confusion.sum())
        assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
        assert (row["macro_f1"], row["auc"]) == (measured.macro_f1.value, measured.auc.value)
    again = evaluate(posterior, votes, seen=votes, resamples=50)
    assert again.to_dict() == metrics.to_dict()
    read = json.loads(json.dumps(metrics.to_dict(), allow_nan=False))
    tables = {"coverage", "pit", "worth", "confident", "reliability", "by_column"}
    assert set(read) == {"galaxies", "likelihood", "constant_likelihood", "classification"} | tables
    assert read["by_column"] == []
    assert [row["volunteers"] for row in read["worth"]] == [
        None if not np.isfinite(value) else value for value in metrics.worth["volunteers"]
    ]
    assert [row["question"] for row in read["classification"]] == metrics.questions["question"].tolist()
