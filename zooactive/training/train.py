"""Train a model on vote counts; the best weights are kept, and a run that was killed resumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.catalogue.image_statistics import ImageStatistics
from zooactive.foundation.errors import TrainingError
from zooactive.foundation.locking import held
from zooactive.foundation.showing import watch_of
from zooactive.foundation.stopping import kept_when_stopped, stopped_between_steps
from zooactive.foundation.telling import Auto, EpochProgress, Show, Watch
from zooactive.foundation.writing import write_how
from zooactive.posterior.loss import constant_concentrations
from zooactive.training.config import Optimisation, TrainingConfig
from zooactive.training.estimate import Estimate
from zooactive.training.image_marks import ImageMarks
from zooactive.training.keeper import curves_explained, make_keeper, tensorboard_callbacks
from zooactive.training.network import training_network
from zooactive.training.run_folder import TrainingRun, run_fingerprint
from zooactive.training.short_fits import Stage, after_steps, fit_head, of_votes
from zooactive.training.weights import label_weights, votes_of

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel
    from zooactive.training.batches import TrainingBatches

_VIEWS_OF_HEAD = 50_000
"""The approximate number of views to which a head is fitted again: few galaxies in all orientations, or many in one."""


def train(
    model: GalaxyModel,
    catalogue: Catalogue | str | Path,
    *,
    validation: Catalogue | str | Path | None = None,
    run_dir: str | Path,
    config: TrainingConfig | None = None,
    progress: Auto | EpochProgress | Watch[EpochProgress] = "auto",
) -> pd.DataFrame:
    """Train a model on the votes of a catalogue's labelled galaxies.

    A checkpoint is written to the run directory after every epoch, or less often if writing takes long. If you make the same
    call after a crash, it resumes from the checkpoint. After the end, the same call returns at once, and a call with more
    epochs resumes. When the call returns, the model has the weights of the best epoch.

    Parameters
    ----------
    model : GalaxyModel
        The model to train, in place.
    catalogue : Catalogue or path
        Training galaxies with votes. Galaxies without votes are left out.
    validation : Catalogue or path, optional
        Validation galaxies, which choose the best epoch. Without them the training loss chooses it.
    run_dir : path
        The folder for ``model/`` (best epoch), ``history.csv``, ``checkpoint/``, ``how.json`` and, if TensorBoard is
        installed, ``tensorboard/``.
    config : TrainingConfig, optional
    progress : callable, "auto" or None
        Called after each epoch with its number (from 1) and its losses. "auto" shows the progress in a terminal or a
        notebook, and elsewhere with a line every half minute on stderr. None or False shows nothing.

    Returns
    -------
    DataFrame
        One row per epoch: epoch, loss, val_loss (nats per galaxy), learning_rate.

    Raises
    ------
    TrainingError
        If there are no galaxies to train on, the loss is not finite, or the run directory holds another run.
    OutputError
        If the run directory cannot be written, or another process is working in it.
    """
    config = config or TrainingConfig()
    train_part = _labelled(read_catalogue(catalogue, tree=model.tree), model)
    validation_part = None if validation is None else _labelled(read_catalogue(validation, tree=model.tree), model)
    fingerprint = run_fingerprint(model, train_part, validation_part, config)

    def with_epochs(epochs: int) -> str:
        return run_fingerprint(model, train_part, validation_part, replace(config, epochs=epochs))

    run = TrainingRun(Path(run_dir), fingerprint, ImageMarks.of(train_part, validation_part), config.epochs, with_epochs)
    run.open(model)
    if not run.finished:
        with held(run.folder):
            run.open(model)  # again, because another process may have resumed the run meanwhile
            if not run.finished:
                model.factors = None  # the calibration of an earlier training
                with kept_when_stopped(lambda: run.when_stopped(config.epochs)):
                    _fit(model, train_part, validation_part, config, run, watch_of(progress))
    model.load_weights(run.folder / "model")
    return run.history()


def _labelled(catalogue: Catalogue, model: GalaxyModel) -> Catalogue:
    catalogue.require_votes(model.tree, error=TrainingError)
    labelled = catalogue.take(np.flatnonzero(catalogue.labelled))
    if len(labelled) == 0:
        raise TrainingError(
            f"{catalogue.source}: none of {len(catalogue)} galaxies has {catalogue.min_votes:g} votes on a first question; "
            "lower min_votes or collect more votes"
        )
    return labelled


def _fit(
    model: GalaxyModel,
    train_part: Catalogue,
    validation_part: Catalogue | None,
    config: TrainingConfig,
    run: TrainingRun,
    watch: Watch[EpochProgress],
) -> None:
    from zooactive.models.backbones.fast_layers import gradients_forgotten
    from zooactive.training.batches import Cutouts, TrainingBatches
    from zooactive.training.devices import deterministic_operations, shareable, shareable_rows
    from zooactive.training.optimiser import compile_training, memory_explained

    if config.deterministic:
        deterministic_operations()
    with watch.show("getting ready", 0):
        model.images = ImageStatistics.of(train_part, model.preprocessing)
        canvas = config.augmentation.canvas(model.preprocessing)
        votes = votes_of(train_part)
        batches = TrainingBatches(
            Cutouts(train_part, canvas, show=watch.show),
            votes,
            shareable(min(config.batch_size, len(train_part))),
            seed=config.seed,
            weights=label_weights(votes, votes, model.tree, config.balance) if config.balance else None,
        )
        if config.accumulate > batches.steps:
            raise TrainingError(
                f"accumulate = {config.accumulate}, but an epoch has {batches.steps} batches of {batches.batch_size} "
                "galaxies; accumulate fewer, or use smaller batches"
            )
        trainer = training_network(model, augmentation=config.augmentation, seed=config.seed)
        compile_training(trainer, model.tree, config, batches.steps)
        first = len(run.epochs)
        if first:
            trainer.build((None, canvas.size, canvas.size, canvas.channels))
            trainer.optimizer.build(trainer.trainable_variables)
            trainer.load_weights(run.weights)
        elif model.head.fresh:
            model.start_at(constant_concentrations(train_part.require_votes().votes, model.tree))
        held_out = None
        if validation_part is not None:
            pixels = Cutouts(validation_part, canvas, show=watch.show).rows(np.arange(len(validation_part)))
            judges = votes_of(validation_part)
            held_out = shareable_rows(pixels, judges, label_weights(judges, votes, model.tree, config.balance))
    keeper = make_keeper(model, train_part, batches, config, run, watch)
    judged = 0 if validation_part is None else len(validation_part)
    memory, curves = memory_explained(batches.batch_size, accumulate=config.accumulate), curves_explained(run.folder)
    with (
        memory,
        curves,
        batches.explained(),
        gradients_forgotten(),
        _stepped(watch.show, config, batches, first, judged) as steps,
    ):
        trainer.fit(
            batches.dataset(first),
            steps_per_epoch=batches.steps,
            initial_epoch=first,
            epochs=first if first and run.out_of_patience(config.patience) else config.epochs,
            validation_data=held_out,
            validation_batch_size=batches.batch_size,
            shuffle=False,
            callbacks=[keeper, steps, *tensorboard_callbacks(run.folder)],
            verbose=0,
        )
    if config.head_epochs and validation_part is not None:
        _refit_head(model, train_part, validation_part, config, run, watch.show)
    write_how(
        run.folder,
        command="train",
        options={"training": asdict(config), "model": model.to_config(), "best_epoch": run.best_epoch + 1},
        inputs={"galaxies and votes": run.fingerprint, "weights to start from": run.state["start"]},
    )
    run.state["finished"] = True  # last: a finished run is not checked again
    run.save_state()


@contextmanager
def _stepped(show: Show, config: TrainingConfig, batches: TrainingBatches, first: int, judged: int) -> Iterator[Any]:
    """Show a training's progress by the batch, estimate its duration, and stop it between batches; yield the callback."""
    size, steps = batches.batch_size, batches.steps
    estimate = Estimate(show, config, galaxies=steps * size, judged=judged)
    shown = show(f"training, epoch {first + 1} of {config.epochs}", config.epochs * steps * size)
    with shown as report, stopped_between_steps() as between:

        def reported(done: int, doing: str = "") -> None:
            report(done, doing)
            estimate.take(done)

        yield after_steps(between, reported, "training", config.epochs, steps=steps, batch_size=size)


