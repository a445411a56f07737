"""Metrics of classes: published intervals, counts by hand, pairs by brute force, and scikit-learn as the other route."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from zooactive.evaluation.asked import really_asked
from zooactive.evaluation.bootstrap import _runs, _weighted_area
from zooactive.evaluation.classes import Estimate, question_metrics, tree_metrics, wilson_interval
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

SHAPE = Question("shape", ["round", "disc", "ring"])
# Two of three rounds are found, the third is taken for a disc; of four discs three are found; a ring is taken for a round.
TRUTH = [0, 0, 0, 1, 1, 1, 1, 2]
PREDICTED = [0, 0, 1, 1, 1, 1, 0, 0]
SCORES = np.eye(3)[PREDICTED] * 0.4 + 0.2


def noisy(galaxies, answers, seed=0, *, strength=0.4, step=None):
    """Truths, and scores that lean to them; rounded to steps so that ties occur."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(answers, galaxies, p=np.arange(1, answers + 1) / np.arange(1, answers + 1).sum())
    scores = rng.dirichlet(np.ones(answers), galaxies)
    scores[np.arange(galaxies), truth] += strength
    return truth, np.round(scores / step) * step if step else scores / scores.sum(1, keepdims=True)


def pairs_in_order(mine, others):
    """Share of the pairs of which the first scores higher; of equal ones half."""
    return ((mine[:, None] > others) + 0.5 * (mine[:, None] == others)).mean()


def question(answers):
    return Question("q", [f"a{i}" for i in range(answers)])


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_newcombes_table_1(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "trials"), [(50, 100), (3, 4), (0, 7), (7, 7), (25_999, 26_000)])
def test_wilsons_interval_is_scipys(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_half_of_a_hundred_lies_between_two_and_three_fifths():
    assert wilson_interval(50, 100) == pytest.approx((0.404, 0.596), abs=5e-4)
    assert np.isnan(wilson_interval(0, 0)).all()
    with pytest.raises(PosteriorError, match="5 successes of 4"):
        wilson_interval(5, 4)


def test_counts_precision_recall_and_f1_are_those_counted_by_hand():
    metrics = question_metrics(SHAPE, TRUTH, SCORES, resamples=50)
    assert metrics.confusion.tolist() == [[2, 1, 0], [1, 3, 0], [1, 0, 0]]  # rows volunteers, columns model
    assert [answer.galaxies for answer in metrics.answers] == [3, 4, 1]
    assert [answer.predicted for answer in metrics.answers] == [4, 4, 0]
    assert [answer.precision for answer in metrics.answers[:2]] == [0.5, 0.75]
    assert np.isnan(metrics.answers[2].precision)  # never predicted
    assert [answer.recall.value for answer in metrics.answers] == pytest.approx([2 / 3, 3 / 4, 0])
    f1 = [4 / 7, 6 / 8, 0]  # 2 found / (given + predicted)
    assert [answer.f1.value for answer in metrics.answers] == pytest.approx(f1)
    assert metrics.macro_f1.value == pytest.approx(sum(f1) / 3)
    assert metrics.weighted_f1.value == pytest.approx((3 * f1[0] + 4 * f1[1] + f1[2]) / 8)
    assert metrics.accuracy.value == 5 / 8
    assert (metrics.accuracy.low, metrics.accuracy.high) == wilson_interval(5, 8)
    assert (metrics.answers[0].recall.low, metrics.answers[0].recall.high) == wilson_interval(2, 3)


@pytest.mark.parametrize("answers", [2, 3, 5])
def test_f1_and_auc_are_scikit_learns(answers):
    truth, scores = noisy(400, answers)
    metrics = question_metrics(question(answers), truth, scores, resamples=0)
    found = scores.argmax(1)
    assert metrics.macro_f1.value == pytest.approx(sklearn_metrics.f1_score(truth, found, average="macro"))
    assert metrics.weighted_f1.value == pytest.approx(sklearn_metrics.f1_score(truth, found, average="weighted"))
    if answers > 2:
        assert metrics.auc.value == pytest.approx(sklearn_metrics.roc_auc_score(truth, scores, multi_class="ovr"))
        weighted = sklearn_metrics.roc_auc_score(truth, scores, multi_class="ovr", average="weighted")
        assert metrics.weighted_auc.value == pytest.approx(weighted)
    else:
        assert metrics.auc.value == pytest.approx(sklearn_metrics.roc_auc_score(truth, scores[:, 1]))


def test_pairs_of_equal_scores_count_half():
    truth, scores = noisy(60, 3, step=0.25)
    metrics = question_metrics(question(3), truth, scores, resamples=0)
    for a, answer in enumerate(metrics.answers):
        mine, others = scores[truth == a, a], scores[truth != a, a]
        assert (mine[:, None] == others).any()
        assert answer.auc.value == pytest.approx(pairs_in_order(mine, others), abs=1e-12)
    blind = question_metrics(question(3), truth, np.full((60, 3), 1 / 3), resamples=20)
    assert [answer.auc for answer in blind.answers] == [Estimate(0.5, 0.5, 0.5)] * 3


def test_a_roc_curve_rises_from_nobody_to_everybody_and_bounds_the_area():
    truth, scores = noisy(300, 3)
    for answer in question_metrics(question(3), truth, scores, resamples=0).answers:
        assert answer.roc is not None
        x, y = answer.roc
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert np.all(np.diff(x) >= 0)
        assert np.all(np.diff(y) >= 0)
        assert np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) == pytest.approx(answer.auc.value)


