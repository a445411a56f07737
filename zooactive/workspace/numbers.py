"""Tasks whose labels are numbers: train, evaluate and predict them, and the workspace of such a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.locking import held
from zooactive.foundation.provenance import Making
from zooactive.foundation.remote_folders import delete_folder
from zooactive.foundation.telling import NOTHING, Show, StageProgress, Tell, Watch, silent
from zooactive.foundation.writing import file_hash, how_of, write_how
from zooactive.models.saved_form import takes_embeddings
from zooactive.training.finetuning.checks import head_alone
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers, beside_labels, is_number_task, load_numbers
from zooactive.training.finetuning.number_tasks import Measured, NumberTask
from zooactive.training.finetuning.numbers import finetune_numbers, number_config
from zooactive.workspace.embeddings import embeddings_record, pool_of_embeddings, read_given, with_recorded
from zooactive.workspace.finetuned import known_embeddings, labels_record, task_folder, task_meant
from zooactive.workspace.labels_alone import task_home, with_pool_of_labels
from zooactive.workspace.options import as_path
from zooactive.workspace.origin import record_origin
from zooactive.workspace.predict import stored_embeddings
from zooactive.workspace.sections import TaskLabels
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import (
    folders_of_images,
    galaxies_from,
    labels_from,
    learnt,
    model_from,
    predicted,
)
from zooactive.workspace.task_metrics import Judges, TaskMetrics, write_measures
from zooactive.workspace.told import failures_told

if TYPE_CHECKING:
    from zooactive.models.number_model import NumberModel
    from zooactive.prediction.numbers import NumberPredictions

_POLICY = "policy head: a head on frozen features (--policy staged adds the encoder)"


def learn_number(
    settings: Settings,
    labels: TaskLabels,
    task: NumberTask,
    config: FinetuneConfig,
    folder: Path,
    start: Callable[[], Path],
    *,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> FinetunedNumbers:
    """Fine-tune to a number, write the result into a folder and return it.

    `start` returns the model whose encoder is used; it is only called if no embeddings are named.
    """
    config = number_config(config)
    if settings.pool.embeddings is not None:
        config = head_alone(config)
    assert labels.labels is not None
    measured = task.read(labels.labels, images=labels.images)
    measured.refuse_unlearnable()
    if measured.left_out:
        tell("left out: " + ", ".join(f"{number} {reason}" for reason, number in measured.left_out.items()))
    tell(_POLICY if config.policy == "head" else f"policy {config.policy}, as asked for")
    network = start() if settings.pool.embeddings is None else None
    given = {"model": model_from(network), "embeddings": settings.pool.embeddings}
    made = Making("finetune", labels_from(labels) | given, unmarked=("images",))
    made.took("images", measured.catalogue.images)
    record: dict[str, Any] = {}
    inputs = {str(labels.labels): file_hash(labels.labels)} if labels.labels.is_file() else {}
    with held(folder):
        embeddings, encoder = None, None
        with progress("getting ready", 0):
            if network is None:
                embeddings, record = read_given(settings), {"embeddings": embeddings_record(settings)}
            else:
                from zooactive.models import load_network

                encoder = load_network(network)
                inputs["model"] = encoder.fingerprint()
        watch: Watch[StageProgress] = Watch(progress)
        tuned = finetune_numbers(
            encoder, measured, task=task, images=labels.images, embeddings=embeddings, config=config, watch=watch
        )
        tuned.save(folder)
        read = {"labels": labels.labels, "images": labels.images, "left_out": dict(measured.left_out)}
        options = {"task": task.to_dict(), **read, "config": asdict(config), **record}
        write_how(folder, command="finetune", options=options, inputs=inputs)
        learnt(made, tuned, folder, len(measured), dict(measured.left_out))
    return tuned


@dataclass(frozen=True, eq=False)
class NumberMetrics(TaskMetrics):
    """The metrics of a model that predicts a number: those of `FinetunedNumbers.evaluate`."""

    task: NumberTask


def evaluate_number(
    settings: Settings, *, column: str | None = None, out: str | Path | None = None, progress: Show = NOTHING
) -> NumberMetrics:
    """Measure a model of numbers, and write ``evaluation.csv``, ``.json`` and ``.html`` as `evaluate` does for questions.

    If a table is named as the catalogue, the model is measured on the table's galaxies that it was not trained on, by its
    `column`. Otherwise it is measured on the held-out galaxies of its own labels. Raises a WorkspaceError if no galaxy is
    left.
    """
    from zooactive.report import number_finding

    folder, judges = settings.model.folder, Judges.of(settings, column)
    tuned = load_numbers(folder)
    if judges.others:
        tuned = _on_others(settings, tuned, judges, progress)
    judges.refuse_none(len(tuned.held_out), folder)
    found = NumberMetrics(tuned.task, tuned.evaluate(), judges.source, judges.folds)
    file = write_measures(
        folder if out is None else Path(out),
        found.metrics,
        number_finding(tuned.task.name, found.metrics, tuned.held_out, {}, redshift=tuned.task.redshift),
        judges,
        model=(folder, tuned.model.fingerprint()),
        about=("column", tuned.task.column),
    )
    return replace(found, file=file)


def _on_others(settings: Settings, tuned: FinetunedNumbers, judges: Judges, progress: Show) -> FinetunedNumbers:
    """Return the model with the labels of those galaxies in a table that it was not trained on."""
    from zooactive.models import EmbeddingModel
    from zooactive.training.head_features import head_features

    survey, folder, model = settings.survey, settings.model.folder, tuned.model
    id_column, image_column = survey.id_column or tuned.task.id_column, survey.image_column or tuned.task.image_column
    column = judges.column or tuned.task.column
    task = replace(tuned.task, column=column, id_column=id_column, image_column=image_column)
    measured = task.read(judges.source, images=survey.images)
    learnt = set(labelled_ids(folder))
    if not how_of(folder)["options"]["config"].get("folds"):  # after cross-validation it was trained on nearly all
        learnt -= set(tuned.held_out["id"])
    measured = measured.take(np.flatnonzero(~np.isin(measured.catalogue.ids, list(learnt))))
    judges.refuse_none(len(measured), folder)
    if isinstance(model.network, EmbeddingModel):
        seen = read_given(with_recorded(settings, folder)).of_galaxies(measured.catalogue)
        measured = measured.take(np.flatnonzero(np.isin(measured.catalogue.ids, seen.ids)))
        features = model.network.of(seen.features)
    else:
        features = head_features(model.network, measured.catalogue, 1, show=progress)[0]
    return replace(tuned, held_out=beside_labels(measured, model.head.predict(features)))


def predict_number(
    settings: Settings,
    *,
    stored: str | Path | None = None,
    retry_failures: bool = False,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> NumberPredictions:
    """Predict the number of every galaxy of the pool with the model of the settings, or resume an interrupted run.

    `stored` names predictions of a model with the same encoder; their embeddings are used instead of the images.
    """
    from zooactive.models.number_model import load_number_model
    from zooactive.prediction.engines import ENGINES
    from zooactive.prediction.numbers import predict_numbers

    settings = with_recorded(settings, settings.model.folder)
    given = galaxies_from(settings) | {"model": model_from(settings.model.folder), "predictions": as_path(stored)}
    made = Making("predict", given, unmarked=folders_of_images(given))
    with progress("getting ready", 0):
        model = load_number_model(settings.model.folder)
    pool = settings.pool
    _clear_of_another_encoder(pool.predictions, model, tell)
    if stored is not None:
        galaxies: Any = stored_embeddings(settings, Path(stored))
    elif pool.embeddings is not None or takes_embeddings(_encoder_of(settings.model.folder)):
        galaxies = pool_of_embeddings(settings)
    else:
        catalogue = settings.read_pool()
        usual = settings.folder / "predictions"
        known = None if usual == pool.predictions else known_embeddings(usual, model.network, catalogue.ids)
        galaxies = catalogue if known is None else known
    engine = ENGINES[pool.engine](pool.workers, pool.address)
    with progress("predicting", len(galaxies)) as done:
        found = predict_numbers(
            model,
            galaxies,
            pool.predictions,
            batch_size=pool.batch_size,
            max_failures=pool.max_failures,
            retry_failures=retry_failures,
            engine=engine,
            progress=done,
        )
    failed = found.failed()
    if failed.number:
        tell(failures_told(failed, found.failures(), pool.max_failed, "run the same command with --retry-failures"))
    record_origin(settings, as_path(stored))
    predicted(made, found.folder, failed, found.failures(), settings)
    return found


def seen_by_number(
    settings: Settings, task: str | None, *, predictions: Path | None, progress: Show = NOTHING, tell: Tell = silent
) -> tuple[Settings, NumberPredictions] | None:
    """Return the settings for a task of numbers, and its predictions of the pool; None if no such task is meant.

    The pool is predicted if it was not predicted yet, unless predictions are named.
    """
    from zooactive.prediction.numbers import holds_numbers, open_numbers

    task = task_meant(settings, task, predictions)
    if task is None and predictions is not None and holds_numbers(predictions):
        return settings.with_options(pool={"predictions": predictions}), open_numbers(predictions)
    if task is None or not is_number_task(task_home(settings, task)):
        return None
    folder = task_folder(settings, task)
    settings = with_recorded(settings, folder)
    before = settings.pool.predictions
    out = predictions or (before if task == settings.default_task else settings.folder / f"predictions-{folder.name}")
    if settings.pool.embeddings is None:
        settings = with_pool_of_labels(settings, settings.tasks.get(task) or labels_record(folder))
    settings = replace(settings, model=replace(settings.model, folder=folder), pool=replace(settings.pool, predictions=out))
    if predictions is not None:
        return settings, open_numbers(predictions)
    return settings, predict_number(settings, progress=progress, tell=tell)


def labelled_ids(folder: Path) -> list[str]:
    """Return the galaxies that a task of numbers was trained on; raise a WorkspaceError if they are not known."""
    return list(measured_of(folder).catalogue.ids)


def measured_of(folder: Path) -> Measured:
    """Read the table that a task of numbers was trained on; raise a WorkspaceError if it is not known which that was."""
    try:
        options = how_of(folder)["options"]
        task = NumberTask.from_dict(options["task"], where=str(folder / "how.json"))
        return task.read(options["labels"], images=options["images"])
    except (ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{folder / 'how.json'} does not name the labels; fine-tune the task again") from error


def _encoder_of(folder: Path) -> Path:
    """Return the folder of the encoder that gives the features for a model of numbers."""
    return (folder / "model" if (folder / "model").is_dir() else folder) / "encoder"


def _clear_of_another_encoder(out: Path, model: NumberModel, tell: Tell) -> None:
    """Delete the predictions of an earlier model of this task that had another encoder."""
    from zooactive.prediction.numbers import holds_numbers
    from zooactive.prediction.stored import model_of

    if holds_numbers(out) and model_of(out) != model.network.encoder_fingerprint():
        tell(f"{out} holds predictions with another encoder than the model's, so they are made again")
        delete_folder(out)
