from __future__ import annotations

import numpy as np

from zooactive.catalogue import Preprocessing
from zooactive.models import GalaxyModel, load_model
from zooactive.models.backbones.standardise import PIXEL_SPREAD, Standardise


def test_each_image_has_mean_zero_and_the_spread_that_backbones_expect():
    images = np.random.default_rng(0).random((3, 8, 8, 3), dtype=np.float32) * np.array([1, 0.5, 0.1]).reshape(3, 1, 1, 1)
    shown = np.asarray(Standardise()(images.astype(np.float32)))
    np.testing.assert_allclose(shown.mean(axis=(1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(shown.std(axis=(1, 2, 3)), PIXEL_SPREAD, rtol=1e-4)


def test_an_image_of_one_colour_stays_finite():
    shown = np.asarray(Standardise()(np.full((1, 4, 4, 3), 0.3, np.float32)))
    np.testing.assert_allclose(shown, 0, atol=1e-5)


def test_a_standardising_model_does_not_see_how_bright_an_image_is_and_survives_saving(tmp_path):
    model = GalaxyModel("rings", backbone="small_cnn", preprocessing=Preprocessing(size=32, standardise=True))
    images = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)
    features = np.asarray(model.encoder(images))
    np.testing.assert_allclose(np.asarray(model.encoder(0.25 * images + 0.1)), features, atol=1e-4)
    model.save(tmp_path)
    np.testing.assert_array_equal(np.asarray(load_model(tmp_path).encoder(images)), features)
    plain = GalaxyModel("rings", backbone="small_cnn", image_size=32)
    assert np.abs(np.asarray(plain.encoder(0.25 * images + 0.1)) - np.asarray(plain.encoder(images))).max() > 1e-3
