"""A model that is calibrated predicts with its factors everywhere, and a training begins without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zooactive.evaluation.calibration import coverage
from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel
from zooactive.posterior.loss import negative_log_likelihood
from zooactive.prediction import open_predictions, predict, predict_chunks
from zooactive.training.calibrate.factors import calibrate
from zooactive.training.config import TrainingConfig
from zooactive.training.train import train
from zooactive.tree import DecisionTree


@pytest.fixture
def model(tree) -> GalaxyModel:
    return GalaxyModel(tree, backbone="small_cnn", image_size=16, seed=3)


@pytest.fixture(scope="module")
def surely_voted(galaxies_in, tree, tmp_path_factory):
    """Two hundred galaxies, their votes drawn from a model ten times as sure as `model` says it is."""
    catalogue = galaxies_in(200, tmp_path_factory.mktemp("surely_voted"))
    model = GalaxyModel(tree, backbone="small_cnn", image_size=16, seed=3)
    alpha = 10 * predict(model, catalogue, draws=1).concentrations[0].astype(float)
    rng, votes = np.random.default_rng(0), np.zeros_like(catalogue.votes)
    for g, row in enumerate(votes):
        for q in tree.order:
            n = 40 if tree.parents[q] < 0 else int(row[tree.leads_to[q]].sum())
            row[tree.slices[q]] = rng.multinomial(n, rng.dirichlet(alpha[g, tree.slices[q]]))
    return replace(catalogue, votes=votes)


def test_factors_are_fitted_kept_and_used_by_every_way_to_predict(model, surely_voted, tmp_path):
    fitting, test = surely_voted.take(range(120)), surely_voted.take(range(120, 200))
    before = predict(model, test, draws=8)
    table = calibrate(model, fitting, draws=8)
    assert table["kept"].all()
    assert (model.factors > 3).all()  # of 10, as single draws have it; eight draws together are less sure
    after = predict(model, test, draws=8)
    assert np.allclose(after.concentrations, before.concentrations * model.factors[test.tree.question_index], rtol=1e-5)
    assert negative_log_likelihood(after, test.votes).mean() < negative_log_likelihood(before, test.votes).mean()
    distance = [np.abs(coverage(one, test.votes)["0.8"] - 0.8).mean() for one in (before, after)]
    assert distance[1] < distance[0]
    predict(model, test, out=tmp_path / "stored", draws=8)
    stored = open_predictions(tmp_path / "stored")
    assert np.array_equal(stored.posterior().concentrations, after.concentrations)
    assert np.array_equal(stored.redraw(model).posterior().concentrations, after.concentrations)
    (chunk,) = predict_chunks(model, test, draws=8)
    assert np.array_equal(chunk.concentrations, after.concentrations)


def test_a_second_calibration_forgets_the_first(model, surely_voted):
    calibrate(model, surely_voted, draws=4)
    once = model.factors
    calibrate(model, surely_voted, draws=4)
    assert np.array_equal(model.factors, once)


def test_a_catalogue_that_asks_less_sets_right_what_it_asks(model, surely_voted, tree):
    calibrate(model, surely_voted, draws=4)
    of_all = model.factors
    part = DecisionTree("part", tree.questions[:1])
    asks_less = replace(surely_voted, tree=part, votes=surely_voted.votes[:, tree.slices[0]])
    model.factors = np.full(len(tree.questions), 2.0)
    assert list(calibrate(model, asks_less, draws=4)["question"]) == [tree.questions[0].name]
    assert model.factors[0] == of_all[0]
    assert (model.factors[1:] == 2).all()


def test_a_training_begins_without_factors(model, surely_voted, tmp_path):
    calibrate(model, surely_voted, draws=4)
    train(model, surely_voted.take(range(40)), run_dir=tmp_path, config=TrainingConfig(epochs=1))
    assert model.factors is None


def test_galaxies_that_cannot_calibrate_are_told(model, surely_voted):
    with pytest.raises(ModelError, match="has no votes on the model's tree 'small'"):
        calibrate(model, surely_voted.without_votes())
    with pytest.raises(ModelError, match="has no labelled galaxies for the calibration"):
        calibrate(model, replace(surely_voted, min_votes=41))
