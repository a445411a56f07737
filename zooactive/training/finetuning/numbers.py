"""A number learnt from a few hundred labels: a Bayesian linear head on frozen features, or on embeddings."""

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
from zooactive.models.head.number_fit import Noise, NumberFit, fit_number_head
from zooactive.models.loading import AnyModel
from zooactive.models.number_model import NumberModel
from zooactive.posterior.numbers import NumberPosterior
from zooactive.training.finetuning.checks import Parts, readable, with_embeddings
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers
from zooactive.training.finetuning.number_tasks import Measured, NumberTask
from zooactive.training.head_features import head_features
from zooactive.tree import DecisionTree, Question

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel
    from zooactive.prediction.embeddings import Embeddings

_COMPONENTS, _GALAXIES_A_COMPONENT = 256, 3
"""Principal axes of the features that a head looks at, at most, and galaxies for each of them: on as many axes as galaxies,
each galaxy would have a direction of its own, and nobody could say how uncertain the others are."""

_FLOOR = 1.0
"""Of the median spread of the features, added to each one's: on Hubble's magnitudes it lowered the error by a tenth."""

_NO_TREE = DecisionTree("number", (Question("number", ("yes", "no")),))
"""Of a model that is kept for how it scales embeddings alone."""


def number_config(config: FinetuneConfig) -> FinetuneConfig:
    """Return the settings of a fit to numbers, in which the head alone learns; a TrainingError for those of questions."""
    if config.policy not in ("auto", "head"):
        raise TrainingError(
            f"policy = '{config.policy}' teaches the encoder, and numbers are learnt by the head alone; leave it away"
        )
    if config.prevalence is not None:
        raise TrainingError(
            f"prevalence = {config.prevalence}: it is of yes-or-no labels, and these are numbers; leave it away"
        )
    return replace(config, policy="head")


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
    """Learn a number from a few hundred labels, as `zooactive.finetune` says it.

    Raises a TrainingError when too few galaxies have a number, or all the same, and for settings that are not for numbers.
    """
    config = number_config(config)
    measured = labels if isinstance(labels, Measured) else task.read(labels, images=images)
    measured.refuse_unlearnable()
    if embeddings is not None:
        return _finetune(_NumberWork.on_embeddings(embeddings, task, measured, config, watch))
    if model is None:
        raise TrainingError("a number was to be learnt from images without an encoder; give a model, or embeddings")
    return _finetune(_NumberWork.on_images(model, task, measured, config, watch))


def _finetune(work: _NumberWork) -> FinetunedNumbers:
    import pandas as pd

    parts_of = Parts(work.measured.in_fifths(), work.measured.in_fifths().require_votes().tree, work.config)
    tables = []
    if work.config.folds:
        for number, (train, validation, test) in enumerate(parts_of.folds()):
            fold = work.shown_as(f"fold {number + 1} of {work.config.folds}")
            tables.append(fold.held_out(fold.fit(train, validation)[0], test).assign(fold=number))
        train, validation = parts_of.last()
        work = work.shown_as("last fit")
        fit, history = work.fit(train, validation)
    else:
        train, validation, test = parts_of.split()
        fit, history = work.fit(train, validation)
        tables.append(work.held_out(fit, test))
    network = work.start
    if not isinstance(network, EmbeddingModel):
        network.images = ImageStatistics.of(work.measured.catalogue, network.preprocessing)
    model = NumberModel(work.task.column, fit.head, network)
    held_out = pd.concat(tables, ignore_index=True)
    return FinetunedNumbers(model, work.task, held_out, pd.DataFrame(history), dict(work.measured.left_out))


def expected_columns(expected: NumberPosterior) -> dict[str, Any]:
    """Return the columns of a table that say what is expected: mean, deviation, and the ends of intervals."""
    return {"mean": expected.mean, "deviation": expected.deviation(), **expected.intervals()}


@dataclass(frozen=True, eq=False)
class _NumberWork:
    """What all fits of a number share: the labels, and the features of the frozen encoder, (view, galaxy, feature)."""

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
            if model.images is not None:
                model.images.warn_of_unlike(measured.catalogue, start.preprocessing, stacklevel=5)
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
        """Return the same work, shown as one of its parts."""
        return replace(self, watch=replace(self.watch, show=Within(self.watch.show, part)))

    def fit(self, train: NDArray[np.int64], validation: NDArray[np.int64]) -> tuple[NumberFit, list[dict[str, Any]]]:
        """Fit with either kind of noise, let the validation galaxies choose, and fit that kind to both parts."""
        history, densities = list[dict[str, Any]](), dict[Noise, NDArray[np.float64]]()
        kinds: tuple[Noise, ...] = ("constant", "features")
        with self.watch.show("the head", len(kinds) + 1, "fits") as report:
            for done, noise in enumerate(kinds):
                fit = self._fit(train, noise)
                densities[noise] = self._log_density(fit, validation)
                losses = {"loss": -float(self._log_density(fit, train).mean()), "val_loss": -float(densities[noise].mean())}
                history.append({"stage": "head", "epoch": 1, "noise": noise, **losses})
                report(done + 1)
            chosen: Noise = "features" if clearly_better(densities["features"], densities["constant"]) else "constant"
            fit = self._fit(np.concatenate([train, validation]), chosen)
            report(len(kinds) + 1)
        kept = history[kinds.index(chosen)]
        self.watch.tell("head", 1, {name: kept[name] for name in ("loss", "val_loss")})
        return fit, [entry | {"kept": entry is kept} for entry in history]

    def _fit(self, rows: NDArray[np.int64], noise: Noise) -> NumberFit:
        views, measured = self.views[:, rows], self.measured.take(rows)
        components = min(_COMPONENTS, max(2, len(rows) // _GALAXIES_A_COMPONENT))
        axes = find_axes(views, components=components, floor=_FLOOR)
        return fit_number_head(views, measured.values, axes, errors=measured.errors, noise=noise)

    def _log_density(self, fit: NumberFit, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        measured, expected = self.measured.take(rows), fit.head.predict(self.views[0][rows])
        known = expected if measured.errors is None else expected.with_errors(measured.errors)
        return known.log_density(measured.values)

    def held_out(self, fit: NumberFit, rows: NDArray[np.int64]) -> pd.DataFrame:
        """Return what is expected of galaxies that a head has not learnt from, beside their labels."""
        import pandas as pd

        measured, expected = self.measured.take(rows), fit.head.predict(self.views[0][rows])
        errors = {} if measured.errors is None else {"error": measured.errors}
        parts = {name: getattr(expected, name) for name in ("weight", "noise", "share", "wide")}
        return pd.DataFrame(
            {"id": measured.catalogue.ids, "label": measured.values, **errors, **expected_columns(expected), **parts}
        )


def clearly_better(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Return whether log densities of the same galaxies are higher by more than two standard errors of their difference."""
    more = one - other
    return len(more) > 1 and float(more.mean()) > 2 * float(more.std(ddof=1)) / np.sqrt(len(more))


def _of(measured: Measured, galaxies: Catalogue) -> Measured:
    """Return those of the galaxies that are left in a catalogue, with its images."""
    if len(galaxies) == len(measured):
        return measured
    row_of = {galaxy_id: row for row, galaxy_id in enumerate(measured.catalogue.ids)}
    return measured.take(np.array([row_of[galaxy_id] for galaxy_id in galaxies.ids], dtype=np.int64))
