from __future__ import annotations

import keras
import numpy as np
import pytest

from zooactive.catalogue import Preprocessing
from zooactive.models import GalaxyModel, folded


def norms(network) -> int:
    inside = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    own = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
    return own + sum(map(norms, inside))


@pytest.mark.usefixtures("reduced")
@pytest.mark.parametrize(
    ("backbone", "left"),
    [
        ("small_cnn", 0),
        ("efficientnet_b0", 0),
        ("resnet26", 17),
        ("convnext_nano", 0),
        ("efficientnetv2_s", 0),
        ("resnet18", 0),
        ("resnet50", 0),
    ],
)
@pytest.mark.parametrize("standardise", [False, True])
def test_a_folded_encoder_has_the_same_features_and_fewer_batch_norms(backbone, left, standardise):
    if standardise and backbone not in ("small_cnn", "resnet26"):
        pytest.skip("the network inside is the same")
    model = GalaxyModel("rings", backbone=backbone, preprocessing=Preprocessing(size=32, standardise=standardise))
    rng = np.random.default_rng(0)
    for weight in model.encoder.weights:  # statistics, scales and offsets that a mistake would show in
        if len(weight.shape) == 1 and "seed" not in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    images = rng.random((2, 32, 32, 3), dtype=np.float32)
    expected = np.asarray(model.encoder(images))
    simple = folded(model.encoder)
    np.testing.assert_allclose(np.asarray(simple(images)), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert norms(simple) == left
    np.testing.assert_array_equal(np.asarray(model.encoder(images)), expected)


def test_a_batch_norm_whose_input_others_see_too_stays():
    pixels = keras.Input((8, 8, 3), name="pixels")
    seen = keras.layers.Conv2D(3, 1)(pixels)
    network = keras.Model(pixels, keras.layers.Add()([seen, keras.layers.BatchNormalization()(seen)]))
    assert norms(folded(network)) == 1
