"""Which change to the training of the bundled encoder helps? Tries on fewer pixels, judged by validation galaxies alone.

    python tests/benchmarks/bench_encoder_tries.py FOLDER [TRY ...]         default: those that were not tried yet
    python tests/benchmarks/bench_encoder_tries.py FOLDER report

FOLDER holds lite0.safetensors and lite2.safetensors, of `examples/long/lite0_weights.py`; the last tries need the first
stage's model of `examples/long/train_encoder.py` as FOLDER/tries/one stage at 192 pixels. Each try trains as that stage
does, from ImageNet's weights on the Kaggle challenge's learning part, but at 96 pixels and for 12 epochs, with one thing
changed. It is judged by what a head learns on the features, with a Gaussian prior: the votes
of the challenge's validation part (nats a galaxy, mean accuracy), of which one half chooses the prior for the other; and,
carried to another task, the five clean classes of 3,000 galaxies that the encoder was not trained on from 400 others, five
times. No test tenth is opened, nor rings or Hubble. Differences from "today" are of the same galaxies, with 95% intervals
(of the mean over galaxies; over the five drawings).
``encoder_tries.csv`` beside this file holds what was measured of every try, galaxy by galaxy; weights stay in the folder,
and a try that goes on from another one needs them. A try takes from ten minutes of a core to half an hour.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "long"))
from train_encoder import CLEAN, CROP, OTHERS, SPLIT, VIEWS, Halves, both_sets, together, without_those

import zooactive as za
from zooactive.catalogue import Catalogue, combine_catalogues
from zooactive.catalogue.surveys import join_catalogues
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop.metrics import metrics_of
from zooactive.models import find_axes, fit_bayesian_head, load_network, start_from_published
from zooactive.models.backbones.efficientnet_lite0 import lite_encoder
from zooactive.models.backbones.register import register_backbone
from zooactive.models.features import embed
from zooactive.models.head.laplace import losses_of
from zooactive.models.published.architectures import ARCHITECTURES
from zooactive.models.published.encoders import PublishedEncoder, take_published
from zooactive.models.published.state import read_state
from zooactive.posterior import Posterior
from zooactive.posterior.loss import constant_concentrations
from zooactive.training.augment_layers import augment
from zooactive.training.augmentation import Augmentation
from zooactive.training.batches import Cutouts, TrainingBatches
from zooactive.training.config import TrainingConfig
from zooactive.training.optimiser import compile_training
from zooactive.training.weights import votes_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
EPOCHS, BATCH, FIRST = 12, 64, "one stage at 192 pixels"
LITE2 = (  # as in `zooactive.models.backbones.efficientnet_lite0`: 1.1 times as wide, 1.2 times as deep
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)
DRAWINGS, FEW, JUDGED = 5, 400, 3000
KEPT = Path(__file__).with_name("encoder_tries.csv")


@dataclass(frozen=True)
class Try:
    """What is changed."""

    size: int = 96
    network: str = "lite0"
    views: Augmentation = VIEWS
    epochs: int = EPOCHS
    grey: float = 0.0
    """The share of images that are shown grey."""

    stretch: float = 0.0
    """Pixels are raised to a power between 1 / (1 + this) and 1 + this, as another stretch would show them."""

    classes: float = 0.0
    """How many galaxies with a clean class are learnt from, as a share of those with votes; steps stay as many."""

    site: bool = False
    """Learn also the example images that Galaxy Zoo's pages show, with the answers that they are examples of."""

    expected: bool = False
    """Galaxies with a class, and without votes, have those that the encoder of "today" expects of them, at half weight."""

    alike: float = 0.0
    """The weight of a self-supervised term: two views of an image without labels have similar features (`Alike`)."""

    after: str = ""
    """The try, or `FIRST`, from whose weights this one goes on, with the rate's schedule from its beginning."""

    halves: bool = False
    """Half of each batch are galaxies with votes, and half are any of the galaxies with a class that may be learnt."""

    averaged: bool = False
    """Take the mean of the weights at the ends of the last third of the epochs."""

    trained: bool = True


