"""Networks in timm's layout: their features against those of timm, which file is which network, what a folder holds.

The features are those of timm 1.0.31 for small networks whose weights follow from their names. The networks as they are
published are compared with timm itself in tests/published.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from networks import reduced_networks

from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, load_published, start_from_published
from zooactive.models.backbones.convnext import SIZES
from zooactive.models.backbones.register import build_encoder, nested_layers
from zooactive.models.config import Network
from zooactive.models.published.architectures import ARCHITECTURES
from zooactive.models.published.layouts import recognised, timm_name
from zooactive.models.published.names import is_published, published_file

safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed; it is the extra 'weights'")

SIZE = 37
IMAGENETS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

# Architecture and channels: how many arrays and numbers timm's small network has, and three features of two images.
OF_TIMM = {
    ("convnext_nano", 3): (63, 16_916, [[1.09673, -0.50634, 1.60237], [-0.88136, -0.67276, 2.21551]]),
    ("convnext_nano", 1): (63, 16_660, [[-0.23483, 0.07326, 0.88461], [0.35438, -0.25536, 0.13908]]),
    ("convnext_tiny", 3): (63, 16_916, [[1.09673, -0.50634, 1.60237], [-0.88136, -0.67276, 2.21551]]),
    ("resnet18", 3): (75, 34_272, [[0, 0.60587, 0.8394], [0, 0.58654, 0.8821]]),
    ("resnet50", 3): (100, 44_320, [[0.02599, 0, 1.08518], [0.0415, 0, 1.08337]]),
    ("resnet50", 1): (100, 38_048, [[0.00582, 0, 1.17036], [0, 0, 1.15432]]),
    ("tf_efficientnetv2_s", 3): (64, 189_970, [[0.08564, 0.06277, -0.03978], [0.08774, 0.06077, -0.04333]]),
}


def weight_of(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that follow from a weight's name alone."""
    rng = np.random.default_rng(sum(map(ord, key)))
    if key.endswith("running_var"):
        numbers = rng.uniform(0.5, 1.5, shape)
    elif len(shape) == 1 and key.endswith(("weight", "gamma")):
        numbers = rng.uniform(0.6, 1.4, shape)
    elif len(shape) == 1:
        numbers = rng.uniform(-0.3, 0.3, shape)
    else:
        numbers = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
    return numbers.astype(np.float32)


def of_names(encoder, name: str) -> dict[str, np.ndarray]:
    """Weights for a network by timm's names and in PyTorch's shapes."""
    arrays = {}
    for layer in nested_layers(encoder):
        for weight in layer.weights:
            key, shape = timm_name(ARCHITECTURES[name], layer.name, weight.name), tuple(weight.shape)
            if len(shape) == 4:
                y, x, before, after = shape
                shape = (before, after, y, x) if "dw" in layer.name else (after, before, y, x)
            if ".mlp." in key and name == "convnext_tiny":  # linear layers, where nano has convolutions
                shape = shape[:2]
            arrays[key] = weight_of(key, shape)
    return arrays


def waves(channels: int) -> np.ndarray:
    """Two images in [0, 1]."""
    y, x, i, k = np.meshgrid(np.arange(SIZE), np.arange(SIZE), np.arange(2), np.arange(channels), indexing="ij")
    return (0.5 + 0.5 * np.sin(0.3 * y + 0.2 * x * (i + 1) + k)).transpose(2, 0, 1, 3).astype(np.float32)


def repository(folder: Path, arrays: dict[str, np.ndarray], name: str | None) -> Path:
    """Write a folder as on the hub, whose description gives ImageNet's pixels, as those of Zoobot do."""
    folder.mkdir(exist_ok=True)
    safetensors.save_file(arrays, folder / "model.safetensors")
    if name is not None:
        (folder / "config.json").write_text(json.dumps({"architecture": name, "pretrained_cfg": IMAGENETS}))
    return folder


