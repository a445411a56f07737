"""What every registered backbone must do; a new one is tested here by being registered."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest
from networks import plain_weights, reduced_networks, structure

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.images import decode
from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, build_encoder, list_backbones, load_model, register_backbone
from zooactive.models.backbones.resnet26 import resnet26
from zooactive.models.backbones.small_cnn import small_cnn

OTHER_SIZES = {"convnext_base", "convnext_pico", "convnext_small", "convnext_tiny", "resnet18", "resnet101"}
"""They differ from ConvNeXt-Nano and ResNet-50 in depth, width and the units of ResNet-18: see tests/models/published."""

BACKBONES = tuple(name for name in list_backbones() if name not in OTHER_SIZES)
SIZE = 32


def galaxies(number: int, size: int = SIZE, channels: int = 3) -> np.ndarray:
    """Small bright ellipses on dark, slightly noisy sky, float32 in [0, 1]."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:size, :size] / size - 0.5
    images = np.empty((number, size, size, channels), np.float32)
    for image in images:
        angle, axes, scale = rng.uniform(0, np.pi), rng.uniform(0.3, 1), rng.uniform(0.04, 0.1)
        u, v = x * np.cos(angle) + y * np.sin(angle), (y * np.cos(angle) - x * np.sin(angle)) / axes
        light = np.exp(-np.hypot(u, v) / scale)[..., None] * rng.uniform(0.5, 0.9, channels)
        image[:] = np.clip(0.04 + light + rng.normal(0, 0.015, image.shape), 0, 1)
    return images


def numpy_of(tensor) -> np.ndarray:
    return np.asarray(tensor)


def number_of(weights) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.fixture(scope="module", params=BACKBONES)
def model(request) -> GalaxyModel:
    """A model of each backbone, small, built once, of seed 0; tests move only the statistics of its batch norms."""
    with reduced_networks():
        return GalaxyModel("rings", backbone=request.param, image_size=SIZE)


@pytest.fixture(scope="module")
def encoder(model):
    return model.encoder


def test_features_are_float32_and_one_row_a_galaxy(encoder):
    features = encoder(galaxies(2))
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    assert features.shape == (2, encoder.output.shape[1])
    assert np.isfinite(numpy_of(features)).all()


@pytest.mark.usefixtures("reduced")
def test_another_size_and_grey_images_work_with_as_many_features(encoder):
    built = build_encoder(encoder.name, 48, 1)
    assert built.input.shape == (None, 48, 48, 1)
    assert built(galaxies(1, 48, 1)).shape == (1, encoder.output.shape[1])