TRIES = {
    "ImageNet's Lite0, not trained": Try(trained=False),
    "ImageNet's Lite2, not trained": Try(network="lite2", trained=False),
    "today": Try(),
    "today, another seed": Try(),
    "mean of the weights": Try(averaged=True),
    "more colour": Try(views=replace(VIEWS, brightness=0.1, contrast=0.3, saturation=0.6, hue=0.1)),
    "a fifth grey": Try(grey=0.2),
    "another stretch": Try(stretch=0.8),
    "wider scales": Try(views=replace(VIEWS, scale=(0.6, 1.4), shift=0.08)),
    "votes and classes": Try(classes=1.0),
    "Lite2": Try(network="lite2"),
    "128 pixels": Try(size=128),
    "24 epochs": Try(epochs=24),
    "48 epochs": Try(epochs=48),
    "24 epochs, votes and classes": Try(epochs=24, classes=1.0),
    "24 epochs, votes, classes and examples": Try(epochs=24, classes=1.0, site=True),
    "24 epochs, votes and expected votes": Try(epochs=24, classes=1.0, expected=True),
    "views alike": Try(alike=1.0),
    "the first stage": Try(size=192, after=FIRST, trained=False),
    "the first stage, then 24 epochs of votes and classes": Try(size=192, after=FIRST, epochs=24, halves=True),
    "24 epochs, then 24 more": Try(epochs=24, after="24 epochs"),
    "24 epochs, then 24 of votes and classes": Try(epochs=24, after="24 epochs", classes=1.0),
}


class Changed(keras.layers.Layer):  # type: ignore[misc]
    """Show some images grey, and all of them in another stretch, while a network trains."""

    def __init__(self, grey: float, stretch: float) -> None:
        super().__init__()
        self.grey, self.stretch = grey, stretch
        self.generator = keras.random.SeedGenerator(5)

    def call(self, pixels: Any, training: bool | None = None) -> Any:
        """Change pixels from 0 to 1, (batch, side, side, 3)."""
        if not training:
            return pixels
        ops, number = keras.ops, keras.ops.shape(pixels)[0]
        if self.stretch:
            high = float(np.log1p(self.stretch))
            power = ops.exp(keras.random.uniform((number, 1, 1, 1), -high, high, seed=self.generator))
            pixels = ops.power(ops.clip(pixels, 1e-3, 1.0), power)
        if self.grey:
            chosen = keras.random.uniform((number, 1, 1, 1), seed=self.generator) < self.grey
            pixels = ops.where(chosen, ops.mean(pixels, axis=-1, keepdims=True), pixels)
        return pixels


class Alike(keras.layers.Layer):  # type: ignore[misc]
    """Add a loss that is small where two views of an image have like features, which differ from those of other images.

    That of Bardes, Ponce & LeCun 2022 (VICReg, ICLR), with the weights that they use: 25 times the mean squared difference
    of the views, 25 times how far the spread of a number over the batch falls short of 1, and the squares of the
    covariances of different numbers.
    """

    def __init__(self, weight: float, numbers: int = 512) -> None:
        super().__init__()
        self.weight = weight
        self.projected = keras.Sequential(
            [
                keras.layers.Dense(numbers),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
                keras.layers.Dense(numbers),
            ]
        )

    def call(self, features: Any, labelled: Any, training: bool | None = None) -> Any:
        """Return what a network says of labelled images as it is; the features of both views are (2, batch, feature)."""
        ops = keras.ops
        views = [self.projected(features[view], training=training) for view in range(2)]
        loss = 25 * ops.mean((views[0] - views[1]) ** 2)
        for view in views:
            around = view - ops.mean(view, axis=0)
            number, width = ops.cast(ops.shape(view)[0], view.dtype), view.shape[-1]
            loss += 12.5 * ops.mean(ops.relu(1 - ops.sqrt(ops.var(view, axis=0) + 1e-4)))
            covariance = ops.matmul(ops.transpose(around), around) / (number - 1)
            loss += (ops.sum(covariance**2) - ops.sum(ops.diagonal(covariance) ** 2)) / width
        self.add_loss(self.weight * loss)
        return labelled


class Averaged(keras.callbacks.Callback):  # type: ignore[misc]
    """Sum a network's weights at the ends of the last epochs, and put their mean in place when training ends."""

    def __init__(self, encoder: Any, first: int) -> None:
        super().__init__()
        self.encoder, self.first, self.sums, self.number = encoder, first, list[NDArray[np.float64]](), 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add this epoch's."""
        if epoch >= self.first:
            now = [np.asarray(weight, dtype=np.float64) for weight in self.encoder.get_weights()]
            self.sums = now if not self.number else [a + b for a, b in zip(self.sums, now, strict=True)]
            self.number += 1

    def on_train_end(self, logs: Any = None) -> None:
        """Take the mean."""
        self.encoder.set_weights([total / self.number for total in self.sums])


