"""Fit a model to vote counts: the best weights are kept, and a run can be killed and goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zooactive.augmentation import Augmentation
from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.errors import TrainingError
from zooactive.evaluation import constant_concentrations
from zooactive.image_statistics import ImageStatistics
from zooactive.images import mark_of
from zooactive.stages import Stage, fit_head, label_weights, seed_epoch, votes_of
from zooactive.training_config import TrainingConfig
from zooactive.writing import aside, write_how, write_json

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from zooactive.dataset import TrainingBatches
    from zooactive.models import GalaxyModel

_VIEWS_OF_HEAD = 50_000
"""Views of the galaxies, about, that a head is fitted anew to: of few galaxies all orientations, of many the first."""

_QUICK, _PACE = 1.0, 10.0
"""Seconds that a checkpoint after each epoch may take to write; where a large network takes longer, on a GPU perhaps longer
than an epoch, so many seconds of training go by for each second of writing."""

Progress: TypeAlias = Callable[[int, dict[str, float]], None]
"""Called after each epoch with its number from 1 and its losses."""


def train(
    model: GalaxyModel,
    catalogue: Catalogue | str | Path,
    *,
    validation: Catalogue | str | Path | None = None,
    run_dir: str | Path,
    config: TrainingConfig | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Fit a model to the votes of a catalogue's labelled galaxies.

    After every epoch, or after some where writing takes long, the run directory gets a checkpoint: the same call after a
    crash goes on from it, and a call after the end returns at once. When the call returns, the model has the weights of the
    best epoch.

    Parameters
    ----------
    model : GalaxyModel
        Changed in place.
    catalogue : Catalogue or path
        Galaxies with votes; those without are left out.
    validation : Catalogue or path, optional
        Galaxies that choose the best epoch; without them the training loss does.
    run_dir : path
        Gets ``model/`` (best epoch), ``history.csv``, ``checkpoint/``, ``how.json`` and, where TensorBoard is installed,
        ``tensorboard/``.
    config : TrainingConfig, optional
    progress : callable, optional
        Called after each epoch with its number (from 1) and its losses.

    Returns
    -------
    DataFrame
        One row an epoch: epoch, loss, val_loss (nats a galaxy), learning_rate.

    Raises
    ------
    TrainingError
        When there is nothing to learn from, the loss is not finite, or the run directory holds another run.
    """
    config = config or TrainingConfig()
    learning = _labelled(read_catalogue(catalogue, tree=model.tree), model)
    judging = None if validation is None else _labelled(read_catalogue(validation, tree=model.tree), model)
    run = _Run(Path(run_dir), _fingerprint(model, learning, judging, config))
    run.open(model)
    if not run.finished:
        model.factors = None  # what another training was set right by
        _fit(model, learning, judging, config, run, progress)
    model.load_weights(run.folder / "model")
    return run.history()


def _labelled(catalogue: Catalogue, model: GalaxyModel) -> Catalogue:
    if catalogue.tree is None or catalogue.tree.columns != model.tree.columns:
        raise TrainingError(f"{catalogue.source} has no votes of tree '{model.tree.name}'; read it with that tree")
    labelled = catalogue.take(np.flatnonzero(catalogue.labelled))
    if len(labelled) == 0:
        raise TrainingError(
            f"{catalogue.source}: none of {len(catalogue)} galaxies has {catalogue.min_votes:g} votes on a first question; "
            "lower min_votes or bring more votes"
        )
    return labelled


def _fingerprint(model: GalaxyModel, learning: Catalogue, judging: Catalogue | None, config: TrainingConfig) -> str:
    digest = blake2b(json.dumps([model.to_config(), asdict(config)], sort_keys=True).encode(), digest_size=16)
    for catalogue in (learning, judging):
        if catalogue is not None and catalogue.votes is not None:
            digest.update("\n".join(catalogue.ids).encode() + b"\n" + catalogue.votes.tobytes())
            digest.update(b"\n".join(map(mark_of, catalogue.images)))
            if catalogue.field_crops is not None:
                digest.update(catalogue.field_crops.tobytes())
    return digest.hexdigest()