def test_prediction_is_deterministic_and_moves_no_statistics(encoder):
    images = galaxies(2)
    before = [numpy_of(weight).copy() for weight in encoder.non_trainable_weights]
    first, second = numpy_of(encoder(images, training=False)), numpy_of(encoder(images))
    np.testing.assert_array_equal(first, second)
    for old, weight in zip(before, encoder.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(old, numpy_of(weight))


def batch_norms(encoder) -> list:
    """The batch norms of an encoder; the test is skipped where there are none."""
    found = [layer for layer in encoder.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return found or pytest.skip("a network without batch norm")


def test_training_moves_the_batch_norms_statistics(encoder):
    batch_norms(encoder)
    before = [numpy_of(weight).copy() for weight in encoder.non_trainable_weights]
    encoder(galaxies(2), training=True)
    after = [numpy_of(weight) for weight in encoder.non_trainable_weights]
    assert any(not np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def variance_at_the_first_batch_norm(encoder, images: np.ndarray) -> float:
    """In units of the batch norm's epsilon: the median over features of the variance over images and places."""
    stem = next(layer for layer in encoder.layers if isinstance(layer, keras.layers.Conv2D))
    norm = batch_norms(encoder)[0]
    seen = numpy_of(keras.Model(encoder.input, stem.output)(images))
    return float(np.median(seen.var(axis=(0, 1, 2))) / norm.epsilon)


def test_the_first_batch_norm_sees_galaxies_well_above_its_epsilon(encoder):
    assert variance_at_the_first_batch_norm(encoder, galaxies(16)) > 10


@pytest.mark.parametrize("survey", ["gz2_votes", "rings", "hubble"])
def test_the_first_batch_norm_sees_real_galaxies_well_above_its_epsilon(encoder, survey, shared_data):
    files = sorted((shared_data / survey / "images").glob("*.jpg"))[:32]
    images = np.stack([decode(file, Preprocessing(size=SIZE)) for file in files]).astype(np.float32) / 255
    assert variance_at_the_first_batch_norm(encoder, images) > 10


@pytest.mark.usefixtures("reduced")
def test_half_precision_inside_gives_float32_outside(model):
    half = GalaxyModel("rings", backbone=model.backbone, image_size=SIZE, precision="mixed_float16")
    assert any(layer.compute_dtype == "float16" for layer in half.encoder.layers)
    for tensor in (half.encoder(galaxies(2)), half.network(galaxies(2))):
        assert keras.backend.standardize_dtype(tensor.dtype) == "float32"
    kept = {keras.backend.standardize_dtype(weight.dtype) for weight in half.network.trainable_weights}
    assert kept == {"float32"}


@pytest.mark.usefixtures("reduced")
def test_a_saved_model_gives_the_same_concentrations_bit_for_bit(model, tmp_path):
    model.network(galaxies(4), training=True)  # so that the statistics are not those of a fresh model
    model.save(tmp_path)
    back = load_model(tmp_path)
    np.testing.assert_array_equal(numpy_of(back.network(galaxies(2))), numpy_of(model.network(galaxies(2))))
    assert back.fingerprint() == model.fingerprint()


# Each by itself ---------------------------------------------------------------------------------------------------------


def test_efficientnet_b0_has_kerass_number_of_weights(efficientnet_b0):
    assert number_of(efficientnet_b0.weights) == 4_049_571


@pytest.mark.parametrize(
    ("backbone", "weights", "features"),
    [  # of timm 1.0.31's networks without classifier, the statistics of batch norms among them
        ("convnext_nano", 14_952_560, 640),
        ("convnext_base", 87_566_464, 1024),
        ("resnet18", 11_186_112, 512),
        ("resnet50", 23_561_152, 2048),
        ("resnet101", 42_605_504, 2048),
        ("efficientnetv2_s", 20_331_360, 1280),
    ],
)
def test_a_network_of_timms_has_its_number_of_weights_and_features(backbone, weights, features):
    built = structure(backbone)
    assert built.output.shape == (None, features)
    assert number_of(built.weights) == weights


def test_resnet26_has_the_number_of_weights_of_the_papers_table():
    with plain_weights():
        assert number_of(build_encoder("resnet26", 16).trainable_weights) == 55_635_840


def test_resnet26_halves_the_image_in_the_last_unit_of_three_groups():
    built = resnet26(64, width=1 / 16)
    sides = {name: built.get_layer(name).output.shape[1] for name in ("stem_conv", "stem_pool", "conv2_1_add")}
    sides |= {f"conv{group}": built.get_layer(f"conv{group}_2_add").output.shape[1] for group in (2, 3, 4, 5)}
    assert sides == {
        "stem_conv": 64, "stem_pool": 32, "conv2_1_add": 32, "conv2": 16, "conv3": 8, "conv4": 4, "conv5": 4,
    }  # fmt: skip


def test_resnet26_at_the_width_1_375_has_the_papers_stated_parameters():
    with plain_weights():
        assert number_of(resnet26(16, width=1.375).trainable_weights) == pytest.approx(26.3e6, rel=0.01)


def test_small_cnn_has_128_features_from_16_pixels_up():
    assert build_encoder("small_cnn", 16)(galaxies(1, 16)).shape == (1, 128)


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ("small_cnn", 15),
        ("resnet26", 15),
        ("efficientnet_b0", 31),
        ("convnext_tiny", 31),
        ("resnet18", 31),
        ("efficientnetv2_s", 31),
    ],
)
def test_images_too_small_are_refused_with_the_least_size(backbone, size):
    with pytest.raises(ModelError, match=f"{size + 1} pixels"):
        build_encoder(backbone, size)


# The register -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def register(monkeypatch):
    from zooactive.models.backbones import register as backbones

    monkeypatch.setattr(backbones, "_BUILDERS", dict(backbones._BUILDERS))
    return register_backbone


def test_a_backbone_of_ones_own_is_built_by_its_name(register):
    register("wide", small_cnn)
    register("wide", small_cnn)
    assert "wide" in list_backbones()
    assert build_encoder("wide", 32).output.shape == (None, 128)


def test_a_taken_name_is_refused(register):
    with pytest.raises(ModelError, match="'small_cnn' is already registered"):
        register("small_cnn", partial(resnet26, width=1))


def test_an_unknown_backbone_is_refused_with_the_nearest_name():
    with pytest.raises(ModelError, match="Did you mean 'efficientnet_b0'"):
        build_encoder("efficientnet-b0", 64)


@pytest.mark.parametrize("channels", [0, 7])
def test_no_channels_and_more_than_six_are_refused(channels):
    with pytest.raises(ModelError, match=f"you asked for {channels} channels; use 1 to 6"):
        build_encoder("small_cnn", 64, channels)


def test_a_builder_that_gives_maps_and_not_features_is_refused(register):
    def maps(image_size: int, channels: int):
        pixels = keras.Input((image_size, image_size, channels))
        return keras.Model(pixels, keras.layers.Conv2D(4, 3)(pixels))

    register("maps", maps)
    with pytest.raises(ModelError, match=r"'maps' gives float32 of shape \(None, 30, 30, 4\)"):
        build_encoder("maps", 32)
