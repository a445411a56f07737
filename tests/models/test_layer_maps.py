from __future__ import annotations

import keras
import numpy as np
import pytest
from pictures import picture

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, feature_maps, first_filters, register_backbone
from zooactive.models.backbones.standardise import PIXEL_SPREAD

BUILT_IN = ("convnext_nano", "efficientnet_b0", "efficientnet_b0_imagenet", "resnet26", "resnet50", "small_cnn")


@pytest.fixture(scope="module")
def small() -> GalaxyModel:
    return GalaxyModel("rings", backbone="small_cnn", image_size=32)


def convolved(image: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """By the sums themselves: (y, x, channel) and (filter, 5, 5, channel) to (filter, y, x), stride 2, border of 0."""
    side = image.shape[0]
    padded = np.pad(image, ((1, 2), (1, 2), (0, 0)))  # TensorFlow's "same": of 3 pixels, the odd one comes after
    windows = [[padded[y : y + 5, x : x + 5] for x in range(0, side, 2)] for y in range(0, side, 2)]
    return np.einsum("yxijc,fijc->fyx", np.array(windows), filters)


@pytest.mark.usefixtures("reduced")
@pytest.mark.parametrize("backbone", BUILT_IN)
def test_the_maps_are_the_first_convolutions_and_the_last_at_each_smaller_size(backbone):
    model = GalaxyModel("rings", backbone=backbone, image_size=32)
    filters, maps = first_filters(model), feature_maps(model, picture(0, 32))
    found = list(maps.values())
    assert filters.shape[3] == 3
    assert len(found[0]) == len(filters)
    sides = [each.shape[1] for each in found]
    assert sides == sorted(set(sides), reverse=True)
    assert sides[-1] > 1
    assert all(each.shape[1] == each.shape[2] and each.dtype == np.float32 and np.isfinite(each).all() for each in found)


def test_the_first_maps_are_the_image_convolved_with_the_first_filters(small):
    image = picture(3, 32)
    maps = feature_maps(small, image, "stage1_conv")["stage1_conv"]
    expected = convolved(image / 255 / PIXEL_SPREAD, first_filters(small).astype(float))
    np.testing.assert_allclose(maps, expected, atol=1e-4)


def test_a_standardised_image_is_what_the_networks_inside_sees():
    model = GalaxyModel("rings", backbone="small_cnn", preprocessing=Preprocessing(size=32, standardise=True))
    image = picture(3, 32)
    standard = image / 255
    standard = (standard - standard.mean()) / standard.std()
    expected = convolved(standard, first_filters(model).astype(float))
    np.testing.assert_allclose(feature_maps(model, image)["stage1_conv"], expected, atol=1e-4)


def test_any_layer_that_gives_maps_can_be_named_in_any_order(small):
    maps = feature_maps(small, picture(0, 32), ["stage4_relu", "stage2_bn"])
    assert {name: found.shape for name, found in maps.items()} == {"stage4_relu": (128, 2, 2), "stage2_bn": (32, 8, 8)}
    assert list(maps) == ["stage4_relu", "stage2_bn"]
    assert (maps["stage4_relu"] >= 0).all()
    # What the features are the mean of.
    features = np.asarray(small.encoder(picture(0, 32)[None].astype(np.float32) / 255))[0]
    np.testing.assert_allclose(maps["stage4_relu"].mean(axis=(1, 2)), features, rtol=1e-5, atol=1e-6)


def test_looking_changes_nothing_in_the_network(small):
    image = picture(1, 32)
    before, calls = small.fingerprint(), [vars(layer).get("call") for layer in small.encoder.layers]
    first = feature_maps(small, image)
    second = feature_maps(small, image)
    for name, found in first.items():
        np.testing.assert_array_equal(found, second[name])
    assert small.fingerprint() == before
    assert [vars(layer).get("call") for layer in small.encoder.layers] == calls == [None] * len(calls)


def test_grey_images_and_half_precision_give_float32_maps():
    model = GalaxyModel("rings", backbone="small_cnn", image_size=32, channels=1, precision="mixed_float16")
    assert first_filters(model).shape == (16, 5, 5, 1)
    assert feature_maps(model, picture(0, 32)[..., :1])["stage1_conv"].dtype == np.float32


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ("stage1_cov", "no layer 'stage1_cov' that gives maps. Did you mean 'stage1_conv'?"),
        (["features"], "no layer 'features' that gives maps. It has pixel_scale, stage1_conv"),
        (["pixels"], "no layer 'pixels' that gives maps"),
    ],
)
def test_a_layer_without_maps_is_refused(small, layers, told):
    with pytest.raises(ModelError) as raised:
        feature_maps(small, picture(0, 32), layers)
    assert told in str(raised.value)


@pytest.mark.parametrize("pixels", [picture(0, 48), picture(0, 32) / 255, picture(0, 32)[..., :1], picture(0, 32)[None]])
def test_pixels_that_the_model_does_not_take_are_refused(small, pixels):
    with pytest.raises(ModelError, match=r"the model takes uint8 of shape \(32, 32, 3\)"):
        feature_maps(small, pixels)


def test_a_backbone_without_convolutions_has_none_to_look_at(monkeypatch):
    from zooactive.models.backbones import register as backbones

    monkeypatch.setattr(backbones, "_BUILDERS", dict(backbones._BUILDERS))

    def dense(image_size: int, channels: int):
        pixels = keras.Input((image_size, image_size, channels))
        return keras.Model(pixels, keras.layers.Dense(4)(keras.layers.Flatten()(pixels)))

    register_backbone("dense", dense)
    model = GalaxyModel("rings", backbone="dense", image_size=8)
    for look in (first_filters, lambda model: feature_maps(model, picture(0, 8))):
        with pytest.raises(ModelError, match="backbone 'dense' has no convolution"):
            look(model)