@pytest.mark.parametrize("step", [None, 0.25])
def test_intervals_are_percentiles_over_resampled_galaxies(step):
    truth, scores = noisy(90, 3, seed=1, step=step)
    metrics = question_metrics(question(3), truth, scores, resamples=4000)
    found, rng = scores.argmax(1), np.random.default_rng(99)
    f1, areas = [], []
    for _ in range(1000):
        rows = rng.integers(0, 90, 90)
        t, p, s = truth[rows], found[rows], scores[rows]
        f1.append([2 * ((t == a) & (p == a)).sum() / ((t == a).sum() + (p == a).sum()) for a in range(3)])
        areas.append([pairs_in_order(s[t == a, a], s[t != a, a]) for a in range(3)])
    both = np.column_stack([f1, areas, np.mean(f1, axis=1), np.mean(areas, axis=1)])
    estimates = [answer.f1 for answer in metrics.answers] + [answer.auc for answer in metrics.answers]
    for estimate, low, high in zip(
        [*estimates, metrics.macro_f1, metrics.auc], *np.percentile(both, [2.5, 97.5], 0), strict=True
    ):
        # They differ by chance only: the standard error of such a percentile of 1000 draws is a fiftieth of the width.
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.1 * (high - low))


@pytest.mark.parametrize("step", [None, 0.25])
def test_the_area_of_galaxies_that_occur_several_times_is_scikit_learns(step):
    truth, scores = noisy(120, 2, seed=5, step=step)
    own, score = truth == 1, scores[:, 1]
    times = np.random.default_rng(6).integers(0, 4, (120, 9)).astype(np.float32)
    found, galaxies = _weighted_area(times, own, *_runs(own, score))
    expected = [sklearn_metrics.roc_auc_score(own, score, sample_weight=column) for column in times.T]
    assert found == pytest.approx(expected, abs=1e-12)
    assert galaxies.tolist() == times[own].sum(0).tolist()


