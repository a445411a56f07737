"""Fine-tune a trained encoder to a new question with a few hundred labels: a new head on frozen features, then the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.catalogue.image_statistics import ImageStatistics
from zooactive.foundation.errors import TrainingError
from zooactive.foundation.showing import watch_of
from zooactive.foundation.stopping import kept_when_stopped
from zooactive.foundation.telling import Auto, StageProgress, Watch, Within
from zooactive.models.embedding_model import EmbeddingModel
from zooactive.models.holds import Holds, network_of, network_with_images
from zooactive.models.loading import AnyModel, load_network
from zooactive.models.saved_form import BUNDLED
from zooactive.posterior import Posterior
from zooactive.posterior.loss import constant_concentrations
from zooactive.training.calibrate.shares import shares_of, with_shares
from zooactive.training.calibrate.temperature import fit_temperature, with_temperature
from zooactive.training.finetuning.checks import (
    Parts,
    decided,
    head_alone,
    readable,
    refuse_strange_prevalence,
    refuse_too_few,
    warn_of_few,
    with_embeddings,
)
from zooactive.training.finetuning.config import FinetuneConfig as FinetuneConfig
from zooactive.training.finetuning.finetuned_model import FinetunedModel as FinetunedModel
from zooactive.training.finetuning.finetuned_model import load_finetuned as load_finetuned
from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers
from zooactive.training.finetuning.folds import label_of
from zooactive.training.finetuning.number_tasks import Measured, NumberTask
from zooactive.training.finetuning.numbers import finetune_numbers, number_config
from zooactive.training.finetuning.tasks import Task, load_task
from zooactive.training.head_features import head_features
from zooactive.training.short_fits import Stage, of_votes
from zooactive.training.weights import label_weights, votes_of
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel, LinearHead
    from zooactive.prediction.embeddings import Embeddings

_COMPONENTS = 256
"""The largest number of principal components of the features that a new head uses."""
_PRECISIONS = (30_000.0, 10_000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0)
"""The precisions of the prior on the head's weights that are tried; the validation galaxies choose one."""


@overload
def finetune(
    model: AnyModel | Holds | FinetunedNumbers | None,
    labels: Catalogue | str | Path,
    *,
    task: str | Path | Task,
    images: str | Path | None = None,
    embeddings: Embeddings | None = None,
    config: FinetuneConfig | None = None,
    progress: Auto | StageProgress | Watch[StageProgress] = "auto",
) -> FinetunedModel: ...


@overload
def finetune(
    model: AnyModel | Holds | FinetunedNumbers | None,
    labels: Catalogue | Measured | str | Path,
    *,
    task: NumberTask,
    images: str | Path | None = None,
    embeddings: Embeddings | None = None,
    config: FinetuneConfig | None = None,
    progress: Auto | StageProgress | Watch[StageProgress] = "auto",
) -> FinetunedNumbers: ...


