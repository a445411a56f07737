"""How much faster are 32 draws in the head than 32 whole passes of the network, as Zoobot's prediction loop makes them?

Galaxies/s of `zooactive.predict` from packed real galaxies to a posterior of 32 draws, decoding included, alternating with
timm's EfficientNet-B0 (channels last, dropout before its last layer active) passing batches that lie in memory 32 times. The
peer runs in a process of its own, in the Python that PEER_PYTHON names, with torch and timm (default: this one). Bound: a
ratio of 10. Five minutes on two cores.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DRAWS, ROUNDS = 32, 3
SIZES = {64: (1024, 128), 224: (128, 32)}  # galaxies of ours, and a batch of theirs
SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "gz2_kaggle"


def peer() -> None:
    """Answer a line with a size by the galaxies/s of one batch that passes 32 times."""
    import timm
    import torch

    for line in sys.stdin:
        size = int(line)
        network = timm.create_model("efficientnet_b0", num_classes=37, drop_rate=0.2).to(memory_format=torch.channels_last)
        network.eval()
        batch = torch.rand((SIZES[size][1], 3, size, size)).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            network(batch)
            began = time.perf_counter()
            draws = []
            for _ in range(DRAWS):
                features = network.forward_head(network.forward_features(batch), pre_logits=True)
                draws.append(network.get_classifier()(torch.nn.functional.dropout(features, 0.2, training=True)))
            torch.stack(draws)
        print(len(batch) / (time.perf_counter() - began), flush=True)


def main() -> None:
    """Measure in turn, print medians and ratios."""
    import zooactive as za
    from zooactive.catalogue.shards import write_shards

    other = subprocess.Popen(
        [os.environ.get("PEER_PYTHON", sys.executable), __file__, "peer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    real = za.read_catalogue(SAMPLE / "galaxies.csv", images=SAMPLE / "images")
    for size, (galaxies, batch) in SIZES.items():
        model = za.GalaxyModel("gz2", image_size=size)
        with tempfile.TemporaryDirectory() as folder:
            write_shards(real.take(np.arange(galaxies)), folder, model.preprocessing)
            shards = za.read_catalogue(folder)
            mine, theirs = [], []
            for turn in range(ROUNDS + 1):
                began = time.perf_counter()
                za.predict(model, shards, draws=DRAWS, batch_size=batch).interval()
                ours = galaxies / (time.perf_counter() - began)
                print(size, file=other.stdin, flush=True)
                answer = float(other.stdout.readline())
                if turn:  # the first one compiles
                    mine.append(ours)
                    theirs.append(answer)
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        print(
            f"{size} px, {DRAWS} draws: {statistics.median(mine):.1f} galaxies/s, whole passes "
            f"{statistics.median(theirs):.1f}: ratio {ratio:.1f} (bound 10)",
            flush=True,
        )
    other.stdin.close()
    other.wait()


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    peer() if sys.argv[1:] == ["peer"] else main()
