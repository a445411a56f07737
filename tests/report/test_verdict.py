from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zooactive.evaluation import evaluate
from zooactive.posterior import Posterior
from zooactive.report import verdict
from zooactive.tree import DecisionTree, Question

QUESTIONS = pd.DataFrame(
    {
        "question": ["a", "b", "c", "d"],
        "galaxies": [100, 100, 100, 9],
        "accuracy": [0.9, 0.62, 0.5, 1.0],
        "baseline": [0.6, 0.6, 0.5, 0.1],
        "accuracy_low": [0.8, 0.5, 0.4, 0.7],
    }
)


def test_a_question_is_judged_by_its_interval_and_only_on_enough_galaxies():
    judged = verdict.judge(QUESTIONS)
    assert (judged.clearly, judged.better, judged.not_better, judged.few) == (("a",), ("b",), ("c",), ("d",))
    assert judged.told == (
        "The model answers 2 of 3 questions better than guessing (always giving the question's most common answer), 1 of "
        "them clearly: the whole 95% interval of the accuracy lies above guessing. It does not beat guessing on c. Asked of "
        "fewer than 10 test galaxies, and so not judged: d."
    )


def test_a_model_that_guesses_is_said_to_guess():
    assert "answers 0 of 1 question better than guessing" in verdict.judge(QUESTIONS.iloc[2:3]).told
    assert "nothing can be judged yet" in verdict.judge(QUESTIONS.iloc[3:]).told
    assert "none of them clearly" in verdict.judge(QUESTIONS.iloc[1:2]).told


def test_what_was_chosen_is_counted_by_question_under_its_short_name():
    tree = DecisionTree("t", [Question("bar-dr5", ["yes", "no"]), Question("odd-dr5", ["yes", "no"])], suffix="-dr5")
    selection = pd.DataFrame(
        {
            "id": list("abcde"),
            "arm": ["acquired"] * 4 + ["random"],
            "question": ["odd-dr5", "bar-dr5", "bar-dr5", None, "bar-dr5"],
        }
    )
    assert verdict.what_was_chosen(selection, tree) == (
        "4 galaxies were chosen. The question that each should teach most about is bar (2) and odd (1). 1 more was drawn at "
        "random, to measure on."
    )
    assert verdict.what_was_chosen(selection.drop(columns="question"), tree).startswith("4 galaxies were chosen. 1 more")


def test_a_choice_of_labels_speaks_of_labels():
    tree = DecisionTree("ring", [Question("ring", ["yes", "no"])], votes="class")
    selection = pd.DataFrame({"id": ["a"], "arm": ["acquired"], "question": ["ring"]})
    said = verdict.what_was_chosen(selection, tree, labels=True)
    assert said == "1 galaxy was chosen for what labels would tell about ring."
    votes = np.eye(2)[np.arange(40) % 2]
    posterior = Posterior(1 + 9 * votes[None], [str(i) for i in range(40)], tree)
    metrics = evaluate(posterior, votes, seen=votes, resamples=5)
    for said in (verdict.how_good(metrics, tree), verdict.what_clicks_bought(metrics, tree, galaxies=40, clicks=40)):
        assert "volunteer" not in said
    assert "100% of the labels that it did not see are predicted correctly; guessing gets 50%" in said


def test_the_clicks_are_told_with_what_they_are_worth_in_volunteers():
    tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    rng = np.random.default_rng(0)
    fraction = rng.uniform(0.1, 0.9, 300)
    yes = rng.binomial(40, fraction)
    votes = np.stack([yes, 40 - yes], axis=1).astype(float)
    # As far off as 8 volunteers' votes would be.
    guess = rng.binomial(8, fraction) / 8
    alpha = 50 * np.stack([guess, 1 - guess], axis=1)[None] + 0.01
    metrics = evaluate(Posterior(alpha, [str(i) for i in range(300)], tree), votes, seen=votes, resamples=20)
    said = verdict.what_clicks_bought(metrics, tree, galaxies=184, clicks=30393)
    assert said.startswith(
        "The model learnt from 30,393 answers of volunteers about 184 galaxies. Its error on smooth equals"
    )
    number = float(said.split("equals that of ")[1].split()[0])
    assert number == pytest.approx(8, rel=0.2)


def test_labels_are_told_with_what_they_bought():
    said = verdict.what_labels_bought(377, {"galaxies": 95.0, "accuracy": 0.67, "baseline": 0.51})
    assert said == (
        "282 labels were learnt from, and 95 more were kept to measure on. Of 100 galaxies, the model labels 16 more "
        "correctly than guessing does."
    )
    assert "guessing" not in verdict.what_labels_bought(377, {"galaxies": 95.0, "accuracy": 0.5, "baseline": 0.51})
    assert verdict.what_labels_bought(0, {"galaxies": 95.0}) == ""


def test_rounds_say_what_their_clicks_bought():
    history = pd.DataFrame(
        {
            "round": [0, 1, 2],
            "labelled": [200, 300, 400],
            "clicks": [8000.0, 12000.0, 16500.0],
            "test_accuracy": [0.7, 0.72, 0.75],
        }
    )
    assert verdict.what_rounds_bought(history) == (
        "From round 0 to round 2 volunteers gave 8,500 answers about 200 galaxies. On test galaxies, accuracy over all "
        "questions rose from 70.0% to 75.0%."
    )
    assert "fell from 75.0% to 70.0%" in verdict.what_rounds_bought(
        history.assign(test_accuracy=history["test_accuracy"].to_numpy()[::-1])
    )
    assert verdict.what_rounds_bought(history.head(1)) == verdict.what_rounds_bought(history[["round", "clicks"]]) == ""


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"galaxies": 95.0, "accuracy": 0.67, "accuracy_low": 0.57, "baseline": 0.51}, "67% of the labels of 95 galaxies"),
        ({"galaxies": 95.0, "accuracy": 0.67, "accuracy_low": 0.57, "baseline": 0.51}, "clearly better than always giving"),
        ({"galaxies": 95.0, "accuracy": 0.5, "accuracy_low": 0.4, "baseline": 0.51}, "no better than always giving"),
        ({"galaxies": 9.0, "mean_error": 0.1, "baseline_error": 0.2}, "0.100, less than that of always predicting the mean"),
        ({"galaxies": 9.0, "rmse": 0.3, "baseline_rmse": 0.2}, "0.3, no less than that of always predicting the mean"),
        ({}, "nothing is measured"),
    ],
)
def test_a_task_is_told_beside_guessing(metrics, said):
    assert said in verdict.how_good_task("rings", metrics)