def test_intervals_hold_the_truth_in_95_of_100_surveys():
    rng = np.random.default_rng(7)
    surveys, galaxies = 200, 250
    # Scores of own galaxies are N(1, 1), of others N(0, 1): the area is Phi(1 / sqrt 2). Above 1/2 counts as yes, which
    # Phi(1/2) of either kind gets right, so that with equal numbers F1 is that too.
    area, share = stats.norm.cdf(1 / math.sqrt(2)), stats.norm.cdf(0.5)
    inside = np.zeros(4)
    for survey in range(surveys):
        truth = rng.integers(0, 2, galaxies)
        x = rng.normal(truth, 1)
        metrics = question_metrics(question(2), 1 - truth, np.column_stack([x - 0.5, 0.5 - x]), resamples=300, seed=survey)
        pairs = ((metrics.auc, area), (metrics.macro_f1, share), (metrics.weighted_f1, share), (metrics.accuracy, share))
        inside += [estimate.low <= true <= estimate.high for estimate, true in pairs]
    # 95% of 200 have a standard error of 1.5 points; percentile intervals are known to be a little short.
    assert np.all(inside / surveys > 0.91), inside / surveys
    assert np.all(inside / surveys < 0.99), inside / surveys


def test_the_same_seed_gives_the_same_intervals_and_another_others():
    truth, scores = noisy(80, 3)
    first, again, other = (question_metrics(SHAPE, truth, scores, resamples=100, seed=seed).to_dict() for seed in (0, 0, 1))
    assert first == again
    assert first["macro_f1"] == other["macro_f1"]
    assert first["auc_low"] != other["auc_low"]
    assert first["macro_f1_low"] != other["macro_f1_low"]


def test_resamples_that_do_not_fit_into_memory_at_once_are_drawn_in_blocks(monkeypatch):
    truth, scores = noisy(50, 3)
    whole = question_metrics(SHAPE, truth, scores, resamples=3000)
    monkeypatch.setattr("zooactive.evaluation.bootstrap._BLOCK", 50 * 7)
    blocks = question_metrics(SHAPE, truth, scores, resamples=3000)
    assert blocks.auc.value == whole.auc.value
    width = whole.auc.high - whole.auc.low
    assert (blocks.auc.low, blocks.auc.high) == pytest.approx((whole.auc.low, whole.auc.high), abs=0.1 * width)


def test_an_answer_that_never_occurs_has_no_recall_and_no_curve_and_is_left_out_of_the_means():
    truth, scores = noisy(200, 2)
    three = np.column_stack([scores, np.zeros(200)])
    with_ring = question_metrics(SHAPE, truth, three, resamples=30)
    without = question_metrics(Question("shape", ["round", "disc"]), truth, scores, resamples=30)
    ring = with_ring.answers[2]
    assert (ring.galaxies, ring.predicted, ring.roc) == (0, 0, None)
    assert np.isnan([ring.precision, ring.recall.value, ring.recall.low, ring.f1.value, ring.f1.low, ring.auc.value]).all()
    for name in ("macro_f1", "weighted_f1", "auc", "weighted_auc"):
        assert getattr(with_ring, name).value == pytest.approx(getattr(without, name).value)
    assert with_ring.auc.low <= with_ring.auc.value <= with_ring.auc.high


def test_galaxies_of_one_class_have_an_accuracy_but_no_area():
    metrics = question_metrics(SHAPE, [1, 1, 1], [[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]], resamples=20)
    assert metrics.accuracy.value == pytest.approx(2 / 3)
    assert np.isnan([metrics.auc.value, metrics.auc.low, metrics.weighted_auc.value]).all()
    assert [answer.roc for answer in metrics.answers] == [None] * 3


def test_without_galaxies_everything_is_undefined_and_nothing_fails():
    metrics = question_metrics(SHAPE, [], np.zeros((0, 3)))
    assert metrics.galaxies == metrics.confusion.sum() == 0
    assert metrics.confusion.shape == (3, 3)
    out = metrics.to_dict()
    assert [out[name] for name in ("accuracy", "accuracy_low", "macro_f1", "weighted_f1", "auc", "weighted_auc")] == [
        None
    ] * 6
    assert metrics.to_table()["recall"].isna().all()


