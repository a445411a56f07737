"""How much faster is an epoch of the head on features computed once than one that runs the frozen network again?

Bound: a ratio above 50. Both fit the same head to the same 300 rings at the encoder's own size, eight orientations by way
of the features, one by way of the network; medians of the epochs after the first. Fine-tuning takes no epochs: beside them
stands the time of the whole fit of its most probable head.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from zooactive.foundation.telling import NOTHING, Watch
from zooactive.models import find_axes, load_network
from zooactive.models.freezing import free_last_blocks
from zooactive.models.head.bayesian import most_probable_weights
from zooactive.training.batches import Cutouts
from zooactive.training.config import Optimisation
from zooactive.training.finetuning.tasks import load_task
from zooactive.training.head_features import head_features
from zooactive.training.network import training_network
from zooactive.training.short_fits import Stage, fit_head_to_features, of_votes
from zooactive.training.weights import votes_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "rings" / "rings.csv"
EPOCHS = 6


def main() -> None:
    """Time both."""
    rings = load_task("rings").read(DATA).take(range(300))
    assert rings.tree is not None
    model = load_network("bundled").with_tree(rings.tree, concentrations="fraction")
    how = Optimisation(epochs=EPOCHS, batch_size=32, weight_decay=1e-3, warmup_epochs=0, patience=EPOCHS)
    stage = Stage("head", of_votes(rings.tree), how)
    votes = votes_of(rings)
    ends: list[float] = []

    def told(*_: object) -> None:
        ends.append(time.perf_counter())

    began = time.perf_counter()
    views = head_features(model, rings, 8)
    once = time.perf_counter() - began
    fit_head_to_features(model, (views, votes), (views[0], votes), stage, watch=Watch(NOTHING, told))
    cached = float(np.median(np.diff(ends)))
    ends.clear()
    free_last_blocks(model.encoder, 0)
    pixels = Cutouts(rings, model.preprocessing)
    judging = pixels.rows(np.arange(300)), votes, np.ones(300, np.float32)
    stage.fit(training_network(model, encoder_training=False), (pixels, votes), judging, watch=Watch(NOTHING, told))
    whole = float(np.median(np.diff(ends)))
    print(f"an epoch of 8 x 300 features {cached:.2f} s, of 300 images through the frozen network {whole:.2f} s")
    print(f"ratio {whole / cached:.0f} for an epoch, {8 * whole / cached:.0f} for one of all eight orientations (bound 50)")
    began = time.perf_counter()
    axes = find_axes(views, components=256)
    stacked = np.concatenate(views), np.tile(votes, (len(views), 1))
    weights = np.full(len(stacked[0]), 1 / len(views)), np.ones(len(votes))
    most_probable_weights(stacked, (views[0], votes), rings.tree, axes, weights=weights, concentrations="fraction")
    print(f"the features themselves, once: {once:.1f} s; the most probable head: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main()
