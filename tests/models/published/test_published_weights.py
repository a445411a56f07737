"""Reading weights that others published; that the features are theirs is proved with PyTorch in tests/published."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from networks import REPEATS, plain_weights, reduced_networks
from torch_writer import state

from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, load_published, start_from_published
from zooactive.models.backbones.efficientnet_b0 import IMAGENET_MEAN, IMAGENET_SPREAD
from zooactive.models.backbones.register import nested_layers
from zooactive.models.config import Network
from zooactive.models.published.architectures import ARCHITECTURES
from zooactive.models.published.encoders import read_timm
from zooactive.models.published.layouts import timm_name
from zooactive.models.published.names import is_published
from zooactive.tree import load_tree

safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed; it is the extra 'weights'")

SIZE = 32

# Tan & Le 2019, table 1: expansion, kernel, filters, layers of the seven stages; the stem has 32 filters, the top 1280.
STAGES = ((1, 3, 16, 1), (6, 3, 24, 2), (6, 5, 40, 2), (6, 3, 80, 3), (6, 5, 112, 3), (6, 5, 192, 4), (6, 3, 320, 1))
FIRST_STAGES = tuple((*stage[:3], repeats) for stage, repeats in zip(STAGES, REPEATS, strict=False))


def timms_shapes(channels: int, stages) -> dict[str, tuple[int, ...]]:
    """The names and shapes of timm's efficientnet_b0, which ``tests/published`` gets from timm itself."""
    top = 1280, stages[-1][2], 1, 1
    shapes: dict[str, tuple[int, ...]] = {"conv_stem.weight": (32, channels, 3, 3), "conv_head.weight": top}
    norms, before = {"bn1": 32, "bn2": 1280}, 32
    for stage, (expansion, kernel, filters, layers) in enumerate(stages):
        for unit in range(layers):
            block, wide = f"blocks.{stage}.{unit}", before * expansion
            ends = ["conv_dw", "conv_pw"] if expansion == 1 else ["conv_pw", "conv_dw", "conv_pwl"]
            kernels = {"conv_dw": (wide, 1, kernel, kernel), "conv_pw": (wide, before, 1, 1)}
            kernels[ends[-1]] = (filters, wide, 1, 1)
            for i, end in enumerate(ends, start=1):
                shapes[f"{block}.{end}.weight"] = kernels[end]
                norms[f"{block}.bn{i}"] = kernels[end][0]
            shapes |= {
                f"{block}.se.conv_reduce.weight": (before // 4, wide, 1, 1),
                f"{block}.se.conv_reduce.bias": (before // 4,),
            }
            shapes |= {f"{block}.se.conv_expand.weight": (wide, before // 4, 1, 1), f"{block}.se.conv_expand.bias": (wide,)}
            before = filters
    for name, filters in norms.items():
        shapes |= {f"{name}.{part}": (filters,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes


def checkpoint(channels: int = 3, stages=FIRST_STAGES) -> dict[str, np.ndarray]:
    """Random weights, of a network of the first stages or of all."""
    rng = np.random.default_rng(1)
    return {key: rng.uniform(0.1, 1, shape).astype(np.float32) for key, shape in timms_shapes(channels, stages).items()}


def numpy_of(weight) -> np.ndarray:
    return np.asarray(weight).copy()


@pytest.fixture(scope="module")
def model() -> GalaxyModel:
    """A small network, which no test changes."""
    with reduced_networks():
        return GalaxyModel("rings", backbone="efficientnet_b0_timm", image_size=SIZE)


@pytest.fixture
def write(tmp_path):
    """Return a function (arrays) that writes them as a safetensors file and returns its path."""

    def write(arrays: dict[str, np.ndarray]):
        path = tmp_path / "model.safetensors"
        safetensors.save_file(arrays, path)
        return path

    return write


# timm -------------------------------------------------------------------------------------------------------------------


def test_every_weight_of_a_checkpoint_comes_to_its_place_whatever_the_prefix_and_the_head(write):
    arrays = checkpoint(stages=STAGES)
    surplus = {"encoder.bn1.num_batches_tracked": np.array(7), "encoder.classifier.weight": np.zeros((5, 1280), np.float32)}
    path = write({f"encoder.{key}": array for key, array in arrays.items()} | surplus | {"head.1.bias": np.zeros(5)})
    with plain_weights():
        encoder = load_published(path, "rings", image_size=SIZE).encoder
    layer = encoder.get_layer
    for found, expected in (
        (layer("stem_conv").kernel, arrays["conv_stem.weight"].transpose(2, 3, 1, 0)),
        (layer("stem_bn").gamma, arrays["bn1.weight"]),
        (layer("block1a_dwconv").kernel, arrays["blocks.0.0.conv_dw.weight"].transpose(2, 3, 0, 1)),
        (layer("block1a_project_conv").kernel, arrays["blocks.0.0.conv_pw.weight"].transpose(2, 3, 1, 0)),
        (layer("block1a_project_bn").beta, arrays["blocks.0.0.bn2.bias"]),
        (layer("block3b_expand_conv").kernel, arrays["blocks.2.1.conv_pw.weight"].transpose(2, 3, 1, 0)),
        (layer("block3b_expand_bn").moving_mean, arrays["blocks.2.1.bn1.running_mean"]),
        (layer("block3b_bn").moving_variance, arrays["blocks.2.1.bn2.running_var"]),
        (layer("block5c_se_reduce").bias, arrays["blocks.4.2.se.conv_reduce.bias"]),
        (layer("block5c_se_expand").kernel, arrays["blocks.4.2.se.conv_expand.weight"].transpose(2, 3, 1, 0)),
        (layer("block6d_project_conv").kernel, arrays["blocks.5.3.conv_pwl.weight"].transpose(2, 3, 1, 0)),
        (layer("block7a_project_bn").gamma, arrays["blocks.6.0.bn3.weight"]),
        (layer("top_bn").moving_variance, arrays["bn2.running_var"]),
    ):
        np.testing.assert_array_equal(numpy_of(found), expected)
    sums = sorted(float(numpy_of(weight).sum(dtype=np.float64)) for weight in encoder.weights)
    pixels = [0.0, 0.0, 3.0]  # count, mean and variance of the normalisation, which stays as it is
    np.testing.assert_allclose(
        sums, sorted([*pixels, *(float(a.sum(dtype=np.float64)) for a in arrays.values())]), rtol=1e-12
    )


@pytest.mark.usefixtures("reduced")
def test_a_grey_checkpoint_in_half_precision_gives_a_grey_model(write):
    half = {key: array.astype(np.float16) for key, array in checkpoint(1).items()}
    model = load_published(write(half), "rings", image_size=SIZE)
    assert model.preprocessing.channels == 1
    kernel = numpy_of(model.encoder.get_layer("stem_conv").kernel)
    np.testing.assert_array_equal(kernel, half["conv_stem.weight"].transpose(2, 3, 1, 0))


def test_a_file_that_torch_wrote_gives_the_same_arrays_as_safetensors(write, tmp_path):
    arrays = {f"encoder.{key}": array for key, array in checkpoint().items()}
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(state(arrays))
    found, expected = read_timm(path).arrays, read_timm(write(arrays)).arrays
    assert list(found) == [key.removeprefix("encoder.") for key in arrays]
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def without(arrays, key):
    return {name: array for name, array in arrays.items() if name != key}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda a: without(a, "blocks.1.1.bn2.running_var"), r"'blocks\.1\.1\.bn2\.running_var' is missing from"),
        (lambda a: a | {"blocks.0.1.conv_dw.weight": a["bn1.bias"]}, r"holds 'blocks\.0\.1\.conv_dw\.weight', which effic"),
        (lambda a: a | {"bn2.bias": a["bn1.bias"]}, r"'bn2\.bias' has shape \(32,\) instead of \(1280,\)"),
        (lambda a: a | {"conv_head.weight": a["conv_head.weight"][..., 0]}, r"shape \(1280, 40, 1\) instead of"),
        (lambda a: a | {"conv_stem.weight": a["conv_stem.weight"][:, :1]}, r"\(32, 3, 3, 3\); set channels = 1$"),
        (lambda a: a | {"conv_stem.weight": a["conv_stem.weight"][:, :2]}, r"shape \(32, 2, 3, 3\); .* 3 in colour"),
        (
            lambda a: a | {"teacher.conv_stem.weight": a["conv_stem.weight"]},
            r"and holds conv_stem.weight, teacher\.conv_stem",
        ),
        (
            lambda a: {"layers.0.conv1.weight": a["bn1.bias"]},
            r"of timm's convnext_pico, .*, efficientnet_b0, .*, and holds layers\.0\.conv1\.weight",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_the_name_of_the_weight_and_changes_nothing(model, write, spoil, told):
    before = model.fingerprint()
    with pytest.raises(ModelError, match=told):
        start_from_published(model, write(spoil(checkpoint())))
    assert model.fingerprint() == before


def test_another_architecture_is_refused_by_the_description_beside_its_file(model, write):
    path = write(checkpoint())
    path.with_name("config.json").write_text('{"architecture": "tf_efficientnet_b0"}')
    with pytest.raises(ModelError, match=r"holds 'tf_efficientnet_b0', according to its config\.json"):
        load_published(path, "rings")


def test_a_file_that_is_missing_or_damaged_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match=r"there is no file .*model\.safetensors"):
        load_published(path, "rings")
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="is not a readable safetensors file"):
        load_published(path, "rings")
    with pytest.raises(
        ModelError, match=r"'zoobot\.h5' does not name published weights; give a path that ends in \.safetensors"
    ):
        load_published("zoobot.h5", "rings")


def test_without_safetensors_the_extra_is_named(monkeypatch, write):
    path = write(checkpoint())
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ModelError, match=r"pip install 'zooactive\[weights\]'"):
        load_published(path, "rings")


@pytest.mark.usefixtures("reduced")
def test_pixels_that_are_standardised_are_refused():
    network = Network(backbone="efficientnet_b0_timm", image_size=SIZE, standardise=True, start="zoobot.safetensors")
    with pytest.raises(ModelError, match="set standardise = false"):
        network.build(load_tree("rings"))


@pytest.mark.usefixtures("reduced")
def test_a_network_starts_from_a_checkpoint_with_the_backbone_that_it_needs(write):
    arrays, tree = checkpoint(), load_tree("rings")
    path = str(write(arrays))
    assert is_published(path)
    model = Network(backbone="efficientnet_b0_timm", image_size=SIZE, start=path).build(tree)
    np.testing.assert_array_equal(numpy_of(model.encoder.get_layer("top_bn").gamma), arrays["bn2.weight"])
    for start, backbone in ((path, "efficientnet_b0_timm"), ("imagenet", "efficientnet_b0_imagenet")):
        with pytest.raises(ModelError, match=f"'small_cnn' cannot start from {start}; set backbone = '{backbone}'"):
            Network(backbone="small_cnn", image_size=SIZE, start=start).build(tree)


# ImageNet ---------------------------------------------------------------------------------------------------------------


def keras_gets(monkeypatch, get_file) -> None:
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)


@pytest.fixture
def kerass_network(monkeypatch, tmp_path):
    """Return a function () -> Keras' network for ImageNet, of random weights instead of those that it downloads."""

    def build():
        write_in_kerass_form(tmp_path / "efficientnetb0_notop.h5")
        keras_gets(monkeypatch, lambda *_, **__: str(tmp_path / "efficientnetb0_notop.h5"))
        return keras.applications.EfficientNetB0(
            include_top=False, weights="imagenet", pooling="avg", input_shape=(SIZE, SIZE, 3)
        )

    return build


def write_in_kerass_form(path: Path) -> None:
    """Write random weights as in Keras' published file, which holds the deviation of the pixels as their variance."""
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    rng = np.random.default_rng(2)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    pixels = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    pixels.set_weights([np.array(IMAGENET_MEAN), np.array(IMAGENET_SPREAD), np.array(0)])
    pixels.finalize_state()
    for norm in norms:
        number = norm.gamma.shape[0]
        norm.momentum = 0
        norm.gamma.assign(rng.uniform(0.6, 1.4, number))
        norm.beta.assign(rng.normal(0, 0.3, number))
    # With ImageNet's weights Keras divides once more by the root of the deviation.
    shown = IMAGENET_MEAN + (rng.random((16, SIZE, SIZE, 3)) - IMAGENET_MEAN) / np.sqrt(IMAGENET_SPREAD)
    network(255 * shown.astype(np.float32), training=True)
    for norm in norms:  # random, but such that the features stay about one
        gamma, beta, mean, variance = norm.get_weights()
        variance = (variance + mean**2) * rng.uniform(0.7, 1.4, len(mean))
        norm.set_weights([gamma, beta, mean * rng.uniform(0, 1, len(mean)), variance])
    network.save(path)


def test_imagenets_weights_give_the_features_of_kerass_network(kerass_network):
    pixels = np.random.default_rng(0).random((3, SIZE, SIZE, 3), np.float32)
    network = Network(backbone="efficientnet_b0_imagenet", image_size=SIZE, start="imagenet")
    with plain_weights():
        expected = np.asarray(kerass_network()(255 * pixels))
        encoder = network.build(load_tree("rings")).encoder
    assert 0.1 < expected.std() < 10
    np.testing.assert_allclose(np.asarray(encoder(pixels)), expected, rtol=0, atol=1e-3)


@pytest.mark.usefixtures("reduced")
def test_a_grey_image_has_the_features_that_it_has_in_all_three_channels(kerass_network):
    grey = np.random.default_rng(0).random((3, SIZE, SIZE, 1), np.float32)
    expected = np.asarray(kerass_network()(255 * np.repeat(grey, 3, axis=-1)))
    assert 0.1 < expected.std() < 10
    model = load_published("imagenet", "rings", image_size=SIZE, channels=1)
    np.testing.assert_allclose(np.asarray(model.encoder(grey)), expected, rtol=0, atol=1e-3)


@pytest.mark.usefixtures("reduced")
def test_weights_for_other_pixels_than_imagenets_are_refused(monkeypatch, tmp_path):
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    network.save(tmp_path / "other.h5")
    keras_gets(monkeypatch, lambda *_, **__: str(tmp_path / "other.h5"))
    with pytest.raises(ModelError, match="does not scale pixels for its ImageNet weights"):
        load_published("imagenet", "rings", image_size=SIZE)


@pytest.mark.usefixtures("reduced")
def test_a_download_that_fails_is_told_in_one_sentence(monkeypatch):
    def fail(*_, **__):
        raise Exception("URL fetch failure on https://storage:\nNone -- [Errno -2] Name or service not known")

    keras_gets(monkeypatch, fail)
    with pytest.raises(ModelError, match="could not get ImageNet's weights") as caught:
        load_published("imagenet", "rings", image_size=SIZE)
    assert "\n" not in str(caught.value)


def test_a_file_without_excitation_is_lite0_and_every_weight_of_it_is_taken(model, write):
    arrays = {key: value for key, value in checkpoint(stages=STAGES).items() if ".se." not in key}
    path = write(arrays)
    with plain_weights():
        lite0 = load_published(path, "rings", image_size=SIZE)
    assert lite0.backbone == "efficientnet_lite0"
    taken = {
        timm_name(ARCHITECTURES["tf_efficientnet_lite0"], layer.name, weight.name): weight
        for layer in nested_layers(lite0.encoder)
        for weight in layer.weights
    }
    assert set(taken) == set(arrays)
    assert lite0.encoder.count_params() == sum(array.size for array in arrays.values()) == 3_413_024
    assert (numpy_of(taken["conv_stem.weight"]).transpose(3, 2, 0, 1) == arrays["conv_stem.weight"]).all()
    assert (
        numpy_of(taken["blocks.5.0.conv_dw.weight"])[:, :, :, 0].transpose(2, 0, 1)
        == arrays["blocks.5.0.conv_dw.weight"][:, 0]
    ).all()
    with pytest.raises(ModelError, match="set backbone = 'efficientnet_lite0'"):
        start_from_published(model, path)
