"""Train the encoder that comes with zooactive: about two and a half hours of a processor core; it can be killed.

    python examples/long/train_encoder.py DATA RUN LITE0.safetensors

DATA is the folder that holds gz2_kaggle/ and zhu5/; `lite0_weights.py` beside this file writes the weights that it starts
from. The whole network learns twice: first the votes of the Galaxy Zoo challenge, and then these votes and, in the other
half of each batch, clean classes of Zhu et al. 2019. Then the head is fitted anew on its features: to the votes, and to the
classes. The test tenth of every set, by hashed id, is never seen.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # on some processors TensorFlow leaves its faster kernels off
import keras
import numpy as np
from numpy.typing import NDArray

import zooactive as za
from zooactive.catalogue import Catalogue, Preprocessing, combine_catalogues
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.models import FeatureAxes, find_axes, load_network, start_from_published
from zooactive.models.features import embed
from zooactive.models.head.bayesian import most_probable_weights
from zooactive.posterior.loss import constant_concentrations
from zooactive.training.augmentation import Augmentation
from zooactive.training.batches import Cutouts, TrainingBatches
from zooactive.training.calibrate import fit_concentration_factors
from zooactive.training.config import Optimisation, TrainingConfig
from zooactive.training.head_features import head_features
from zooactive.training.network import training_network
from zooactive.training.optimiser import compile_training
from zooactive.training.short_fits import Stage, fit_head_to_features, of_votes
from zooactive.training.weights import votes_of
from zooactive.workspace.evaluate import for_questions

SPLIT = (0.85, 0.05, 0.10)
SIZE, CROP = 192, 0.85
CLEAN = 5.0
"""Votes that a clean class counts as: it stands for the agreement of many volunteers, and few of a galaxy's forty say it."""
OTHERS = 8000
"""Galaxies with a class and no votes that the network learns from; with the others as many as fit into a small memory."""
PRIORS = (10_000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0)
VIEWS = Augmentation(rotation="any", scale=(0.8, 1.2), shift=0.03, brightness=0.05, contrast=0.1, saturation=0.3, hue=0.02)
CONFIG = TrainingConfig(
    epochs=24,
    batch_size=64,
    learning_rate=7e-4,
    weight_decay=0.02,
    warmup_epochs=0.5,
    patience=24,
    augmentation=VIEWS,
)


class Halves(TrainingBatches):
    """Batches of which half are galaxies with votes of the challenge and half are others, each in its own order."""

    def __init__(self, learning: Catalogue, canvas: Preprocessing, seed: int) -> None:
        super().__init__(Cutouts(learning, canvas), votes_of(learning), CONFIG.batch_size, seed=seed)

    @property
    def voted(self) -> NDArray[np.bool_]:
        """Which galaxies have votes."""
        return np.asarray(self.votes[:, : len(za.load_tree("gz2_kaggle").columns)].sum(1) > 0)

    @property
    def steps(self) -> int:
        """The number of steps that an epoch of the first stage has: half of a pass over the galaxies with votes."""
        return int(self.voted.sum()) // self.batch_size

    def rows(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the row numbers of each batch of a pass over the smaller of both sets."""
        draw, half = np.random.Generator(np.random.Philox(key=[self.seed, epoch])), self.batch_size // 2
        parts = [draw.permutation(np.flatnonzero(some)) for some in (self.voted, ~self.voted)]
        steps = min(map(len, parts)) // half
        return [np.concatenate([part[step * half : (step + 1) * half] for part in parts]) for step in range(steps)]


def both_sets(data: Path) -> tuple[Catalogue, Catalogue]:
    """Return the galaxies with votes, and those with a clean class; a galaxy may be in both."""
    votes = za.read_catalogue(data / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    return votes, za.read_catalogue(data / "zhu5" / "galaxies.parquet", tree="zhu5", label_column="label")


def together(votes: Catalogue, classes: Catalogue) -> Catalogue:
    """Return one catalogue; the clean sample's images show 256 of the survey's 424 pixels, the challenge's 240."""
    assert classes.votes is not None
    counted = replace(classes, votes=CLEAN * classes.votes)
    return combine_catalogues([votes, counted], name="gz2_votes_and_classes", crops=[1.0, 240 / 256])


def without_those(classes: Catalogue, votes: Catalogue) -> tuple[Catalogue, Catalogue]:
    """Return galaxies with only a class: those that the network may learn from, and those that variants are judged by."""
    only = classes.take(~np.isin(classes.ids.astype(str), votes.ids.astype(str)))
    learning = replace(only.split(SPLIT)[0], field_crops=None)
    judged = uniform_from_ids(learning.ids, purpose="tries", seed=0) < 0.5  # type: ignore[arg-type]
    return learning.take(~judged), learning.take(judged)


def main(data: Path, run: Path, weights: Path) -> None:
    """Train, or go on where a killed run ended."""
    votes, classes = both_sets(data)
    learning, validation, _ = together(votes, classes).split(SPLIT)
    assert learning.tree is not None
    precision = "mixed_bfloat16" if on_a_gpu() else "float32"
    model = za.GalaxyModel(learning.tree, backbone="efficientnet_lite0", image_size=SIZE, crop=CROP, precision=precision)
    start_from_published(model, weights)
    parts = with_votes(learning), with_votes(validation)
    print(f"{len(parts[0])} galaxies to learn from, {len(parts[1])} to choose the best epoch", flush=True)
    za.train(model, parts[0], validation=parts[1], run_dir=run, config=CONFIG, progress=report)
    some = without_those(classes, votes)[0].take(np.arange(OTHERS))
    model = second_stage(model, together(votes.split(SPLIT)[0], some), run / "second").with_tree(learning.tree)
    model.origin = None  # what it started from stands in its card
    fit_head(model, learning, validation)
    set_right(model, with_votes(validation))
    model.save(run / "small", half=True)


def second_stage(model: za.GalaxyModel, learning: Catalogue, folder: Path) -> za.GalaxyModel:
    """Train on with a fresh head: half of each batch has votes, and half a class. The last epoch is kept."""
    if (folder / "model").is_dir():
        return load_network(folder / "model")
    assert learning.tree is not None
    print(f"second stage: {len(learning)} galaxies", flush=True)
    model = model.with_tree(learning.tree)
    model.start_at(constant_concentrations(votes_of(learning), model.tree))
    batches = Halves(learning, VIEWS.canvas(model.preprocessing), CONFIG.seed)
    trainer = training_network(model, augmentation=VIEWS, seed=CONFIG.seed)
    compile_training(trainer, model.tree, CONFIG, batches.steps)
    told = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: report(epoch + 1, logs))
    how = {"steps_per_epoch": batches.steps, "epochs": CONFIG.epochs, "shuffle": False, "verbose": 0}
    trainer.fit(batches.dataset(), callbacks=[keras.callbacks.BackupAndRestore(folder / "state"), told], **how)
    model.save(folder / "model", half=True)
    return model


