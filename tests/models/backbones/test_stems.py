"""Networks of one to six bands, and their first layers made of those that have learnt colours."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
from networks import plain_weights, reduced_networks

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, feature_maps, first_filters, list_backbones, load_model, start_from_published
from zooactive.models.backbones.names import COLOUR_ALONE
from zooactive.models.backbones.register import nested_layers
from zooactive.models.backbones.stems import first_convolution, spread
from zooactive.models.config import Network
from zooactive.tree import load_tree

SIZE = 32
BANDS = ("u", "g", "r", "i", "z", "y")
CUTS = "asinh -0.1 5 0.05"


def of_bands(*bands: str, size: int = SIZE, **settings: object) -> Preprocessing:
    return Preprocessing(size=size, bands=bands, stretch=CUTS, **settings)  # type: ignore[arg-type]


def grey(channels: int, number: int = 2, size: int = SIZE) -> np.ndarray:
    """Images that have the same values in every channel."""
    return np.repeat(np.random.default_rng(0).random((number, size, size, 1), np.float32), channels, axis=-1)


def features(model: GalaxyModel, images: np.ndarray) -> np.ndarray:
    return np.asarray(model.encoder(images))


def with_statistics(model: GalaxyModel) -> GalaxyModel:
    """Give the batch norms statistics that no fresh model has."""
    rng = np.random.default_rng(1)
    for layer in nested_layers(model.encoder):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return model


OTHER_SIZES = {"convnext_base", "convnext_pico", "convnext_small", "convnext_tiny", "resnet101"}
"""Their first layers are those of ConvNeXt-Nano and ResNet-50."""


@pytest.fixture(scope="module", params=sorted(set(list_backbones()) - COLOUR_ALONE - OTHER_SIZES))
def in_colour(request) -> GalaxyModel:
    with reduced_networks():
        return with_statistics(GalaxyModel("rings", backbone=request.param, image_size=SIZE))


@pytest.mark.usefixtures("reduced")
@pytest.mark.parametrize("number", [1, 6])
def test_every_network_of_colours_is_made_one_of_bands_with_the_same_features_of_grey_images(in_colour, number):
    model = GalaxyModel("rings", backbone=in_colour.backbone, seed=3, preprocessing=of_bands(*BANDS[:number]))
    model.start_from(in_colour)
    expected = features(in_colour, grey(3))
    assert expected.std() > 0
    np.testing.assert_allclose(features(model, grey(number)), expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    assert model.network(grey(number)).shape == (2, 2)
    if number > 1:  # each band has filters of its own
        one = grey(number).copy()
        one[..., 0] = 0
        assert np.abs(features(model, one) - expected).max() > 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("backbone", sorted(COLOUR_ALONE))
def test_a_network_that_scales_colours_by_its_own_constants_takes_no_bands(backbone):
    with pytest.raises(ModelError, match=r"takes no bands \(g, r, z were listed\); use efficientnet_lite0"):
        GalaxyModel("rings", backbone=backbone, preprocessing=of_bands("g", "r", "z"))
    with pytest.raises(ModelError, match="takes no bands"):
        Network(backbone=backbone, bands=("g", "r", "z"), stretch=CUTS).check()


def test_the_encoder_that_comes_along_has_the_same_features_of_grey_images_in_five_bands():
    bundled = load_model("bundled")
    side = bundled.preprocessing.size
    five = bundled.with_tree(
        "rings", preprocessing=of_bands(*"grizy", size=side, standardise=bundled.preprocessing.standardise)
    )
    expected = features(bundled, grey(3, 1, side))
    np.testing.assert_allclose(features(five, grey(5, 1, side)), expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    told = "first layer spread from red, green, blue to g, r, i, z, y (red = 0.33 z + 0.67 y, "
    assert five.stem is not None
    assert five.stem.startswith(told)
    assert five.origin == bundled.origin
    assert five.images is None  # what it has learnt from looked otherwise


def test_the_filters_of_a_band_are_those_of_the_colours_next_to_it_by_hand():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    red, green, blue = np.moveaxis(kernel, 2, 0)
    # of g, r, i, z: blue = .75 g + .25 r, green = .5 r + .5 i, red = .25 i + .75 z
    expected = np.stack([0.75 * blue, 0.25 * blue + 0.5 * green, 0.5 * green + 0.25 * red, 0.75 * red], axis=2)
    np.testing.assert_allclose(spread(kernel, ("red", "green", "blue"), tuple("griz")), expected, atol=1e-6)
    np.testing.assert_allclose(spread(kernel, ("red", "green", "blue"), ("r",))[:, :, 0], red + green + blue, atol=1e-6)
    np.testing.assert_allclose(
        spread(kernel[:, :, :1], ("grey",), ("g", "z")), np.repeat(red[:, :, None] / 2, 2, 2), atol=1e-6
    )
    np.testing.assert_array_equal(spread(kernel, ("z", "r", "g"), ("g", "r", "z")), kernel[:, :, ::-1])


@pytest.mark.usefixtures("reduced")
def test_a_model_of_bands_starts_from_one_of_other_bands_or_in_another_order():
    one = with_statistics(GalaxyModel("rings", backbone="small_cnn", preprocessing=of_bands("g", "r", "z")))
    other = GalaxyModel("rings", backbone="small_cnn", seed=3, preprocessing=of_bands("z", "g", "r"))
    other.start_from(one)
    images = np.random.default_rng(0).random((2, SIZE, SIZE, 3), np.float32)
    np.testing.assert_allclose(features(other, images[..., [2, 0, 1]]), features(one, images), rtol=0, atol=1e-5)
    same = GalaxyModel("rings", backbone="small_cnn", seed=3, preprocessing=of_bands("g", "r", "z"))
    same.start_from(one)
    np.testing.assert_array_equal(features(same, images), features(one, images))
    assert same.stem is None
    assert other.stem is not None


@pytest.mark.usefixtures("reduced")
def test_colour_and_grey_still_start_from_their_own_alone():
    grey_one = GalaxyModel("rings", backbone="small_cnn", image_size=SIZE, channels=1)
    with pytest.raises(
        ModelError, match="with 3 channels cannot start from small_cnn with 1; set backbone = 'small_cnn' and"
    ):
        GalaxyModel("rings", backbone="small_cnn", image_size=SIZE).start_from(grey_one)
    with pytest.raises(ModelError, match="set backbone = 'small_cnn', or leave out start"):
        GalaxyModel("rings", backbone="resnet26", preprocessing=of_bands("g")).start_from(grey_one)


def test_what_was_done_to_the_first_layer_is_saved_and_shown(tmp_path):
    colours = GalaxyModel("rings", backbone="small_cnn", image_size=SIZE)
    model = GalaxyModel("rings", backbone="small_cnn", preprocessing=of_bands("g", "z"))
    model.start_from(colours)
    model.save(tmp_path)
    back = load_model(tmp_path)
    told = "first layer spread from red, green, blue to g, z (red = z, green = 0.5 g + 0.5 z, blue = g)"
    assert back.stem == pickle.loads(pickle.dumps(model)).stem == told
    assert back.preprocessing.listed == ("g", "z")
    assert back.fingerprint() == model.fingerprint()
    assert told in back._repr_html_()
    assert "2 channels (g, z)" in back._repr_html_()
    np.testing.assert_array_equal(features(back, grey(2)), features(model, grey(2)))
    colours.save(tmp_path / "colours")
    assert "first layer" not in (tmp_path / "colours" / "model.json").read_text()


@pytest.mark.usefixtures("reduced")
@pytest.mark.parametrize("half", [False, True])
def test_published_weights_of_colours_give_a_network_of_bands_the_same_features_of_grey_images(tmp_path, half):
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed; it is the extra 'weights'")
    from zooactive.models.published.architectures import ARCHITECTURES
    from zooactive.models.published.layouts import timm_name

    whole = with_statistics(GalaxyModel("rings", backbone="resnet50", image_size=SIZE))
    arrays = {}
    for layer in nested_layers(whole.encoder):
        for weight in layer.weights:
            array = np.asarray(weight)
            named = timm_name(ARCHITECTURES["resnet50"], layer.name, weight.name)
            arrays[named] = np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)
    safetensors.save_file(arrays, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"architecture": "resnet50"}')
    model = GalaxyModel(
        "rings",
        backbone="resnet50",
        seed=3,
        preprocessing=of_bands(*"grizy"),
        precision="mixed_bfloat16" if half else "float32",
    )
    start_from_published(model, tmp_path / "model.safetensors")
    expected = features(whole, grey(3))
    np.testing.assert_allclose(
        features(model, grey(5)), expected, rtol=0, atol=(0.05 if half else 2e-5) * np.abs(expected).max()
    )
    assert model.stem is not None
    network = Network(
        backbone="resnet50", image_size=SIZE, bands=tuple("grizy"), stretch=CUTS, start=str(tmp_path / "model.safetensors")
    )
    network.check()
    with plain_weights():
        assert network.build(load_tree("rings")).stem == model.stem


def test_filters_and_maps_of_a_network_of_bands_have_a_channel_for_each():
    model = GalaxyModel("rings", backbone="small_cnn", preprocessing=of_bands(*"grizy"))
    assert first_filters(model).shape == (16, 5, 5, 5)
    assert first_convolution(model.encoder).kernel.shape == (5, 5, 5, 16)
    maps = feature_maps(model, np.zeros((SIZE, SIZE, 5), np.uint8))
    assert maps["stage1_conv"].shape == (16, 16, 16)
