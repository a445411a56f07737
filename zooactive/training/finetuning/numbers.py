"""Learn a number from a few hundred labels: a Bayesian linear head on embeddings or features; the encoder may learn too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.catalogue.image_statistics import ImageStatistics
from zooactive.foundation.errors import TrainingError
from zooactive.foundation.telling import StageProgress, Watch, Within
from zooactive.models.embedding_model import EmbeddingModel
from zooactive.models.head.bayesian import find_axes
from zooactive.models.head.number_fit import Judges, Noise, NumberFit, fit_number_head
from zooactive.models.head.number_head import NumberHead
from zooactive.models.loading import AnyModel
from zooactive.models.number_model import NumberModel
from zooactive.training.finetuning.checks import Parts, head_alone, readable, with_embeddings
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers, beside_labels
from zooactive.training.finetuning.number_tasks import Measured, NumberTask
from zooactive.training.head_features import head_features
from zooactive.training.short_fits import Stage
from zooactive.tree import DecisionTree, Question

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel
    from zooactive.prediction.embeddings import Embeddings

_COMPONENTS, _GALAXIES_A_COMPONENT = 256, 3
"""The largest number of principal components of the features that a head uses, and the number of galaxies per component.
With as many components as galaxies, each galaxy would have its own direction, and the uncertainty of the others could not be
known."""

_FLOOR = 1.0
"""The share of the median spread added to each feature's spread; it lowered the error of Hubble's magnitudes by 10%."""

_NO_TREE = DecisionTree("number", (Question("number", ("yes", "no")),))
"""The tree of a model that is kept only for its scaling of embeddings."""


def number_config(config: FinetuneConfig) -> FinetuneConfig:
    """Return the settings of a fit to numbers, where "auto" means the head; a TrainingError for settings of questions."""
    if config.prevalence is not None:
        raise TrainingError(f"prevalence = {config.prevalence} is for yes-or-no labels, but these are numbers; leave it out")
    if config.policy == "all":
        raise TrainingError(
            "policy = 'all' trains everything at once, but the noise of numbers comes from a head that was fitted "
            "before; use 'staged'"
        )
    return replace(config, policy="head") if config.policy == "auto" else config


def finetune_numbers(
    model: GalaxyModel | None,
    labels: Measured | Catalogue | str | Path,
    *,
    task: NumberTask,
    images: str | Path | None,
    embeddings: Embeddings | None,
    config: FinetuneConfig,
    watch: Watch[StageProgress],
) -> FinetunedNumbers:
    """Learn a number from a few hundred labels, as described in `zooactive.finetune`.

    Raise a TrainingError if too few galaxies have a number, all have the same, or a setting is not for numbers.
    """
    config = number_config(config)
    measured = labels if isinstance(labels, Measured) else task.read(labels, images=images)
    measured.refuse_unlearnable()
    if embeddings is not None:
        return _finetune(_NumberWork.on_embeddings(embeddings, task, measured, head_alone(config), watch))
    if model is None:
        raise TrainingError("a number cannot be learnt from images without an encoder; give a model, or embeddings")
    return _finetune(_NumberWork.on_images(model, task, measured, config, watch))


def _finetune(work: _NumberWork) -> FinetunedNumbers:
    import pandas as pd

    parts_of = Parts(work.measured.in_fifths(), work.measured.in_fifths().require_votes().tree, work.config)
    tables = []
    if work.config.folds:
        for number, (train, validation, test) in enumerate(parts_of.folds()):
            fold = work.shown_as(f"fold {number + 1} of {work.config.folds}")
            tables.append(fold.held_out(fold.fit(train, validation), test).assign(fold=number))
        train, validation = parts_of.last()
        work = work.shown_as("last fit")
        learnt = work.fit(train, validation)
    else:
        train, validation, test = parts_of.split()
        learnt = work.fit(train, validation)
        tables.append(work.held_out(learnt, test))
    network = learnt.network
    if not isinstance(network, EmbeddingModel):
        network.images = ImageStatistics.of(work.measured.catalogue, network.preprocessing)
    model = NumberModel(work.task.column, learnt.head.head, network)
    held_out = pd.concat(tables, ignore_index=True)
    return FinetunedNumbers(model, work.task, held_out, pd.DataFrame(learnt.history), dict(work.measured.left_out))


@dataclass(frozen=True, eq=False)
class _NumberWork:
    """The data that all fits of a number share: labels, and features of the frozen encoder, (view, galaxy, feature)."""

    start: AnyModel
    task: NumberTask
    measured: Measured
    views: NDArray[np.float32]
    config: FinetuneConfig
    watch: Watch[StageProgress]

    @classmethod
    def on_images(
        cls, model: GalaxyModel, task: NumberTask, measured: Measured, config: FinetuneConfig, watch: Watch[StageProgress]
    ) -> _NumberWork:
        with watch.show("getting ready", 0):
            preprocessing = task.preprocessing(model.preprocessing)
            measured = _of(measured, readable(measured.catalogue, preprocessing))
            measured.refuse_unlearnable()
            start = model.with_tree(model.tree, preprocessing=preprocessing)
            if start.images is not None:
                start.images.warn_of_unlike(measured.catalogue, start.preprocessing, stacklevel=5)
        views = head_features(start, measured.catalogue, config.copies, show=watch.show)
        return cls(start, task, measured, views, config, watch)

    @classmethod
    def on_embeddings(
        cls,
        embeddings: Embeddings,
        task: NumberTask,
        measured: Measured,
        config: FinetuneConfig,
        watch: Watch[StageProgress],
    ) -> _NumberWork:
        known, features = with_embeddings(measured.catalogue, embeddings)
        measured = _of(measured, known)
        measured.refuse_unlearnable()
        start = EmbeddingModel(
            _NO_TREE,
            features=embeddings.width,
            encoder=embeddings.encoder,
            scale=embeddings.scale(),
        )
        return cls(start, task, measured, start.of(features).astype(np.float32)[None], config, watch)

    def shown_as(self, part: str) -> _NumberWork:
        """Return the same work, with its progress shown as one of its parts."""
        return replace(self, watch=replace(self.watch, show=Within(self.watch.show, part)))

    def fit(self, train: NDArray[np.int64], validation: NDArray[np.int64]) -> _Learnt:
        """Fit a head, and then, depending on the policy, the encoder and another head.

        The encoder stays unchanged if no epoch lowers the validation loss.
        """
        learnt = self._fit_head(train, validation)
        if self.config.free_blocks == 0 or isinstance(learnt.network, EmbeddingModel):
            return learnt
        history = list(learnt.history)
        network = self._fit_encoder(learnt, train, validation, history)
        history = [entry | {"kept": entry.get("kept", False)} for entry in history]
        if network.encoder_fingerprint() == learnt.network.encoder_fingerprint():
            return replace(learnt, history=history)
        later = replace(self, start=network, views=head_features(network, self.measured.catalogue, self.config.copies))
        staged = later._fit_head(train, validation, encoder_has_seen=True, stage="the head anew")
        return replace(staged, history=[*(entry | {"kept": False} for entry in history), *staged.history])

    def _fit_head(
        self,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        *,
        encoder_has_seen: bool = False,
        stage: str = "head",
    ) -> _Learnt:
        """Fit with either kind of noise, let the validation galaxies choose, and fit that kind to both parts.

        If the encoder was trained on the labels, the validation galaxies only determine the variances.
        """
        history, densities = list[dict[str, Any]](), dict[Noise, NDArray[np.float64]]()
        kinds: tuple[Noise, ...] = ("constant", "features")
        judges = self._judges(validation) if encoder_has_seen else None
        fits = dict[Noise, NumberFit]()
        with self.watch.show(f"the {stage.removeprefix('the ')}", len(kinds) + 1, "fits") as report:
            for done, noise in enumerate(kinds):
                fits[noise] = fit = self._fit(train, noise, judges)
                densities[noise] = self._log_density(fit, validation)
                losses = {"loss": -float(self._log_density(fit, train).mean()), "val_loss": -float(densities[noise].mean())}
                history.append({"stage": stage, "epoch": 1, "noise": noise, **losses})
                report(done + 1)
            chosen: Noise = "features" if clearly_better(densities["features"], densities["constant"]) else "constant"
            fit = fits[chosen] if judges is not None else self._fit(np.concatenate([train, validation]), chosen)
            report(len(kinds) + 1)
        kept = history[kinds.index(chosen)]
        self.watch.tell("head", 1, {name: kept[name] for name in ("loss", "val_loss")})
        told = [entry | {"kept": entry is kept} for entry in history]
        return _Learnt(self.start, fit, fits[chosen], told, self.views[0])

    def _fit_encoder(
        self,
        learnt: _Learnt,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        history: list[dict[str, Any]],
    ) -> GalaxyModel:
        """Return a copy of the network with trained blocks; the loss is the labels' density under the head's noise."""
        import keras

        from zooactive.models.freezing import free_everything, free_last_blocks, layer_rates
        from zooactive.training.batches import Cutouts
        from zooactive.training.losses import NumberLoss
        from zooactive.training.network import training_network

        assert not isinstance(learnt.network, EmbeddingModel)
        config, head = self.config, learnt.unjudged.head
        network = learnt.network.with_tree(learnt.network.tree)
        free_last_blocks(network.encoder, config.free_blocks)
        back = head.axes.back() @ head.weights
        linear = keras.layers.Dense(1, dtype="float32", name="number")
        linear.build((None, head.features))
        linear.set_weights([back[:-1, None], back[-1:]])
        canvas = config.augmentation.canvas(network.preprocessing)
        pictures = [
            Cutouts(self.measured.catalogue.take(rows), canvas, show=self.watch.show) for rows in (train, validation)
        ]
        stage = Stage(
            "encoder", lambda: NumberLoss(head.share), config.optimisation, layer_rates(network.encoder, config.layer_decay)
        )
        epochs = stage.fit(
            training_network(
                network, augmentation=config.augmentation, seed=config.seed, encoder_training=False, head=linear
            ),
            (pictures[0], self._known(head, train)),
            (
                pictures[1].rows(np.arange(len(validation))),
                self._known(head, validation),
                np.ones(len(validation), dtype=np.float32),
            ),
            watch=self.watch,
        )
        unit = float(np.log(head.scale))  # the loss is for labels in the head's unit
        history += [{**epoch, **{name: epoch[name] + unit for name in ("loss", "val_loss")}} for epoch in epochs]
        free_everything(network.encoder)
        return network

    def _known(self, head: NumberHead, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the loss's targets, in the head's unit: label, both variances, side of a limit, (galaxy, 4)."""
        measured, told = self.measured.take(rows), head.predict(self.views[0][rows])
        unit, errors = head.scale**2, 0.0 if measured.errors is None else measured.errors**2
        sides = np.zeros(len(rows)) if measured.limits is None else measured.limits
        variances = [(told.weight + part + errors) / unit for part in (told.noise, told.wide)]
        return np.column_stack([(measured.values - head.centre) / head.scale, *variances, sides]).astype(np.float32)

    def _fit(self, rows: NDArray[np.int64], noise: Noise, judges: Judges | None = None) -> NumberFit:
        views, measured = self.views[:, rows], self.measured.take(rows)
        components = min(_COMPONENTS, max(2, len(rows) // _GALAXIES_A_COMPONENT))
        axes = find_axes(views, components=components, floor=_FLOOR)
        return fit_number_head(
            views, measured.values, axes, errors=measured.errors, limits=measured.limits, noise=noise, judges=judges
        )

    def _judges(self, rows: NDArray[np.int64]) -> Judges:
        measured = self.measured.take(rows)
        return Judges(self.views[0][rows], measured.values, measured.errors, measured.limits)

    def _log_density(self, fit: NumberFit, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the log density of each label, or for a limit the log probability of a number beyond it."""
        measured, expected = self.measured.take(rows), fit.head.predict(self.views[0][rows])
        told = expected if measured.errors is None else expected.with_errors(measured.errors)
        found = told.log_density(measured.values)
        return (
            found
            if measured.limits is None
            else np.where(measured.known, found, told.log_beyond(measured.values, measured.limits > 0))
        )

    def held_out(self, learnt: _Learnt, rows: NDArray[np.int64]) -> pd.DataFrame:
        """Return predictions for galaxies that a head was not fitted to, next to their labels."""
        return beside_labels(self.measured.take(rows), learnt.head.head.predict(learnt.features[rows]))


@dataclass(frozen=True, eq=False)
class _Learnt:
    """The result of a fit: a network, a head on its features, the history, and the features of all galaxies.

    `unjudged` is the head that was not fitted to the validation galaxies, so heads can be compared by it.
    """

    network: AnyModel
    head: NumberFit
    unjudged: NumberFit
    history: list[dict[str, Any]]
    features: NDArray[np.float32]


def clearly_better(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Return whether log densities of the same galaxies are higher by more than two standard errors of their difference."""
    more = one - other
    return len(more) > 1 and float(more.mean()) > 2 * float(more.std(ddof=1)) / np.sqrt(len(more))


def _of(measured: Measured, galaxies: Catalogue) -> Measured:
    """Return the measurements of the galaxies that are left in a catalogue, with its images."""
    if len(galaxies) == len(measured):
        return measured
    row_of = {galaxy_id: row for row, galaxy_id in enumerate(measured.catalogue.ids)}
    return measured.take(np.array([row_of[galaxy_id] for galaxy_id in galaxies.ids], dtype=np.int64))