def fit_head(model: za.GalaxyModel, learning: Catalogue, validation: Catalogue) -> None:
    """Fit the head anew on the encoder's features: to the votes, and then to the clean classes."""
    print("head: fitted anew, first to the votes and then to the classes", flush=True)
    parts = with_votes(learning), with_votes(validation)
    views, judged = head_features(model, parts[0], 2), head_features(model, parts[1], 1)[0]
    axes = find_axes(views, components=64)
    take_over(model, "gz2_kaggle", (views[0], parts[0]), (judged, parts[1]), axes)
    how = Optimisation(epochs=20, batch_size=128, learning_rate=1e-4, weight_decay=1e-3, warmup_epochs=0, patience=6)
    stage = Stage("head", of_votes(model.tree), how)
    fit_head_to_features(model, (views, votes_of(parts[0])), (judged, votes_of(parts[1])), stage)
    parts = with_class(learning), with_class(validation)
    known, judged = (embed(model, part)[0].astype(np.float32) for part in parts)
    take_over(model, "zhu5", (known, parts[0]), (judged, parts[1]), find_axes([known], components=256))


def take_over(
    model: za.GalaxyModel,
    name: str,
    learning: tuple[NDArray[np.float32], Catalogue],
    judging: tuple[NDArray[np.float32], Catalogue],
    axes: FeatureAxes,
) -> None:
    """Give the head its most probable weights for the questions of one tree."""
    tree = za.load_tree(name)
    columns = [model.tree.columns.index(column) for column in tree.columns]
    known, judges = ((features, votes_of(part)[:, columns]) for features, part in (learning, judging))
    found = most_probable_weights(known, judges, tree, axes, precisions=PRIORS)
    kernel, bias = np.array(model.head.kernel), np.array(model.head.bias)
    kernel[:, columns], bias[columns] = found.kernel, found.bias
    model.head.kernel.assign(kernel)
    model.head.bias.assign(bias)


def set_right(model: za.GalaxyModel, validation: Catalogue) -> None:
    """Give the model the factors on its concentrations that help on votes; the classes say nothing of them."""
    tree = za.load_tree("gz2_kaggle")
    votes = votes_of(validation)[:, [model.tree.columns.index(column) for column in tree.columns]]
    posterior = for_questions(za.predict(model, validation, draws=64), tree)
    found = fit_concentration_factors(posterior, votes)
    print(found.table.round(3).to_string(index=False), flush=True)
    factors = dict(zip((question.name for question in tree.questions), found.values, strict=True))
    model.factors = np.array([factors.get(question.name, 1.0) for question in model.tree.questions])


def on_a_gpu() -> bool:
    """Whether Keras sees one."""
    return any(device.startswith(("gpu", "cuda")) for device in keras.distribution.list_devices())


def with_votes(catalogue: Catalogue) -> Catalogue:
    """The galaxies of the challenge: those that volunteers' votes are known of."""
    return catalogue.take(catalogue.table["survey"].to_numpy() == "gz2_kaggle")


def with_class(catalogue: Catalogue) -> Catalogue:
    """The galaxies of the clean sample."""
    columns = [catalogue.tree.columns.index(column) for column in za.load_tree("zhu5").columns] if catalogue.tree else []
    return catalogue.take(votes_of(catalogue)[:, columns].sum(1) > 0)


def report(epoch: int, losses: dict[str, float]) -> None:
    """Say how an epoch went."""
    judged = f", validation {losses['val_loss']:.3f}" if "val_loss" in losses else ""
    print(f"epoch {epoch}: loss {losses['loss']:.3f}{judged} nats a galaxy", flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