@dataclass
class _Run:
    """The run directory: what is known of the epochs so far, and where their weights lie."""

    folder: Path
    fingerprint: str

    def open(self, model: GalaxyModel) -> None:
        begun = {"fingerprint": self.fingerprint, "start": model.fingerprint()}
        self.state: dict[str, Any] = {**begun, "finished": False, "epochs": [], "writes": 0}
        if not self._state_file.exists():
            return
        self.state = json.loads(self._state_file.read_text())
        other = ""
        if self.state["fingerprint"] != begun["fingerprint"]:
            other = "galaxies, images or settings"
        elif self.state["start"] != begun["start"] and not self._ended_with(begun["start"]):
            other = "weights to start from"
        if other:
            raise TrainingError(f"{self.folder} holds a run with other {other}; choose another run directory or delete it")

    def _ended_with(self, fingerprint: str) -> bool:
        """Whether a model is the one that the run made: the caller asks a second time with what it got."""
        from zooactive.models import load_model

        return self.finished and load_model(self.folder / "model").fingerprint() == fingerprint

    @property
    def _state_file(self) -> Path:
        return self.folder / "checkpoint" / "state.json"

    @property
    def weights(self) -> Path:
        """The checkpoint that belongs to the state: of two files one is always whole while the other is written."""
        return self.folder / "checkpoint" / f"{self.state['writes'] % 2}.weights.h5"

    @property
    def epochs(self) -> list[dict[str, float]]:
        epochs: list[dict[str, float]] = self.state["epochs"]
        return epochs

    @property
    def finished(self) -> bool:
        return bool(self.state["finished"])

    @property
    def best_epoch(self) -> int:
        losses = [epoch["val_loss"] for epoch in self.epochs]
        return int(np.argmin(losses))

    def out_of_patience(self, patience: int) -> bool:
        """Whether the loss has not fallen for so many epochs."""
        return len(self.epochs) - 1 - self.best_epoch >= patience

    def save_state(self) -> None:
        write_json(self._state_file, self.state)
        with aside(self.folder / "history.csv") as temporary:
            self.history().to_csv(temporary, index=False)

    def history(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.epochs)


def _fit(
    model: GalaxyModel,
    learning: Catalogue,
    judging: Catalogue | None,
    config: TrainingConfig,
    run: _Run,
    progress: Progress | None,
) -> None:
    from zooactive.dataset import Cutouts, TrainingBatches, deterministic_operations, shareable, shareable_rows
    from zooactive.models.fast_layers import gradients_forgotten
    from zooactive.optimisation import compile_training, memory_explained

    if config.deterministic:
        deterministic_operations()
    assert learning.votes is not None
    model.images = ImageStatistics.of(learning, model.preprocessing)
    canvas = config.augmentation.canvas(model.preprocessing)
    votes = votes_of(learning)
    batches = TrainingBatches(
        Cutouts(learning, canvas),
        votes,
        shareable(min(config.batch_size, len(learning))),
        seed=config.seed,
        weights=label_weights(votes, votes, model.tree, config.balance) if config.balance else None,
    )
    if config.accumulate > batches.steps:
        raise TrainingError(
            f"accumulate = {config.accumulate}, but an epoch has {batches.steps} batches of {batches.batch_size} galaxies; "
            "accumulate fewer, or take smaller batches"
        )
    trainer = training_network(model, augmentation=config.augmentation, seed=config.seed)
    compile_training(trainer, model.tree, config, batches.steps)
    first = len(run.epochs)
    if first:
        trainer.build((None, canvas.size, canvas.size, canvas.channels))
        trainer.optimizer.build(trainer.trainable_variables)
        trainer.load_weights(run.weights)
    elif model.head.fresh:
        model.start_at(constant_concentrations(learning.votes, model.tree))
    held_out = None
    if judging is not None and judging.votes is not None:
        pixels = Cutouts(judging, canvas).rows(np.arange(len(judging)))
        judges = votes_of(judging)
        held_out = shareable_rows(pixels, judges, label_weights(judges, votes, model.tree, config.balance))
    keeper = _make_keeper(model, learning, batches, config, run, progress)
    memory = memory_explained(batches.batch_size, accumulate=config.accumulate)
    with memory, batches.explained(), gradients_forgotten():
        trainer.fit(
            batches.dataset(first),
            steps_per_epoch=batches.steps,
            initial_epoch=first,
            epochs=first if first and run.out_of_patience(config.patience) else config.epochs,
            validation_data=held_out,
            validation_batch_size=batches.batch_size,
            shuffle=False,
            callbacks=[keeper, *_tensorboard(run.folder)],
            verbose=0,
        )
    if config.head_epochs and judging is not None:
        _refit_head(model, learning, judging, config, run)
    run.state["finished"] = True
    run.save_state()
    write_how(
        run.folder,
        command="train",
        options={"training": asdict(config), "model": model.to_config(), "best_epoch": run.best_epoch + 1},
        inputs={"galaxies and votes": run.fingerprint, "weights to start from": run.state["start"]},
    )