def _refit_head(
    model: GalaxyModel,
    train_part: Catalogue,
    validation_part: Catalogue,
    config: TrainingConfig,
    run: TrainingRun,
    show: Show,
) -> None:
    """Fit the best epoch's head again on the features of the unchanged images, and keep it if that helps.

    While the encoder learns, the head follows features that keep changing, from images that are augmented at random.
    """
    model.load_weights(run.folder / "model")
    if run.state.setdefault("before_head", model.fingerprint()) != model.fingerprint():
        return  # the run was killed after the head had been fitted and kept
    run.save_state()
    copies = min(8, max(1, _VIEWS_OF_HEAD // len(train_part)))
    how = Optimisation(
        epochs=config.head_epochs,
        batch_size=config.batch_size,
        learning_rate=2 * config.learning_rate,
        weight_decay=1e-3,
        warmup_epochs=0,
        patience=config.patience,
        seed=config.seed,
    )
    stage = Stage("the head anew", of_votes(model.tree), how)
    history = fit_head(model, train_part, validation_part, stage, copies=copies, balance=config.balance, watch=Watch(show))
    best = min(epoch["val_loss"] for epoch in history)
    run.state["head_val_loss"] = best
    if best < run.epochs[run.best_epoch]["val_loss"]:
        model.save(run.folder / "model")