def galaxies() -> tuple[Catalogue, Catalogue, Catalogue, Catalogue]:
    """Return the challenge's learning and validation galaxies, and the classes to learn from and to judge by."""
    votes, classes = both_sets(DATA)
    learning, validation, _ = votes.split(SPLIT)
    return learning, validation, *without_those(classes, votes)


def without_labels(learning: Catalogue, learnt: Catalogue) -> Catalogue:
    """Return images of four surveys for the self-supervised term; what is judged is not among them."""
    euclid = za.read_catalogue(DATA / "euclid_q1" / "galaxies.parquet")
    lenses = za.read_catalogue(DATA / "spacewarps_cfhtls" / "galaxies.csv")
    parts = [learning.without_votes(), replace(learnt.without_votes(), field_crops=np.full(len(learnt), 240 / 256))]
    return join_catalogues(*(replace(part, table=part.table[[]]) for part in (*parts, euclid, lenses)))


def examples() -> Catalogue:
    """Return the images that Galaxy Zoo's pages show as examples, each with the answers that it is an example of."""
    table = pd.read_csv(DATA / "gz_site" / "galaxies.csv", dtype=str)
    asked = [name for name in table.columns[6:19] if table[name].nunique() > 1]
    answers = {name: sorted(set(table[name].dropna()) - {"overlapping;ring"}) for name in asked}
    questions = [za.Question(f"site {name}", found, single_label=True) for name, found in answers.items()]
    tree = za.DecisionTree("gz_site", questions, min_votes=1)
    votes = np.concatenate(
        [(table[name].to_numpy()[:, None] == np.array(answers[name])) * CLEAN for name in answers], axis=1
    )
    some = votes.sum(1) > 0
    images = tuple(DATA / "gz_site" / file for file in table["file_loc"][some])
    ids = table["id"][some].to_numpy(dtype=object)
    return Catalogue(ids, images, votes[some], tree, pd.DataFrame(index=range(len(ids))), source="gz_site", min_votes=1)


def mixed(how: Try, learning: Catalogue, learnt: Catalogue, folder: Path) -> Catalogue:
    """Return what a try learns from: the challenge's votes, and labels of other galaxies."""
    if how.halves:
        return together(learning, learnt.take(np.arange(OTHERS)))
    if not how.classes:
        return learning
    number = round(how.classes * len(learning))
    some = learnt.take(np.argsort(uniform_from_ids(learnt.ids, purpose="with votes", seed=0))[:number])  # type: ignore[arg-type]
    if how.expected:
        shown = replace(some.without_votes(), field_crops=np.full(len(some), 240 / 256))
        expects = za.predict(load_network(folder / "tries" / "today"), shown, draws=1)
        votes = 20 * expects.joint_mean()
        assert learning.votes is not None
        whole = join_catalogues(learning, replace(shown, table=learning.table[:0].reindex(range(len(shown)))))
        return replace(whole, votes=np.concatenate([learning.votes, votes]))
    if not how.site:
        return together(learning, some)
    assert some.votes is not None
    parts = [learning, replace(some, votes=CLEAN * some.votes), examples()]
    return combine_catalogues(parts, name="votes_and_classes", crops=[1.0, 240 / 256, 1.0])


def model_of(how: Try, folder: Path, tree: za.DecisionTree) -> za.GalaxyModel:
    """Build the network with ImageNet's weights."""
    if how.after:
        return load_network(folder / "tries" / how.after).with_tree(tree)
    if how.network == "lite0":
        model = za.GalaxyModel(tree, backbone="efficientnet_lite0", image_size=how.size, crop=CROP)
        start_from_published(model, folder / "lite0.safetensors")
        return model
    register_backbone("efficientnet_lite2", BUILDER)
    model = za.GalaxyModel(tree, backbone="efficientnet_lite2", image_size=how.size, crop=CROP)
    path = folder / "lite2.safetensors"
    arrays = {name: array for name, array in read_state(path).items() if not name.endswith("num_batches_tracked")}
    # Lite2's layers have Lite0's names.
    take_published(model.encoder, PublishedEncoder(path, ARCHITECTURES["tf_efficientnet_lite0"], arrays))
    return model