def _refit_head(model: GalaxyModel, learning: Catalogue, judging: Catalogue, config: TrainingConfig, run: _Run) -> None:
    """Fit the best epoch's head anew on the features of the images as they are; it stays where that helps.

    While the encoder learns, the head follows features that move, of images that are changed at random.
    """
    model.load_weights(run.folder / "model")
    if run.state.setdefault("before_head", model.fingerprint()) != model.fingerprint():
        return  # the run was killed after the head had been fitted and kept
    run.save_state()
    copies = min(8, max(1, _VIEWS_OF_HEAD // len(learning)))
    stage = Stage(
        "head", model.tree, config.head_epochs, 2 * config.learning_rate, config.batch_size, config.patience, config.seed
    )
    history = fit_head(model, learning, judging, stage, copies=copies, balance=config.balance)
    best = min(epoch["val_loss"] for epoch in history)
    run.state["head_val_loss"] = best
    if best < run.epochs[run.best_epoch]["val_loss"]:
        model.save(run.folder / "model")


def training_network(
    model: GalaxyModel,
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    encoder_training: bool | None = None,
) -> Any:
    """Return a Keras model from uint8 pixels to concentrations that shares the weights of `model`.

    Parameters
    ----------
    model : GalaxyModel
    augmentation : Augmentation, optional
        What is done to the images while training; their size is then that of its `Augmentation.canvas`.
    seed : int
    encoder_training : bool, optional
        False holds the encoder in inference mode (its batch-norm statistics and dropout) while its weights may learn.
    """
    import keras

    from zooactive.augment import augment

    preprocessing = model.preprocessing
    canvas = preprocessing if augmentation is None else augmentation.canvas(preprocessing)
    inputs = keras.Input((canvas.size, canvas.size, canvas.channels), dtype="uint8")
    pixels = keras.layers.Rescaling(1 / 255, dtype="float32")(inputs)
    if augmentation is not None:
        pixels = augment(pixels, augmentation, preprocessing.size, seed=seed)
    features = model.encoder(pixels) if encoder_training is None else model.encoder(pixels, training=encoder_training)
    return keras.Model(inputs, model.head(features))


def _make_keeper(
    model: GalaxyModel,
    learning: Catalogue,
    batches: TrainingBatches,
    config: TrainingConfig,
    run: _Run,
    progress: Progress | None,
) -> Any:
    """Return the callback that watches the loss, keeps the best weights and writes the checkpoint.

    All of it is written together, the best weights, the last epoch's and what is known of both, after each epoch or as often
    as `_PACE` allows: a run that was killed goes on from the last time.
    """
    import keras

    class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
        async_safe = True  # under JAX no step waits until the loss of the one before was looked at

        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            self.best: list[NDArray[Any]] | None = None  # weights that are in no file yet
            self.writes_from = 0.0

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.not_finite: list[int] = []
            seed_epoch(self.model, config.seed, epoch)

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            if logs and not np.isfinite(logs["loss"]):  # the mean of the epoch so far
                self.not_finite.append(batch)
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is not None
            if self.not_finite:
                first = min(self.not_finite)
                ids = ", ".join(learning.ids[np.concatenate(batches.rows(epoch)[max(0, first - 1) : first + 1])])
                raise TrainingError(
                    f"the loss is {logs['loss']} in epoch {epoch + 1}; lower the learning rate, or look at the "
                    f"galaxies of this batch and of the one before: {ids}"
                )
            if not np.isfinite(logs.get("val_loss", 0.0)):
                ids = ", ".join(learning.ids[batches.rows(epoch)[-1]])
                raise TrainingError(
                    f"the validation loss is {logs['val_loss']} after epoch {epoch + 1}; lower the learning rate, or "
                    f"look at the galaxies of the last batch: {ids}"
                )
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            loss = float(logs["loss"])
            losses = {"loss": loss, "val_loss": float(logs.get("val_loss", loss)), "learning_rate": rate}
            run.epochs.append({"epoch": epoch + 1, **losses})
            if run.best_epoch == epoch:
                self.best = self.model.get_weights()
            if run.out_of_patience(config.patience):
                self.model.stop_training = True
            if self.model.stop_training or epoch + 1 == config.epochs or time.monotonic() >= self.writes_from:
                self.write(is_best=run.best_epoch == epoch)
            if progress is not None:
                progress(epoch + 1, losses)

        def write(self, *, is_best: bool) -> None:
            began = time.monotonic()
            run.state["writes"] += 1
            with aside(run.weights) as temporary:
                self.model.save_weights(temporary)
            if self.best is not None:
                last = None if is_best else self.model.get_weights()
                self.model.set_weights(self.best)
                model.save(run.folder / "model")
                if last is not None:
                    self.model.set_weights(last)
            self.best = None
            run.save_state()
            took = time.monotonic() - began
            self.writes_from = began + took + (_PACE * took if took > _QUICK else 0)

    return Keeper()


def _tensorboard(folder: Path) -> list[Any]:
    """TensorBoard's curves where TensorBoard is installed (extra ``tensorboard``)."""
    import importlib.util

    import keras

    if keras.backend.backend() != "tensorflow" or importlib.util.find_spec("tensorboard") is None:
        return []
    return [keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)]