def test_without_resamples_only_wilsons_intervals_are_given():
    metrics = question_metrics(SHAPE, TRUTH, SCORES, resamples=0)
    assert np.isnan([metrics.macro_f1.low, metrics.auc.high, metrics.answers[0].f1.low]).all()
    assert metrics.accuracy.low < metrics.accuracy.value < metrics.accuracy.high


def test_the_dictionary_is_plain_json_and_the_table_has_a_row_an_answer():
    metrics = question_metrics(SHAPE, TRUTH, SCORES, resamples=50)
    read = json.loads(json.dumps(metrics.to_dict(), allow_nan=False))
    assert read["confusion"] == [[2, 1, 0], [1, 3, 0], [1, 0, 0]]
    assert (read["confusion_rows"], read["confusion_columns"]) == ("volunteers", "model")
    assert read["answers"][2]["precision"] is None
    assert read["answers"][0]["recall_low"] == pytest.approx(wilson_interval(2, 3)[0])
    table = metrics.to_table()
    assert table["answer"].tolist() == ["round", "disc", "ring"]
    assert table["recall"].tolist() == [answer.recall.value for answer in metrics.answers]
    assert list(table)[:4] == ["answer", "galaxies", "predicted", "precision"]
    named = metrics.confusion_table()
    assert named.loc["ring", "round"] == 1
    assert (named.index.name, named.columns.name) == ("volunteers", "model")


def test_a_tree_of_votes_is_measured_where_questions_were_really_asked(tree, draw_votes):
    votes, other = draw_votes(200, seed=1), draw_votes(200, seed=2)
    posterior = Posterior(other[None] + votes[None] / 2 + 1, [str(i) for i in range(200)], tree)
    found = tree_metrics(posterior, votes, resamples=20)
    assert [metrics.question for metrics in found] == [question.name for question in tree.questions]
    asked, mean = really_asked(votes, tree), posterior.mean()
    for q, (metrics, where) in enumerate(zip(found, tree.slices, strict=True)):
        rows = asked[:, q]
        by_hand = np.zeros((where.stop - where.start,) * 2, dtype=int)
        for k, m in zip(votes[rows, where], mean[rows, where], strict=True):
            by_hand[k.argmax(), m.argmax()] += 1
        assert metrics.galaxies == rows.sum() > 0
        assert metrics.confusion.tolist() == by_hand.tolist()
    assert found[1].galaxies < 200
    assert tree_metrics(posterior, votes, min_share=0, resamples=0)[1].galaxies > found[1].galaxies


def test_a_tree_of_classes_is_measured_by_its_labels():
    classes = DecisionTree("shapes", [Question("shape", SHAPE.answers, single_label=True)], votes="class")
    posterior = Posterior(SCORES[None], [str(i) for i in range(8)], classes)
    (metrics,) = tree_metrics(posterior, np.eye(3)[TRUTH], resamples=0)
    assert metrics.galaxies == 8
    assert metrics.confusion.tolist() == [[2, 1, 0], [1, 3, 0], [1, 0, 0]]


def test_truths_and_scores_that_do_not_fit_are_refused():
    with pytest.raises(PosteriorError, match=r"'shape': truths have the shape \(2,\) and scores \(1, 3\)"):
        question_metrics(SHAPE, [0, 1], [[1, 0, 0]])
    with pytest.raises(PosteriorError, match=r"the truth of row 1 is 3; give the answer's index, from 0 to 2"):
        question_metrics(SHAPE, [0, 3], np.ones((2, 3)))
    with pytest.raises(PosteriorError, match="the score of 'disc' in row 0 is nan"):
        question_metrics(SHAPE, [0], [[1, np.nan, 0]])
    with pytest.raises(PosteriorError, match="-1 resamples"):
        question_metrics(SHAPE, TRUTH, SCORES, resamples=-1)