def finetune(
    model: AnyModel | Holds | FinetunedNumbers | None,
    labels: Catalogue | Measured | str | Path,
    *,
    task: str | Path | Task | NumberTask,
    images: str | Path | None = None,
    embeddings: Embeddings | None = None,
    config: FinetuneConfig | None = None,
    progress: Auto | StageProgress | Watch[StageProgress] = "auto",
) -> FinetunedModel | FinetunedNumbers:
    """Learn a new question from a few hundred labels.

    The encoder's features are computed once, in several orientations. A new head is fitted to them in seconds, by maximum a
    posteriori. The validation galaxies choose the width of its Gaussian prior. Then, depending on the policy, some or all of
    the encoder's blocks learn as well, lower ones more slowly, with frozen batch norms. For single labels, the probabilities
    are calibrated at the end on the validation galaxies. The given model is not changed.

    A task whose labels are numbers gets a Bayesian linear head instead: see `zooactive.models.head.number_fit`.

    Parameters
    ----------
    model : GalaxyModel, FinetunedModel, FinetunedNumbers or None
        The model whose encoder is used, or what was fine-tuned before; None for the encoder that comes with zooactive.
    labels : Catalogue or path
        The table of labels, read as the task says.
    task : str, path, Task or NumberTask
        One of `list_tasks`, a TOML file, or the result of `task_of_column` for a column of labels (see
        `zooactive.training.finetuning.tasks`).
    images : path, optional
        The folder where relative image paths start.
    embeddings : Embeddings, optional
        The result of `zooactive.read_embeddings`, from any encoder. A head is fitted to the embeddings of the labelled
        galaxies; no model and no images are needed. The new model then takes embeddings of the same encoder.
    config : FinetuneConfig, optional
    progress : callable, "auto" or None
        Called after each epoch with the stage, the number of the epoch in it (from 1) and its losses. "auto" shows the
        progress as `zooactive.train` does; None or False shows nothing.

    Returns
    -------
    FinetunedModel, or FinetunedNumbers of a NumberTask

    Raises
    ------
    TrainingError
        If too few galaxies are labelled, or all have one label; also for a policy that needs images if embeddings are given.
    ModelError
        If the model takes embeddings, and images are to be learnt from.

    Warns
    -----
    UserWarning
        If the images look unlike the encoder's training images, fewer than ten galaxies have some label, or labelled
        galaxies have no embedding.
    """
    config, watch = config or FinetuneConfig(), watch_of(progress)
    with kept_when_stopped(lambda: "nothing is kept of a fine-tuning before its end; run it again to start over"):
        if isinstance(task, NumberTask):
            config = number_config(config)
            start = _network_of(model) if embeddings is None else None
            return finetune_numbers(
                start, labels, task=task, images=images, embeddings=embeddings, config=config, watch=watch
            )
        task = load_task(task)
        if isinstance(labels, Measured):
            raise TrainingError(f"the labels of task '{task.name}' were read as numbers; give the table's path")
        with watch.show("getting ready", 0):
            catalogue = task.read(labels, images=images)
            labelled = catalogue.take(np.flatnonzero(catalogue.labelled))
        if embeddings is not None:
            return _finetune(_Work.on_embeddings(embeddings, task, labelled, config, watch))
        return _finetune(_Work.begin(_network_of(model), task, labelled, config, watch))


def _network_of(model: AnyModel | Holds | FinetunedNumbers | None) -> GalaxyModel:
    """Return the network whose encoder is used; a ModelError says that there is none."""
    if isinstance(model, FinetunedNumbers):
        return network_with_images(model.model.network)
    return load_network(BUNDLED) if model is None else network_with_images(network_of(model))


def _finetune(work: _Work) -> FinetunedModel:
    """Fine-tune a model and show the progress."""
    task, config = work.task, work.config
    parts_of = Parts(work.labelled, work.tree, config)
    tables = []
    if config.folds:
        for number, (train, validation, test) in enumerate(parts_of.folds()):
            fold = work.shown_as(f"fold {number + 1} of {config.folds}")
            tables.append(fold.held_out(fold.fit(train, validation)[0], test).assign(fold=number))
        train, validation = parts_of.last()
        work = work.shown_as("last fit")
    else:
        train, validation, test = parts_of.split()
    tuned, history = work.fit(train, validation)
    held_out = _joined(tables) if config.folds else work.held_out(tuned, test)
    prior = work.prior(train) if work.tree.votes == "class" else None
    if config.prevalence is not None:
        assert prior is not None
        _put(with_shares(tuned.linear_head(), prior, (config.prevalence, 1 - config.prevalence)), tuned)
    if not isinstance(tuned, EmbeddingModel):
        tuned.images = ImageStatistics.of(work.labelled, tuned.preprocessing)
    warn_of_few(work.labelled, work.tree)
    return FinetunedModel(tuned, task, held_out, _table(history), prior, config.prevalence)


