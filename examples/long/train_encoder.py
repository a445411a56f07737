"""Train the encoder that comes with zooactive: two hours on two processor cores, and a run that can be killed.

    python examples/long/train_encoder.py DATA RUN

DATA is the folder that holds gz2_kaggle/ and zhu5/. The votes of the Galaxy Zoo challenge and the clean classes of Zhu et
al. 2019 are learnt together: first from all galaxies at 64 pixels, then from those with votes, then from these at 128
pixels; at last the head is fitted anew to the features of all. The test tenth of every set, by hashed id, is never seen.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import zooactive as za
from zooactive.augmentation import Augmentation
from zooactive.catalogue import Catalogue
from zooactive.stages import Stage, fit_head
from zooactive.surveys import combine_catalogues
from zooactive.training import TrainingConfig

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # on some processors TensorFlow leaves its faster kernels off

SPLIT = (0.85, 0.05, 0.10)
CROP = 0.85
CLEAN = 5.0
"""Votes that a clean class counts as: it stands for the agreement of many volunteers, and few of a galaxy's forty say it."""
VIEWS = Augmentation(rotation="any", scale=(0.8, 1.2), shift=0.03, brightness=0.05, contrast=0.1, saturation=0.3, hue=0.02)
STAGES = (  # name, pixels, galaxies, epochs, galaxies a step, learning rate
    ("all-64", 64, "all", 7, 64, 2e-3),
    ("votes-64", 64, "votes", 14, 64, 1e-3),
    ("votes-128", 128, "votes", 13, 32, 6e-4),
)


def galaxies(data: Path) -> Catalogue:
    """Both sets as one catalogue; the clean sample's images show 256 of the survey's 424 pixels, the challenge's 240."""
    votes = za.read_catalogue(data / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    classes = za.read_catalogue(data / "zhu5" / "galaxies.parquet", tree="zhu5", label_column="label")
    assert classes.votes is not None
    classes = replace(classes, votes=CLEAN * classes.votes)
    return combine_catalogues([votes, classes], name="gz2_votes_and_classes", crops=[1.0, 240 / 256])


def main(data: Path, run: Path) -> None:
    """Train all stages, or what is left of them."""
    learning, validation, _ = galaxies(data).split(SPLIT)
    assert learning.tree is not None
    before = None
    for name, size, which, epochs, batch_size, learning_rate in STAGES:
        config = TrainingConfig(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=0.02,
            patience=epochs,
            augmentation=VIEWS,
        )
        model = za.GalaxyModel(learning.tree, image_size=size, crop=CROP)
        if before is not None:
            model.start_from(before)
        parts = [part if which == "all" else with_votes(part) for part in (learning, validation)]
        print(f"{name}: {len(parts[0])} galaxies to learn from, {len(parts[1])} to choose the best epoch", flush=True)
        za.train(model, parts[0], validation=parts[1], run_dir=run / name, config=config, progress=report)
        before = model
    print("head: fitted anew on the features of all galaxies", flush=True)
    fit_head(model, learning, validation, Stage("head", learning.tree, 30, 2e-3, 128, 8, 0), copies=2)
    model.save(run / "model", half=True)


def with_votes(catalogue: Catalogue) -> Catalogue:
    """The galaxies of the challenge: those that volunteers' votes are known of."""
    return catalogue.take(catalogue.table["survey"].to_numpy() == "gz2_kaggle")


def report(epoch: int, losses: dict[str, float]) -> None:
    """Say how an epoch went."""
    print(f"epoch {epoch}: loss {losses['loss']:.3f}, validation {losses['val_loss']:.3f} nats a galaxy", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
