"""Factors of answers, against votes drawn from posteriors whose true factors are known."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import world

from zooactive.posterior.corrections import named_factors, scale_concentrations
from zooactive.training.calibrate import answers as module
from zooactive.training.calibrate import fit_answer_factors, fit_pooled_factors


def test_a_survey_that_sees_more_of_an_answer_is_set_right(tree):
    right, votes = world(tree, 400, volunteers=20)
    wrong = np.ones(len(tree.columns))
    wrong[0] = 3.0  # the model expects three times too much of the first answer
    posterior = scale_concentrations(right, wrong)
    fitted = fit_answer_factors(posterior, votes)
    assert fitted.table["moved"].tolist()[0]
    truth = right.mean()
    pooled = fit_pooled_factors(posterior, votes).values
    tried = {"answers": fitted.values, "pooled": pooled, "none": np.ones(4)}
    off = {name: np.abs(scale_concentrations(posterior, values).mean() - truth).mean(0)[0] for name, values in tried.items()}
    assert off["answers"] < 0.25 * off["none"]
    assert off["pooled"] > 0.8 * off["none"], "a factor on the question leaves its mean where it is"


def test_where_the_means_are_right_the_factors_are_those_of_the_questions(tree):
    moved = []
    for seed in range(6):
        right, votes = world(tree, 150, seed=seed)
        posterior = scale_concentrations(right, np.full(4, 2.0))
        fitted, pooled = fit_answer_factors(posterior, votes), fit_pooled_factors(posterior, votes)
        moved += fitted.table["moved"].tolist()
        for q, where in enumerate(tree.slices):
            if not fitted.table["moved"][q]:
                assert (fitted.values[where] == pooled.values[q]).all()
        assert fitted.table["factor"].tolist() == pooled.values.tolist()
    assert np.mean(moved) < 0.35


def test_the_slope_is_that_of_the_loss(tree):
    posterior, votes = world(tree, 30)
    own, counts = posterior.question(tree.questions[0].name), votes[:, tree.slices[0]]
    at, step = np.array([0.7, 1.3, 2.0]), 1e-6
    loss, slopes = module._losses_and_slopes(own, counts, at)
    for answer in range(3):
        moved = at.copy()
        moved[answer] *= np.exp(step)
        there = module._losses_and_slopes(own, counts, moved)[0]
        assert (there - loss) / step == pytest.approx(slopes[:, answer], abs=1e-4)


def test_factors_are_named_by_question_or_by_answer(tree):
    named = named_factors({tree.questions[0].name: 2.0, tree.columns[3]: 0.5}, tree)
    assert named.tolist() == [2.0, 2.0, 2.0, 0.5, *[1.0] * (len(tree.columns) - 4)]
    posterior, _ = world(tree, 3)
    scaled = scale_concentrations(posterior, named)
    assert scaled.concentrations == pytest.approx(posterior.concentrations * named.astype(np.float32))


def test_single_votes_leave_everything_as_it_is(tree):
    posterior, votes = world(tree, 40, volunteers=1)
    fitted = fit_answer_factors(posterior, votes)
    assert (fitted.values == 1).all()
    assert not fitted.table["moved"].any()