@dataclass(frozen=True, eq=False)
class _Work:
    """The data that all fits of a task share: labelled galaxies, features by the frozen encoder, and settings."""

    start: AnyModel
    task: Task
    tree: DecisionTree
    labelled: Catalogue
    views: NDArray[np.float32] | None
    config: FinetuneConfig
    watch: Watch[StageProgress]

    @classmethod
    def begin(
        cls, model: GalaxyModel, task: Task, labelled: Catalogue, config: FinetuneConfig, watch: Watch[StageProgress]
    ) -> _Work:
        with watch.show("getting ready", 0):
            tree = task.load_tree()
            refuse_strange_prevalence(tree, config)
            preprocessing = task.preprocessing(model.preprocessing)
            labelled = readable(labelled, preprocessing)
            refuse_too_few(labelled, tree, config)
            config, _ = decided(config, tree, len(labelled))
            start = model.with_tree(
                tree,
                concentrations="fraction" if tree.votes == "class" else None,
                preprocessing=preprocessing,
            )
            if start.images is not None:
                start.images.warn_of_unlike(labelled, start.preprocessing, stacklevel=4)
        views = None if config.policy == "all" else head_features(start, labelled, config.copies, show=watch.show)
        return cls(start, task, tree, labelled, views, config, watch)

    @classmethod
    def on_embeddings(
        cls, embeddings: Embeddings, task: Task, labelled: Catalogue, config: FinetuneConfig, watch: Watch[StageProgress]
    ) -> _Work:
        """Use embeddings as features, for those labelled galaxies that have one."""
        tree = task.load_tree()
        refuse_strange_prevalence(tree, config)
        config = head_alone(config)
        labelled, features = with_embeddings(labelled, embeddings)
        refuse_too_few(labelled, tree, config)
        start = EmbeddingModel(
            tree,
            features=embeddings.width,
            encoder=embeddings.encoder,
            scale=embeddings.scale(),
            concentrations="fraction" if tree.votes == "class" else "softplus",
        )
        views = start.of(features).astype(np.float32)[None]
        return cls(start, task, tree, labelled, views, config, watch)

    def shown_as(self, part: str) -> _Work:
        """Return the same work, with its progress shown as one of its parts."""
        return replace(self, watch=replace(self.watch, show=Within(self.watch.show, part)))

    @property
    def balance(self) -> float:
        """The balance of the labels; shares of votes are not weighed, because their frequency is part of their meaning."""
        return self.config.balance if self.tree.votes == "class" else 0.0

    # One fit ---------------------------------------------------------------------------------------------------------

    def fit(self, train: NDArray[np.int64], validation: NDArray[np.int64]) -> tuple[AnyModel, list[dict[str, Any]]]:
        """Fit a model to the labels of the training rows; the validation rows choose its best epochs and calibrate it."""
        config = self.config
        tuned = self.start.with_tree(self.tree)
        votes = votes_of(self.labelled)
        tuned.start_at(constant_concentrations(votes[train], self.tree))
        history: list[dict[str, Any]] = []
        if self.views is not None:
            history.append(self._fit_head(tuned, self.views, train, validation))
        if config.free_blocks != 0 and not isinstance(tuned, EmbeddingModel):
            history += self._fit_encoder(tuned, train, validation)
        if self.tree.votes == "class":
            self._set_right(tuned, train, validation)
        return tuned, history

    def _fit_head(
        self,
        tuned: AnyModel,
        views: NDArray[np.float32],
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
    ) -> dict[str, Any]:
        """Fit the head by maximum a posteriori to all orientations of the images, which count as one galaxy together."""
        from zooactive.models import find_axes
        from zooactive.models.head.bayesian import most_probable_weights

        known, votes = views[:, train], votes_of(self.labelled)
        counts = [label_weights(votes[rows], votes[train], self.tree, self.balance) for rows in (train, validation)]
        with self.watch.show("the head", len(_PRECISIONS), "fits") as report:
            found = most_probable_weights(
                (np.concatenate(known), np.tile(votes[train], (len(known), 1))),
                (views[0][validation], votes[validation]),
                self.tree,
                find_axes(known, components=_COMPONENTS),
                weights=(np.tile(counts[0], len(known)) / len(known), counts[1]),
                concentrations=tuned.concentrations,
                precisions=_PRECISIONS,
                progress=report,
            )
        tuned.put_head(found.kernel, found.bias)
        losses = {"loss": found.loss, "val_loss": found.losses[found.precision]}
        self.watch.tell("head", 1, losses)
        return {"stage": "head", "epoch": 1, **losses}

    def _fit_encoder(
        self, tuned: GalaxyModel, train: NDArray[np.int64], validation: NDArray[np.int64]
    ) -> list[dict[str, Any]]:
        from zooactive.models.freezing import free_everything, free_last_blocks, layer_rates
        from zooactive.training.batches import Cutouts
        from zooactive.training.network import training_network

        config = self.config
        free_last_blocks(tuned.encoder, config.free_blocks)
        canvas = config.augmentation.canvas(tuned.preprocessing)
        known, judged = self.labelled.take(train), self.labelled.take(validation)
        votes, judges = votes_of(known), votes_of(judged)
        rates = layer_rates(tuned.encoder, config.layer_decay)
        stage = Stage("encoder", of_votes(self.tree), config.optimisation, rates)
        history = stage.fit(
            training_network(tuned, augmentation=config.augmentation, seed=config.seed, encoder_training=False),
            (Cutouts(known, canvas, show=self.watch.show), votes),
            (
                Cutouts(judged, canvas, show=self.watch.show).rows(np.arange(len(judged))),
                judges,
                label_weights(judges, votes, self.tree, self.balance),
            ),
            watch=self.watch,
            weights=label_weights(votes, votes, self.tree, self.balance),
        )
        free_everything(tuned.encoder)
        return history

    def _set_right(self, tuned: AnyModel, train: NDArray[np.int64], validation: NDArray[np.int64]) -> None:
        """Calibrate the head's outputs as probabilities of labels that are as common as in the table.

        The outputs are divided by the temperature that fits the validation galaxies, with labels weighed as in the fit. Then
        the probabilities are corrected from these weights to the labels' shares.
        """
        head, votes = tuned.linear_head(), votes_of(self.labelled)
        logits = self._features(tuned, validation).astype(np.float32) @ head.kernel + head.bias
        weights = label_weights(votes[validation], votes[train], self.tree, self.balance)
        head = with_temperature(head, fit_temperature(logits, label_of(self.labelled)[validation], weights))
        weighed = shares_of(votes[train], self.tree, self.balance)
        _put(with_shares(head, weighed, self.prior(train)), tuned)

    def _features(self, tuned: AnyModel, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """Return the input of a fitted model's head for some rows; a frozen encoder's features are already known."""
        if self.views is not None and self.config.free_blocks == 0 and tuned.preprocessing.scales == (1.0,):
            known: NDArray[np.float32] = self.views[0][rows]
            return known
        assert not isinstance(tuned, EmbeddingModel)
        from zooactive.models.features import embed

        with self.watch.show("features of the images", len(rows)) as report:
            features: NDArray[np.float16] = embed(tuned, self.labelled.take(rows), progress=report)[0]
        return features

    # The results -----------------------------------------------------------------------------------------------------------

    def held_out(self, tuned: AnyModel, rows: NDArray[np.int64]) -> pd.DataFrame:
        """Return expected fractions and votes of galaxies that a model was not trained on."""
        import pandas as pd

        galaxies = self.labelled.take(rows)
        mean, votes = np.empty((0, len(self.tree.columns))), votes_of(galaxies)
        if len(rows):  # with the draws of `zooactive.predict`, so that both give the same numbers
            draws = tuned.linear_head().posterior_concentrations(self._features(tuned, rows), draws=64, seed=0)
            mean = Posterior(draws, galaxies.ids, self.tree).mean()
        columns: dict[str, Any] = {"id": galaxies.ids}
        for i, column in enumerate(self.tree.columns):
            columns |= {column: mean[:, i], f"{column}_votes": votes[:, i]}
        return pd.DataFrame(columns)

    def prior(self, train: NDArray[np.int64]) -> tuple[float, ...]:
        """Return the shares of the labels among the training galaxies, for which the probabilities are correct."""
        return tuple(map(float, shares_of(votes_of(self.labelled)[train], self.tree)))


def _put(head: LinearHead, tuned: AnyModel) -> None:
    """Replace the weights of a model's head."""
    tuned.put_head(head.kernel, head.bias)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


def _table(history: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(history)
