"""Draws with a factor on each question's concentrations, and models that keep such factors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from test_linear_draws import KINDS, make_draws, some_features

from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, load_draws, load_model
from zooactive.models.head.scaled import ScaledDraws

FACTORS = [2.0, 0.5, 1.0, 3.0]


@pytest.mark.parametrize("kind", KINDS)
def test_concentrations_are_those_of_the_draws_times_the_factor_of_their_question(tree, kind, tmp_path):
    draws, x = make_draws(kind, tree), some_features(5)
    scaled = ScaledDraws(draws, FACTORS)
    plain = draws.posterior_concentrations(x, draws=3, seed=4)
    found = scaled.posterior_concentrations(x, draws=3, seed=4)
    for where, factor in zip(tree.slices, FACTORS, strict=True):
        assert np.allclose(found[..., where], factor * plain[..., where], rtol=1e-6)
    scaled.save(tmp_path / "head.npz")
    again = load_draws(tmp_path / "head.npz")
    assert isinstance(again, ScaledDraws)
    assert again.draws.kind == kind
    assert np.array_equal(again.posterior_concentrations(x, draws=3, seed=4), found)
    assert again.fingerprint() == scaled.fingerprint() != draws.fingerprint()
    assert ScaledDraws(draws, [2.0, 0.5, 1.0, 3.1]).fingerprint() != scaled.fingerprint()


def test_a_model_keeps_its_factors_on_disk_and_in_other_processes(tree, tmp_path):
    model = GalaxyModel(tree, backbone="small_cnn", image_size=16)
    plain = model.fingerprint()
    assert model.scaled(model.linear_head()).kind == "dropout"
    model.factors = np.array(FACTORS)
    assert model.fingerprint() != plain
    model.save(tmp_path)
    for again in (load_model(tmp_path), pickle.loads(pickle.dumps(model))):
        assert again.factors.tolist() == FACTORS
        assert again.fingerprint() == model.fingerprint()
        assert again.scaled(again.linear_head()).factors.tolist() == FACTORS
    assert model.encoder_fingerprint() == load_model(tmp_path).encoder_fingerprint()
    assert model.with_tree(tree).factors is None
    model.factors = None
    model.save(tmp_path)
    assert load_model(tmp_path).factors is None
    assert load_model(tmp_path).fingerprint() == plain


def test_factors_that_do_not_fit_are_refused(tree):
    for wrong in ([1, 2], [1, 2, 0, 1], [1, np.nan, 1, 1]):
        with pytest.raises(ModelError, match="give 4 numbers above 0, one for each question"):
            ScaledDraws(make_draws("dropout", tree), wrong)
