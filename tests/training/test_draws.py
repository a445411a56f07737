"""Draws of every kind from one trained model."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_network import tiny_model

import zooactive as za
from zooactive.foundation.errors import ModelError, PosteriorError, TrainingError
from zooactive.prediction import Predictions, open_ensemble


@pytest.fixture
def model(tree):
    return tiny_model(tree)


@pytest.mark.parametrize("kind", ["dropout", "laplace"])
def test_every_kind_of_draws_is_predicted_with_in_memory_and_on_disk(model, galaxies, tmp_path, kind):
    catalogue = galaxies(24)
    draws = za.fit_draws(model, catalogue.take(range(16)), validation=catalogue.take(range(16, 24)), kind=kind)
    posterior = za.predict(model, catalogue, draws=6, draws_from=draws)
    stored = za.predict(model, catalogue, draws=6, draws_from=draws, out=tmp_path / "predictions")
    assert stored.posterior().concentrations.tobytes() == posterior.concentrations.tobytes()
    assert za.acquire(stored, n=4, votes=5).id.is_unique
    if kind != "dropout":
        with pytest.raises(PosteriorError, match="another draws_from"):
            za.predict(model, catalogue, draws=6, out=tmp_path / "predictions")


def test_draws_of_another_tree_or_without_votes_are_refused(model, galaxies):
    catalogue = galaxies(8)
    bars = za.DecisionTree("bars", [za.Question("bar", ["yes", "no"])])
    other = tiny_model(bars).linear_head()
    with pytest.raises(ModelError, match="draws belong to tree 'bars'"):
        za.predict(model, catalogue, draws_from=other)
    with pytest.raises(ModelError, match=r"no draws 'lapace'\. Did you mean 'laplace'"):
        za.fit_draws(model, catalogue, validation=catalogue, kind="lapace")
    with pytest.raises(ModelError, match=r"ensemble of heads were removed.* use 'laplace'"):
        za.fit_draws(model, catalogue, validation=catalogue, kind="ensemble")
    catalogue.votes[:] = 0
    with pytest.raises(TrainingError, match="no galaxy of train"):
        za.fit_draws(model, catalogue, validation=catalogue)


def test_the_stored_pool_screens_and_draws_as_memory_does(model, galaxies, tmp_path):
    catalogue = galaxies(30)
    stored = za.predict(model, catalogue, draws=4, out=tmp_path / "predictions")
    memory = za.predict(model, catalogue, draws=4)
    assert len(stored) == 30
    assert stored.known(["g003", "elsewhere", "g001"]) == ["g001", "g003"]
    some = next(stored.posteriors({"g007", "g002"}))
    assert some.ids.tolist() == ["g002", "g007"]
    assert some.concentrations.tobytes() == memory.select(["g002", "g007"]).concentrations.tobytes()
    options = {"n": 5, "votes": 7, "max_artifact": 0.9}
    found, expected = za.acquire(stored, **options), za.acquire(memory, **options)
    assert found.id.tolist() == expected.id.tolist()
    assert found.score.tolist() == expected.score.tolist()
    for score in ("entropy", "variance", "random"):
        assert za.acquire(stored, 5, score=score).id.tolist() == za.acquire(memory, 5, score=score).id.tolist()
    assert np.isfinite(found.inclusion_probability).all()


def test_stored_predictions_of_two_networks_are_one_pool(tree, galaxies, tmp_path):
    catalogue = galaxies(30)
    models = [tiny_model(tree, seed=seed) for seed in (0, 1)]
    stored = [za.predict(model, catalogue, draws=3, out=tmp_path / f"p{i}") for i, model in enumerate(models)]
    both = open_ensemble([folder.folder for folder in stored])
    memory = za.combine_draws([za.predict(model, catalogue, draws=3) for model in models])
    assert len(both) == 30
    assert both.known(["g004", "elsewhere"]) == ["g004"]
    assert next(iter(both)).concentrations.tobytes() == memory.concentrations.tobytes()
    found, expected = za.acquire(both, 6, votes=9), za.acquire(memory, 6, votes=9)
    assert found.id.tolist() == expected.id.tolist()
    assert found.score.tolist() == expected.score.tolist()
    assert isinstance(open_ensemble([stored[0].folder]), Predictions)
    other = za.predict(models[1], catalogue.take(range(10)), draws=3, out=tmp_path / "other")
    with pytest.raises(PosteriorError, match="is in one posterior but not in another"):
        za.acquire(open_ensemble([stored[0].folder, other.folder]), 2)
