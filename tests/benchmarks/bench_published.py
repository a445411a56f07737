"""Do published encoders give timm's features here, and how fast are they beside timm?

    python tests/benchmarks/bench_published.py [--threads N] [ARCHITECTURE ...]      by timm's names; default all

Each network of timm gets random weights, which are saved as a repository's folder (config.json and model.safetensors) and
loaded as users load them, beside pytorch_model.bin and a checkpoint as Lightning's, which have to hold the same numbers.
Printed are the parameters, the features, the largest difference of a feature from timm's on images of 224 pixels in float32,
and images a second at 224 pixels on two threads: ours as `zooactive embed` runs a network (uint8 in, batch norms folded,
traced), and timm's in `torch.inference_mode` with the pixels as float32. The two take turns in one process, batch after
batch; the rate is that of the fastest turn, since other work on the machine only slows one down.
On a machine with other work take one thread: torch's threads wait for each other, and lose more than TensorFlow's.

It needs timm and torch (`nox -s timm` says how); torch is loaded first, since its CUDA build crashes after TensorFlow.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "published"))
from random_weights import random_network

SIZE, BATCH, TURNS = 224, 8, 4


def fastest(calls: list[Callable[[], object]]) -> list[float]:
    """Return the seconds of each call's fastest turn, after one that is not counted; the calls take turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(TURNS + 1):
        for found, call in zip(seconds, calls, strict=True):
            start = time.perf_counter()
            call()
            if turn:
                found.append(time.perf_counter() - start)
    return [min(found) for found in seconds]


def written(torch: Any, network: Any, folder: Path, architecture: str) -> tuple[str, bool]:
    """Write the three forms of a repository; their sizes, and whether all are read as the same numbers."""
    state = network.state_dict()
    inside = {f"encoder.{key}": array for key, array in state.items()} | {"head.1.weight": torch.zeros(4, 8)}
    importlib.import_module("safetensors.torch").save_file(state, folder / "model.safetensors")
    torch.save(state, folder / "pytorch_model.bin")
    torch.save({"state_dict": inside, "hyper_parameters": {"lr": 1e-3}, "epoch": 3}, folder / "last.ckpt")
    (folder / "config.json").write_text(json.dumps({"architecture": architecture}))
    from zooactive.models.published.encoders import read_timm

    files = [folder / name for name in ("model.safetensors", "pytorch_model.bin", "last.ckpt")]
    first, *others = (read_timm(file).arrays for file in files)
    same = all(set(first) == set(other) and all(np.array_equal(first[k], other[k]) for k in first) for other in others)
    return ", ".join(f"{file.suffix} {file.stat().st_size / 1e6:.1f}" for file in files), same


def row(architecture: str, torch: Any) -> str:
    """Save timm's network, load it here, and compare."""
    network = random_network(architecture)
    from zooactive.models import load_published
    from zooactive.models.features import computation, prediction_network

    with tempfile.TemporaryDirectory() as name:
        sizes, same = written(torch, network, Path(name), architecture)
        encoder = load_published(name, "rings", image_size=SIZE).encoder
    bytes_ = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8)
    bytes_ //= np.arange(1, BATCH + 1, dtype=np.uint8)[:, None, None, None]  # bright and dark ones
    shown = bytes_.astype(np.float32) / 255
    if architecture == "tf_efficientnet_lite0":
        shown = 2 * shown - 1
    pixels = torch.from_numpy(shown.transpose(0, 3, 1, 2).copy())
    compute = computation(prediction_network(encoder))

    def ours() -> Any:
        return np.asarray(compute(bytes_))

    def theirs() -> Any:
        with torch.inference_mode():
            return network(pixels).numpy()

    expected = theirs()
    plain = np.asarray(encoder(bytes_[:4].astype(np.float32) / 255))
    difference = np.abs(plain - expected[:4]).max()
    as_run = np.abs(ours() - expected).max()
    mine, other = (BATCH / seconds for seconds in fastest([ours, theirs]))
    told = f"{sizes} MB{'' if same else ', NOT THE SAME'}"
    return (
        f"| {architecture} | {told} | {encoder.count_params():,} | {expected.shape[1]} | "
        f"{difference:.1e} | {as_run:.1e} | {expected.std():.2f} | {mine:.1f} | {other:.1f} | {mine / other:.2f} |"
    )


def main() -> None:
    """Print the table, row by row."""
    options = argparse.ArgumentParser()
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("architectures", nargs="*")
    asked = options.parse_args()
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(asked.threads), "OMP_NUM_THREADS": str(asked.threads)}
    torch, timm = importlib.import_module("torch"), importlib.import_module("timm")
    torch.set_num_threads(asked.threads)
    from zooactive.models.published.architectures import ARCHITECTURES

    print(f"torch {torch.__version__}, timm {timm.__version__}; {SIZE} px, batches of {BATCH}, {asked.threads} threads")
    print(
        "| encoder | file | parameters | features | difference | the same, folded | spread | images/s | timm's | ratio |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for architecture in asked.architectures or ARCHITECTURES:
        print(row(architecture, torch), flush=True)


if __name__ == "__main__":
    main()
