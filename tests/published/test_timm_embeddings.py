"""Embeddings by a network of timm: `nox -s timm`; here PyTorch has to be loaded before TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from zooactive.prediction.timm_embeddings import embed_with_timm  # noqa: E402


@pytest.mark.parametrize("normalise", [False, True])
def test_the_features_are_those_of_the_network_on_the_same_pixels(galaxies, tmp_path, normalise):
    catalogue = galaxies(5)
    torch.manual_seed(0)
    known = embed_with_timm(
        "resnet10t", catalogue, tmp_path / "e.parquet", image_size=48, pretrained=False, normalise=normalise, batch_size=2
    )
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", pretrained=False, num_classes=0).eval()
    from zooactive.catalogue import Preprocessing

    pixels = catalogue.decode(Preprocessing(size=48))[0].astype(np.float32) / 255
    if normalise:
        pixels = (pixels - network.pretrained_cfg["mean"]) / network.pretrained_cfg["std"]
    with torch.inference_mode():
        expected = network(torch.from_numpy(np.moveaxis(pixels, 3, 1).astype(np.float32))).numpy()
    assert known.features == pytest.approx(expected, abs=1e-4)
    assert list(known.ids) == list(catalogue.ids)
    assert known.encoder == "resnet10t"
