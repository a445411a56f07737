from __future__ import annotations

import keras
import numpy as np
import pytest

from zooactive.foundation.errors import ModelError
from zooactive.models import ConcentrationHead, LinearHead
from zooactive.models.head.activation import CONCENTRATIONS

FEATURES = 40


def features_of(galaxies: int) -> np.ndarray:
    values = np.random.default_rng(0).gamma(1.0, 1.0, (galaxies, FEATURES))
    return values.astype(np.float16).astype(np.float32)


def numpy_of(tensor) -> np.ndarray:
    return np.asarray(tensor)


@pytest.mark.parametrize("concentrations", CONCENTRATIONS)
def test_head_and_linear_head_agree_given_the_same_masks(tree, concentrations):
    head = ConcentrationHead(tree, dropout=0.4, concentrations=concentrations)
    features = features_of(6)
    head(features)
    linear = LinearHead(numpy_of(head.kernel), numpy_of(head.bias), 0.4, concentrations, tree)
    masks = linear.masks(5, seed=7)
    drawn = numpy_of(head(features, keep=masks[:, None, :]))
    assert drawn.shape == (5, 6, len(tree.columns))
    np.testing.assert_allclose(linear.posterior_concentrations(features, draws=5, seed=7), drawn, rtol=1e-5)


@pytest.mark.parametrize("concentrations", ["sigmoid", "softplus"])
def test_training_starts_near_concentrations_of_five(tree, concentrations):
    head = ConcentrationHead(tree, concentrations=concentrations)
    np.testing.assert_allclose(numpy_of(head(np.zeros((1, FEATURES)))), 5.4, atol=0.5)


def test_fractions_of_an_extreme_head_sum_to_one_and_stay_positive(tree):
    head = ConcentrationHead(tree, concentrations="fraction")
    alpha = numpy_of(head(features_of(4) * 1e4))
    assert (alpha > 0).all()
    np.testing.assert_allclose(tree.question_sums(alpha), 100, rtol=1e-5)


def test_dropout_is_random_in_training_only(tree):
    head, features = ConcentrationHead(tree, dropout=0.5), features_of(3)
    np.testing.assert_array_equal(numpy_of(head(features)), numpy_of(head(features, training=False)))
    first, second = numpy_of(head(features, training=True)), numpy_of(head(features, training=True))
    assert not np.array_equal(first, second)


def test_the_same_seed_gives_the_same_weights_and_the_same_dropout(tree):
    features = features_of(3)
    one, two, other = (ConcentrationHead(tree, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(numpy_of(one(features, training=True)), numpy_of(two(features, training=True)))
    assert not np.array_equal(numpy_of(one(features)), numpy_of(other(features)))


def test_a_head_comes_back_from_its_configuration(tree):
    head = ConcentrationHead(tree, dropout=0.1, concentrations="softplus", seed=3)
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert (back.tree, back.dropout, back.concentrations, back.seed) == (tree, 0.1, "softplus", 3)


def test_half_precision_features_give_float32_concentrations(tree):
    alpha = ConcentrationHead(tree, dtype="mixed_float16")(keras.ops.cast(features_of(2), "float16"))
    assert keras.backend.standardize_dtype(alpha.dtype) == "float32"


@pytest.mark.parametrize("settings", [{"dropout": -0.1}, {"dropout": 1.0}, {"concentrations": "exp"}])
def test_unknown_settings_are_refused(tree, settings):
    with pytest.raises(ModelError, match=next(iter(settings))):
        ConcentrationHead(tree, **settings)