@pytest.mark.parametrize(("name", "channels"), list(OF_TIMM))
def test_a_small_network_has_the_features_that_it_has_in_timm_on_pixels_as_they_are(tmp_path, name, channels):
    number, size, expected = OF_TIMM[name, channels]
    backbone = ARCHITECTURES[name].backbone
    with reduced_networks():
        encoder = build_encoder(backbone, SIZE, channels)
        arrays = of_names(encoder, name)
        assert (len(arrays), sum(array.size for array in arrays.values())) == (number, size)
        folder = repository(tmp_path / "another_name_resnet26", {f"encoder.{key}": a for key, a in arrays.items()}, name)
        model = load_published(folder, "rings", image_size=SIZE)
    assert (model.backbone, model.preprocessing.channels) == (backbone, channels)
    features = np.asarray(model.encoder(waves(channels)))
    np.testing.assert_allclose(features[:, [0, 1, -1]], expected, rtol=0, atol=2e-5)


@pytest.fixture(scope="module")
def nano():
    """The weights of a small ConvNeXt."""
    with reduced_networks():
        return of_names(build_encoder("convnext_nano", SIZE), "convnext_nano")


# Which network it is ------------------------------------------------------------------------------------------------------

CONVNEXTS = {
    "convnext_pico": ((2, 2, 6, 2), 64),
    "convnext_nano": ((2, 2, 8, 2), 80),
    "convnext_tiny": ((3, 3, 9, 3), 96),
    "convnext_small": ((3, 3, 27, 3), 96),
    "convnext_base": ((3, 3, 27, 3), 128),
}
RESNETS = {"resnet18": ((2, 2, 2, 2), False), "resnet50": ((3, 4, 6, 3), True), "resnet101": ((3, 4, 23, 3), True)}


def convnext_keys(depths: tuple[int, ...], width: int) -> dict[str, np.ndarray]:
    blocks = {f"stages.{i}.blocks.{j}.conv_dw.weight": np.zeros(0) for i, depth in enumerate(depths) for j in range(depth)}
    return {"stem.0.weight": np.zeros((width, 3, 4, 4)), **blocks}


def resnet_keys(depths: tuple[int, ...], deep: bool) -> dict[str, np.ndarray]:
    parts = range(1, 4 if deep else 3)
    units = [(i, j, part) for i, depth in enumerate(depths, start=1) for j in range(depth) for part in parts]
    return {f"layer{i}.{j}.conv{part}.weight": np.zeros(0) for i, j, part in units}


def test_a_network_without_a_description_is_known_by_its_depth_and_width():
    for name, (depths, width) in CONVNEXTS.items():
        found = recognised("convnext", convnext_keys(depths, width), "file")
        assert (found.timm, found.features) == (name, 8 * width)
        assert SIZES[name.removeprefix("convnext_")] == (depths, (width, 2 * width, 4 * width, 8 * width))
    for name, (depths, deep) in RESNETS.items():
        assert recognised("resnet", resnet_keys(depths, deep), "file").timm == name
    fused = {"conv_stem.weight": np.zeros(0), "blocks.0.0.conv.weight": np.zeros(0)}
    assert recognised("efficientnet", fused, "file").timm == "tf_efficientnetv2_s"


def test_a_depth_or_a_width_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ModelError, match=r"a ConvNeXt of 3, 3, 27, 3 blocks with 192 features .* only convnext_pico, "):
        recognised("convnext", convnext_keys((3, 3, 27, 3), 192), "file")
    with pytest.raises(ModelError, match="a ResNet of 3, 4, 6, 3 units of 2 convolutions; of this kind only resnet18, "):
        recognised("resnet", resnet_keys((3, 4, 6, 3), deep=False), "file")
    with pytest.raises(ModelError, match="a ResNet of no units"):
        recognised("resnet", {}, "file")


@pytest.mark.usefixtures("reduced")
def test_the_description_names_the_network_and_another_network_in_the_file_is_refused(tmp_path, nano):
    folder = repository(tmp_path, nano, "resnet50")
    with pytest.raises(ModelError, match=r"needs one 'layer1\.0\.conv1\.weight', of timm's resnet50, and holds head\.norm"):
        load_published(folder, "rings", image_size=SIZE)
    repository(tmp_path, nano, "convnext_tiny.in12k_ft_in1k")
    assert load_published(folder, "rings", image_size=SIZE).backbone == "convnext_tiny"


