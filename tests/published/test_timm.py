"""Features of timm's own network in PyTorch against ours with its weights; for `nox -s timm`, skipped without timm."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.models import load_published

torch = pytest.importorskip("torch", reason="torch is not installed; nox -s timm installs it")
timm = pytest.importorskip("timm", reason="timm is not installed; nox -s timm installs it")
safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed; it is the extra 'weights'")

TOLERANCE = 1e-3


@pytest.fixture(scope="module", params=[3, 1], ids=["colour", "grey"])
def channels(request) -> int:
    return request.param


@pytest.fixture(scope="module", params=["efficientnet_b0", "tf_efficientnet_lite0"])
def architecture(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def theirs(architecture, channels):
    """timm's network with random weights, statistics included, so that none can be mistaken for another."""
    torch.manual_seed(0)
    network = timm.create_model(architecture, pretrained=False, num_classes=0, in_chans=channels)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.normal_(module.bias, 0, 0.3)
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.6, 1.4)
        torch.nn.init.normal_(norm.bias, 0, 0.3)
        norm.momentum = 1
    with torch.no_grad():
        network.train()(torch.rand(16, channels, 64, 64))
        for norm in norms:  # random, but such that the features stay about one
            norm.running_var += norm.running_mean**2
            norm.running_var *= 0.7 + 0.7 * torch.rand_like(norm.bias)
            norm.running_mean *= torch.rand_like(norm.bias)
    network.eval()
    return network


@pytest.fixture(scope="module")
def checkpoint(theirs, tmp_path_factory):
    """As Zoobot's: the encoder inside a larger network, beside a head."""
    path = tmp_path_factory.mktemp("published") / "model.safetensors"
    arrays = {f"encoder.{key}": value.contiguous() for key, value in theirs.state_dict().items()}
    safetensors.save_file(arrays | {"head.1.weight": torch.zeros(4, 1280)}, path)
    return path


@pytest.mark.parametrize("size", [64, 75, 224])
def test_timms_weights_give_timms_features(architecture, theirs, checkpoint, channels, size):
    pixels = np.random.default_rng(size).random((3, size, size, channels), np.float32)
    with torch.no_grad():
        shown = 2 * pixels - 1 if architecture == "tf_efficientnet_lite0" else pixels
        expected = theirs(torch.from_numpy(shown.transpose(0, 3, 1, 2).copy())).numpy()
    model = load_published(checkpoint, "rings", image_size=size)
    assert model.preprocessing.channels == channels
    difference = np.abs(np.asarray(model.encoder(pixels)) - expected).max()
    print(f"{architecture}, {size} px, {channels} channels: spread {expected.std():.3f}, difference {difference:.2e}")
    assert 0.1 < expected.std() < 10
    assert expected.std(axis=0).max() > 0.01
    assert difference < TOLERANCE
