from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from zooactive.evaluation.tasks import purity, question_accuracies, task_metrics
from zooactive.foundation.errors import PosteriorError
from zooactive.training.finetuning.tasks import load_task
from zooactive.tree import load_tree


def test_a_binary_task_by_hand():
    p = np.array([0.9, 0.8, 0.4, 0.3, 0.6, 0.1])
    truth = np.array([1, 1, 1, 0, 0, 0])
    metrics = task_metrics(np.column_stack([p, 1 - p]), np.column_stack([truth, 1 - truth]), load_tree("rings"))
    assert metrics["accuracy"] == pytest.approx(4 / 6)
    assert metrics["auc"] == pytest.approx(8 / 9)  # of nine pairs only (0.4, 0.6) is the wrong way round
    assert metrics["baseline"] == 0.5
    right = np.where(truth == 1, p, 1 - p)
    assert metrics["log_loss"] == pytest.approx(-np.log(right).mean())


def test_a_fraction_task_agrees_with_scipy():
    rng = np.random.default_rng(1)
    observed = rng.random(80)
    predicted = np.clip(observed + rng.normal(0, 0.2, 80), 0, 1)
    votes = 40 * np.column_stack([observed, 1 - observed])
    metrics = task_metrics(np.column_stack([predicted, 1 - predicted]), votes, load_task("hubble").load_tree())
    assert metrics["correlation"] == pytest.approx(stats.pearsonr(predicted, observed).statistic)
    assert metrics["mean_error"] == pytest.approx(np.abs(predicted - observed).mean())
    assert metrics["baseline_error"] == pytest.approx(np.abs(observed - observed.mean()).mean())
    fisher = stats.pearsonr(predicted, observed).confidence_interval()
    assert metrics["correlation_low"] == pytest.approx(fisher.low, abs=0.06)
    assert metrics["correlation_high"] == pytest.approx(fisher.high, abs=0.06)


def test_a_tree_of_votes_is_measured_question_by_question():
    tree = load_tree("candels")
    votes = np.zeros((4, len(tree.columns)))
    votes[:, 0] = [3, 3, 0, 0]
    votes[:, 1] = [0, 0, 3, 3]
    votes[:2, tree.columns.index("how-rounded-candels_completely")] = 3
    means = np.where(votes > 0, 0.9, 0.01)
    table = question_accuracies(means, votes, tree).set_index("question")
    assert table.loc["smooth-or-featured-candels", ["galaxies", "accuracy", "baseline"]].tolist() == [4, 1.0, 0.5]
    assert table.loc["how-rounded-candels", "galaxies"] == 2
    assert np.isnan(table.loc["bar-candels", "accuracy"])
    assert task_metrics(means, votes, tree)["galaxies"] == 4


def test_purity_falls_with_prevalence_as_bayes_says():
    p = np.array([0.9] * 80 + [0.1] * 20 + [0.9] * 10 + [0.1] * 90)
    truth = np.arange(200) < 100
    even = purity(p, truth, prior=0.5, prevalence=0.5)
    assert even == pytest.approx({"purity": 80 / 90, "completeness": 0.8})
    rarer = purity(p, truth, prior=0.5, prevalence=0.2)  # 0.9 becomes odds of 9/4: still chosen
    assert rarer["purity"] == pytest.approx(0.2 * 0.8 / (0.2 * 0.8 + 0.8 * 0.1))
    assert np.isnan(purity(p, truth, prior=0.5, prevalence=0.01)["purity"])  # nothing is above one half any more
    with pytest.raises(PosteriorError, match="between 0 and 1"):
        purity(p, truth, prior=0.5, prevalence=0)


def test_fractions_that_are_all_the_same_have_no_correlation_and_no_warning():
    tree = load_task("hubble").load_tree()
    mean = np.column_stack([np.linspace(0.2, 0.4, 6), 1 - np.linspace(0.2, 0.4, 6)])
    metrics = task_metrics(mean, np.tile([10.0, 30.0], (6, 1)), tree)
    assert np.isnan([metrics[name] for name in ("correlation", "correlation_low", "correlation_high")]).all()
    assert metrics["mean_error"] == pytest.approx(np.abs(mean[:, 0] - 0.25).mean())
