"""How fast does EfficientNet-B0 train and predict on this CPU, beside timm's in PyTorch, and does the pipeline keep up?

Images/s of the bare training step and of prediction at 64 and 224 pixels, alternating with timm's B0 (channels last), which
runs in a process of its own: in the Python that PEER_PYTHON names, with torch and timm (default: this one). Bound: ratio 1.
Then, at 64 pixels on real galaxies, images/s of the input pipeline alone, of the step with the encoder's augmentation alone
and of both together. Bound: 0.9 of the step. Ten minutes on two cores.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SETTINGS = {64: (64, 128), 224: (16, 32)}  # galaxies a training step and a prediction step
ROUNDS = 5
STEPS = 25  # of a fit
SAMPLE = Path(__file__).resolve().parents[2] / "catalogs" / "samples" / "gz2_votes.parquet"


def rate(step: Callable[[], object], images: int, times: int = 3) -> float:
    """Images/s, the median over some steps."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    return images / statistics.median(seconds)


def peer() -> None:
    """Answer lines ``train 64`` and ``predict 224`` with timm's images/s."""
    import timm
    import torch

    rng = np.random.default_rng(0)

    def images(size: int, number: int) -> torch.Tensor:
        pixels = torch.from_numpy(rng.random((number, 3, size, size), dtype=np.float32))
        return pixels.to(memory_format=torch.channels_last)

    steps: dict[str, tuple[Callable[[], object], int]] = {}
    for size, (training, predicting) in SETTINGS.items():
        network = timm.create_model("efficientnet_b0", num_classes=37, drop_rate=0.2, drop_path_rate=0.2)
        network = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        batch, shown = images(size, training), images(size, predicting)
        truth = torch.full((training, 37), 1 / 37)

        def train(network=network, optimizer=optimizer, batch=batch, truth=truth) -> None:  # type: ignore[no-untyped-def]
            network.train()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(batch), truth).backward()
            optimizer.step()

        def predict(network=network, shown=shown) -> None:  # type: ignore[no-untyped-def]
            network.eval()
            with torch.inference_mode():
                network.forward_head(network.forward_features(shown), pre_logits=True)

        steps |= {f"train {size}": (train, training), f"predict {size}": (predict, predicting)}
    for line in sys.stdin:
        print(rate(*steps[line.strip()]), flush=True)


def main() -> None:
    """Measure in turn, print medians and ratios."""
    import zooactive as za
    from zooactive.models.features import forward, prediction_network
    from zooactive.training.augmentation import Augmentation
    from zooactive.training.network import training_network
    from zooactive.training.optimiser import compile_training

    rng = np.random.default_rng(0)
    steps: dict[str, tuple[Callable[[], object], int]] = {}
    for size, (training, predicting) in SETTINGS.items():
        model = za.GalaxyModel("gz2_kaggle", image_size=size)
        trainer = training_network(model)
        compile_training(trainer, model.tree, za.TrainingConfig(), 100)
        batch = rng.integers(0, 255, (training, size, size, 3), dtype=np.uint8)
        votes = rng.integers(0, 9, (training, len(model.tree.columns))).astype(np.float32)
        shown, network = rng.integers(0, 255, (predicting, size, size, 3), dtype=np.uint8), prediction_network(model.encoder)

        def train(trainer=trainer, batch=batch, votes=votes) -> None:  # type: ignore[no-untyped-def]
            trainer.train_on_batch(batch, votes)

        def predict(network=network, shown=shown) -> None:  # type: ignore[no-untyped-def]
            forward(network, shown, len(shown))

        steps |= {f"train {size}": (train, training), f"predict {size}": (predict, predicting)}
    other = subprocess.Popen(
        [os.environ.get("PEER_PYTHON", sys.executable), __file__, "peer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    for name, (step, images) in steps.items():
        mine, theirs = [], []
        for turn in range(ROUNDS + 1):
            mine.append(rate(step, images))
            print(name, file=other.stdin, flush=True)
            theirs.append(float(other.stdout.readline()))
            if turn == 0:  # compiling
                mine, theirs = [], []
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        ours, timms = statistics.median(mine), statistics.median(theirs)
        print(f"{name} px: {ours:.1f} images/s, timm {timms:.1f}: ratio {ratio:.2f} (bound 1)", flush=True)
    other.stdin.close()
    other.wait()
    views = Augmentation(
        rotation="any", scale=(0.8, 1.2), shift=0.03, brightness=0.05, contrast=0.1, saturation=0.3, hue=0.02
    )
    pipeline(za.TrainingConfig(augmentation=views))


def pipeline(config) -> None:  # type: ignore[no-untyped-def]
    """Measure the input pipeline alone, the step alone and both."""
    import zooactive as za
    from zooactive.training.batches import Cutouts, TrainingBatches
    from zooactive.training.network import training_network
    from zooactive.training.optimiser import compile_training

    catalogue = za.read_catalogue(SAMPLE, tree="gz2")
    model = za.GalaxyModel("gz2", image_size=64, crop=0.85)
    canvas = config.augmentation.canvas(model.preprocessing)
    assert catalogue.votes is not None
    batches = TrainingBatches(Cutouts(catalogue, canvas), catalogue.votes.astype(np.float32), config.batch_size, seed=0)
    trainer = training_network(model, augmentation=config.augmentation)
    compile_training(trainer, model.tree, config, batches.steps)
    flow = iter(batches.dataset())
    alone = rate(lambda: next(flow), config.batch_size, 100)
    batch = next(flow)
    trainer.train_on_batch(*batch)
    trainer.train_on_batch(*batch)

    def fit() -> None:
        trainer.fit(batches.dataset(), steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0)

    def bare() -> None:
        for _ in range(STEPS):
            trainer.train_on_batch(*batch)

    fit()
    # As many steps of each in turn: a shared machine is faster now and slower then.
    pairs = [tuple(rate(run, STEPS * config.batch_size, 1) for run in (bare, fit)) for _ in range(ROUNDS)]
    step, both = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = statistics.median(together / bare for bare, together in pairs)
    print(
        f"pipeline alone {alone:.0f}, step alone {step:.1f}, both {both:.1f} images/s: {ratio:.2f} of the step (bound 0.9)"
    )


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    peer() if sys.argv[1:] == ["peer"] else main()