def test_an_architecture_that_is_not_there_is_refused_with_those_that_are_and_the_way_by_embeddings(tmp_path, nano):
    folder = repository(tmp_path, nano, "maxvit_rmlp_base_rw_224")
    with pytest.raises(ModelError, match=r"holds 'maxvit_rmlp_base_rw_224', according to its config\.json.*as embeddings"):
        load_published(folder, "rings")
    with pytest.raises(ModelError, match="Did you mean 'convnext_nano'"):
        load_published(repository(tmp_path, nano, "convnext_nanoo"), "rings")


@pytest.mark.usefixtures("reduced")
def test_weights_that_do_not_fit_are_refused_by_their_names_and_change_nothing(tmp_path, nano):
    model = GalaxyModel("rings", backbone="convnext_nano", image_size=SIZE)
    before = model.fingerprint()
    for spoil, told in (
        (lambda a: a | {"stages.0.blocks.0.mlp.grn.weight": a["stem.1.bias"]}, "holds 'stages.0.blocks.0.mlp.grn.weight'"),
        (lambda a: {key: a[key] for key in a if key != "head.norm.bias"}, "'head.norm.bias' is missing from"),
        (lambda a: a | {"stages.1.blocks.1.gamma": a["stem.1.bias"]}, "gamma' has shape (8,) instead of (12,)"),
        (lambda a: a | {"stem.0.weight": a["stem.0.weight"][:, :1]}, "(8, 3, 4, 4); set channels = 1"),
        (lambda a: a | {"stem.0.weight": a["stem.0.weight"][:, :2]}, "shape (8, 2, 4, 4); the second of four numbers is 3"),
        (lambda a: a | {"stem.1.bias": np.full(8, np.nan)}, "'stem.1.bias' has values that are not finite"),
        (lambda a: a | {"stem.1.bias": np.full(8, 1e300)}, "'stem.1.bias' has values that are not finite in float32"),
        (lambda a: a | {"stem.1.bias": np.ones(8, np.int8)}, "'stem.1.bias' holds int8 instead of floating-point numbers"),
        (lambda a: a | {"stem.0.weight": a["stem.1.bias"]}, "shape (8,); the second of four numbers is 3 in colour"),
    ):
        folder = repository(tmp_path, spoil(dict(nano)), "convnext_nano")
        with pytest.raises(ModelError) as raised:
            start_from_published(model, folder)
        assert told in str(raised.value)
        assert model.fingerprint() == before
    start_from_published(model, repository(tmp_path, nano | {"head.fc.weight": np.zeros((4, 24), np.float32)}, None))


def test_a_backbone_that_the_description_contradicts_is_known_before_anything_is_read(tmp_path):
    (tmp_path / "config.json").write_text('{"architecture": "convnext_nano"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    Network(backbone="convnext_nano", start=str(tmp_path)).check()
    with pytest.raises(ModelError, match=r"cannot start from .*; set backbone = 'convnext_nano'"):
        Network(backbone="efficientnet_b0", start=str(tmp_path)).check()


# What a folder holds ------------------------------------------------------------------------------------------------------


def test_of_a_folder_the_safetensors_are_taken_then_the_pytorch_file_then_the_only_checkpoint(tmp_path):
    assert not is_published(tmp_path)
    with pytest.raises(ModelError, match="holds no weights"):
        published_file(tmp_path)
    for name in ("last.ckpt", "pytorch_model.bin", "model.safetensors"):
        (tmp_path / name).write_bytes(b"")
        assert is_published(tmp_path)
        assert is_published(tmp_path / name)
        assert published_file(tmp_path) == published_file(tmp_path / name) == tmp_path / name


def test_several_checkpoints_in_a_folder_are_refused(tmp_path):
    for name in ("first.ckpt", "second.ckpt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=r"holds 2 checkpoints \(first\.ckpt, second\.ckpt\)"):
        published_file(tmp_path)


def test_a_description_alone_names_published_weights_that_are_missing(tmp_path):
    (tmp_path / "config.json").write_text('{"architecture": "convnext_nano"}')
    assert is_published(str(tmp_path))
    with pytest.raises(ModelError, match=r"holds no weights; give a folder with model\.safetensors"):
        Network(backbone="convnext_nano", start=str(tmp_path)).check()


def test_a_model_of_our_own_is_no_published_one(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    (tmp_path / "best.ckpt").write_bytes(b"")
    assert not is_published(tmp_path)
    assert not is_published(tmp_path / "model")