BUILDER = partial(lite_encoder, "efficientnet_lite2", LITE2)


def train(
    how: Try, model: za.GalaxyModel, learning: Catalogue, others: Catalogue, steps: int, seed: int, folder: Path
) -> float:
    """Train as many steps as the galaxies with votes make; return the last epoch's loss.

    `others` are the images whose views shall be alike, half a batch of them a step, if there is such a term. A long training
    keeps its state in `folder`.
    """
    config = TrainingConfig(
        epochs=how.epochs, batch_size=BATCH, learning_rate=7e-4, weight_decay=0.02, warmup_epochs=0.5, seed=seed
    )
    votes = votes_of(learning)
    model.start_at(constant_concentrations(votes, model.tree))
    canvas = how.views.canvas(model.preprocessing)
    batches = TrainingBatches(Cutouts(learning, canvas), votes, BATCH, seed=seed)
    if how.halves:
        batches = Halves(learning, canvas, seed)
    changed = [Changed(how.grey, how.stretch)] if how.grey or how.stretch else []

    def seen(images: Any, seed: int) -> Any:
        """Show images as a network that learns sees them."""
        pixels = augment(keras.layers.Rescaling(1 / 255, dtype="float32")(images), how.views, how.size, seed=seed)
        return changed[0](pixels) if changed else pixels

    inputs = [keras.Input((canvas.size, canvas.size, 3), dtype="uint8")]
    said, flow = model.head(model.encoder(seen(inputs[0], seed))), batches.dataset()
    if how.alike:
        inputs.append(keras.Input((canvas.size, canvas.size, 3), dtype="uint8"))
        # In these two passes the batch norms are frozen: other surveys' images do not move their statistics.
        views = [model.encoder(seen(inputs[1], seed + 10 * view), training=False) for view in (1, 2)]
        said = Alike(how.alike)(keras.ops.stack(views), said)
        more = TrainingBatches(Cutouts(others, canvas), np.zeros((len(others), 1), dtype=np.float32), BATCH // 2, seed=seed)
        flow = type(flow).zip((flow, more.dataset())).map(lambda one, other: ((one[0], other[0]), one[1]))
    trainer = keras.Model(inputs, said)
    compile_training(trainer, model.tree, config, steps)
    callbacks: list[Any] = [Averaged(model.encoder, how.epochs - how.epochs // 3)] if how.averaged else []
    if how.size > 128:  # an hour or more: a killed try goes on after its last epoch
        callbacks.append(keras.callbacks.BackupAndRestore(folder))
    history = trainer.fit(flow, steps_per_epoch=steps, epochs=how.epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return float(history.history["loss"][-1])


def measure(model: za.GalaxyModel, learning: Catalogue, validation: Catalogue, classes: Catalogue) -> dict[str, Any]:
    """Fit heads to the features, and measure them on galaxies that neither the encoder nor the head has learnt from."""
    features = {part: embed(model, part)[0] for part in (learning, validation)}
    x, votes, axes = (
        features[learning],
        votes_of(learning),
        find_axes([features[learning].astype(np.float32)], components=128),
    )
    assert learning.tree is not None
    unseen, truth = features[validation], votes_of(validation)
    losses, concentrations = np.zeros(len(validation)), np.zeros((64, *truth.shape))
    # Galaxies that the encoder has learnt from flatter a weak prior, so one half of the others chooses it for the rest.
    first = uniform_from_ids(validation.ids, purpose="judges", seed=0) < 0.5
    for chooses in (first, ~first):
        head = fit_bayesian_head((x, votes), (unseen[chooses], truth[chooses]), learning.tree, axes).head
        losses[~chooses] = losses_of(head, unseen[~chooses], truth[~chooses], draws=64)
        concentrations[:, ~chooses] = head.posterior_concentrations(unseen[~chooses], draws=64, seed=0)
    accuracy = metrics_of(Posterior(concentrations, validation.ids, learning.tree), truth.astype(float))["accuracy"]
    assert classes.tree is not None
    seen = model.with_tree(classes.tree, preprocessing=replace(model.preprocessing, crop=CROP * 240 / 256))
    order = np.argsort(uniform_from_ids(classes.ids, purpose="drawings", seed=0))[: JUDGED + DRAWINGS * FEW]  # type: ignore[arg-type]
    chosen = classes.take(order)
    x, truth = embed(seen, chosen)[0], votes_of(chosen)
    others = slice(0, JUDGED)
    told = []
    for number in range(DRAWINGS):
        rows = np.arange(JUDGED + number * FEW, JUDGED + (number + 1) * FEW)
        parts = [(x[some], truth[some]) for some in (rows[FEW // 5 :], rows[: FEW // 5])]
        axes = find_axes([x[rows].astype(np.float32)], components=128)
        few = fit_bayesian_head(parts[0], parts[1], classes.tree, axes, concentrations="fraction").head
        mean = few.posterior_concentrations(x[others], draws=64, seed=0)
        shares = (mean / mean.sum(-1, keepdims=True)).mean(0)
        right = (shares.argmax(-1) == truth[others].argmax(-1)).mean()
        told.append((float(losses_of(few, x[others], truth[others], draws=64).mean()), float(right)))
    return {"losses": losses, "accuracy": accuracy, "classes": np.array(told)}


def main(folder: Path, names: list[str]) -> None:
    """Try what was not tried before, and report."""
    learning, validation, learnt, judged = galaxies()
    for name in names:
        file, how, began = folder / "tries" / f"{name}.npz", TRIES[name], time.process_time()
        if file.exists():
            continue
        file.parent.mkdir(exist_ok=True)
        keras.utils.set_random_seed(0)
        parts = mixed(how, learning, learnt, folder)
        assert parts.tree is not None
        saved = folder / "tries" / name
        model, loss = load_network(saved) if saved.is_dir() else model_of(how, folder, parts.tree), np.nan
        if how.trained and not saved.is_dir():
            others = without_labels(learning, learnt) if how.alike else learning
            seed = 1 if "another seed" in name else 0
            loss = train(how, model, parts, others, len(learning) // BATCH, seed, folder / "tries" / f"{name}, state")
            model.save(saved, half=True)
        measured = measure(model.with_tree(za.load_tree("gz2_kaggle")), learning, validation, judged)
        minutes = (time.process_time() - began) / 60
        np.savez(file, **measured, minutes=minutes, loss=loss)
        print(f"{name}: {minutes:.1f} min of a processor, {measured['losses'].mean():.3f} nats a galaxy", flush=True)
    report(folder)


def measured_tries(folder: Path) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return what was measured of each try: as the table keeps it, and of new ones as the folder does; keep these too."""
    table = pd.read_csv(KEPT, index_col=["what", "which"], dtype={"which": str}) if KEPT.exists() else pd.DataFrame()
    for name in TRIES:
        file = folder / "tries" / f"{name}.npz"
        if file.exists() and name not in table:
            one = np.load(file)
            values = {("minutes", "all"): float(one["minutes"]), ("accuracy", "all"): float(one["accuracy"])}
            for number, (nats, right) in enumerate(one["classes"], start=1):
                values |= {("class nats", str(number)): nats, ("class accuracy", str(number)): right}
            values |= {("nats", galaxy): loss for galaxy, loss in zip(galaxies()[1].ids, one["losses"], strict=True)}
            index = pd.MultiIndex.from_tuples(values, names=["what", "which"])
            table[name] = pd.Series(list(values.values()), index=index).round(4)
    table.to_csv(KEPT)
    return {
        name: {what: table.loc[what, name].to_numpy(dtype=float) for what in table.index.unique("what")}
        for name in TRIES
        if name in table
    }


def report(folder: Path) -> None:
    """Print what was measured, beside "today"."""
    found, rows = measured_tries(folder), []
    today = found.get("today")
    for name, one in found.items():
        row = {
            "try": name,
            **{what: values.mean() for what, values in one.items()},
        }
        if today is not None and name != "today":
            for what in ("nats", "class nats", "class accuracy"):
                row[f"{what}, less"] = interval(one[what] - today[what])
        rows.append(row)
    with pd.option_context("display.width", 220, "display.max_columns", 20):
        print(pd.DataFrame(rows).round(3).astype(object).fillna("").to_string(index=False))


def interval(values: NDArray[np.float64]) -> str:
    """Tell a mean with its 95% interval by Student's t."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})"


if __name__ == "__main__":
    place, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    if words == ["report"]:
        report(place)
    else:
        tried = set(pd.read_csv(KEPT, nrows=0).columns) if KEPT.exists() else set()
        main(place, words or [name for name in TRIES if name not in tried])
