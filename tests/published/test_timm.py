"""Features of timm's own networks in PyTorch against ours with their weights; for `nox -s timm`, skipped without timm."""

from __future__ import annotations

import json

import numpy as np
import pytest
from random_weights import random_network

import zooactive.models as models  # Keras is loaded after torch: the other way round torch's CUDA build crashes
from zooactive.models.published.architectures import ARCHITECTURES

torch = pytest.importorskip("torch", reason="torch is not installed; nox -s timm installs it")
pytest.importorskip("timm", reason="timm is not installed; nox -s timm installs it")
safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed; it is the extra 'weights'")

TOLERANCE = 1e-3


@pytest.fixture(scope="module", params=[3, 1], ids=["colour", "grey"])
def channels(request) -> int:
    return request.param


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def architecture(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def theirs(architecture, channels):
    """timm's network with random weights."""
    return random_network(architecture, channels)


@pytest.fixture(scope="module")
def checkpoint(theirs, tmp_path_factory):
    """As Zoobot's: the encoder inside a larger network, beside a head."""
    path = tmp_path_factory.mktemp("published") / "model.safetensors"
    arrays = {f"encoder.{key}": value.contiguous() for key, value in theirs.state_dict().items()}
    safetensors.save_file(arrays | {"head.1.weight": torch.zeros(4, theirs.num_features)}, path)
    yield path
    path.unlink()


@pytest.mark.parametrize("size", [64, 75, 224])
def test_timms_weights_give_timms_features(architecture, theirs, checkpoint, channels, size):
    pixels = np.random.default_rng(size).random((3, size, size, channels), np.float32)
    pixels *= np.array([1, 0.6, 0.2], np.float32)[:, None, None, None]  # images of noise alone look alike
    with torch.no_grad():
        shown = 2 * pixels - 1 if architecture == "tf_efficientnet_lite0" else pixels
        expected = theirs(torch.from_numpy(shown.transpose(0, 3, 1, 2).copy())).numpy()
    model = models.load_published(checkpoint, "rings", image_size=size)
    assert model.preprocessing.channels == channels
    assert expected.shape[1] == ARCHITECTURES[architecture].features
    difference = np.abs(np.asarray(model.encoder(pixels)) - expected).max()
    print(f"{architecture}, {size} px, {channels} channels: spread {expected.std():.3f}, difference {difference:.2e}")
    assert 0.1 < expected.std() < 10
    assert expected.std(axis=0).max() > 0.01
    assert difference < TOLERANCE


def test_timms_description_of_pixels_is_left_aside(architecture, theirs, checkpoint):
    """timm's ``config.json``, with the mean and standard deviation of its own weights, changes no feature."""
    if theirs.num_features > 700 or not architecture.startswith(("convnext", "resnet")):
        pytest.skip("the small ones will do")
    pixels = np.random.default_rng(0).random((2, 64, 64, models.load_published(checkpoint, "rings").preprocessing.channels))
    found = []
    for beside in (False, True):
        if beside:
            config = {"architecture": architecture, "num_classes": 0, "pretrained_cfg": theirs.pretrained_cfg}
            checkpoint.with_name("config.json").write_text(json.dumps(config, default=list))
        model = models.load_published(checkpoint.parent if beside else checkpoint, "rings", image_size=64)
        found.append(np.asarray(model.encoder(pixels)))
    np.testing.assert_array_equal(*found)
