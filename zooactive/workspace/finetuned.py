"""The workspace of one fine-tuned task: the task's model, predictions and labels."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import WorkspaceError, explained
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.foundation.writing import how_of
from zooactive.models.saved_form import takes_embeddings
from zooactive.training.finetuning.tasks import list_tasks
from zooactive.workspace.embeddings import names_others, on_embeddings, with_recorded
from zooactive.workspace.labels_alone import task_home, with_pool_of_labels
from zooactive.workspace.options import as_path
from zooactive.workspace.origin import folder_for, record_origin
from zooactive.workspace.predict import clear_predictions_before, galaxies_for, predict_pool
from zooactive.workspace.sections import TaskLabels

_ASKED_OF_A_COLUMN = ("id_column", "image_column", "error_column", "limit_column", "crop")

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.models.loading import AnyModel
    from zooactive.prediction import Predictions
    from zooactive.workspace.settings import Settings


def task_folder(settings: Settings, task: str) -> Path:
    """Return the folder of a task's fine-tuned model; raise a WorkspaceError if the task was not trained yet."""
    folder = task_home(settings, task)
    if not (folder / "finetuned.json").is_file():
        how = "" if task == settings.default_task else f" --task {shlex.quote(task)}"
        raise WorkspaceError(f"{folder} holds no fine-tuned model; run `zooactive finetune{how}` first")
    return folder


def seen_by(
    settings: Settings, task: str | None, *, predictions: Path | None, progress: Bar = no_bar, tell: Tell = silent
) -> Settings:
    """Return the settings for a task, or without a task, with the named predictions if there are some.

    In a workspace of labels alone, its only task is meant if neither a task nor predictions are named.
    """
    task = task_meant(settings, task, predictions)
    if task is None and predictions is None and settings.pool.embeddings is not None:
        return _by_own_model(settings, progress=progress, tell=tell)
    if task is None:
        return settings.with_options(pool={"predictions": predictions})
    return as_task(settings, task, predictions=predictions, progress=progress, tell=tell)


def seen_with_pictures(
    settings: Settings, task: str | None, *, predictions: Path | None, progress: Bar = no_bar, tell: Tell = silent
) -> Settings:
    """Return the settings as `seen_by` does, for a list that is drawn.

    If embeddings replace images, the catalogue that an option names only provides the pictures, and the galaxies are those
    of the workspace's file.
    """
    from zooactive.workspace.file import own_settings

    meant = task_meant(settings, task, predictions)
    folder = settings.model.folder if meant is None else task_home(settings, meant)
    if not on_embeddings(settings, folder):
        return seen_by(settings, task, predictions=predictions, progress=progress, tell=tell)
    asked, own = settings.pool, own_settings(settings.folder).pool
    listed = replace(settings, pool=replace(asked, catalogue=own.catalogue, images=own.images))
    seen = seen_by(listed, task, predictions=predictions, progress=progress, tell=tell)
    return replace(seen, pool=replace(seen.pool, catalogue=asked.catalogue, images=asked.images))


def _by_own_model(settings: Settings, *, progress: Bar, tell: Tell) -> Settings:
    """Predict the named embeddings with the workspace's own model, which must take embeddings."""
    from zooactive.models import load_model

    model = settings.model.folder
    if not model.exists() or not takes_embeddings(model):
        from zooactive.prediction.stored import model_of
        from zooactive.workspace.file import own_settings

        if own_settings(settings.folder).pool.embeddings == settings.pool.embeddings and model_of(settings.pool.predictions):
            return settings  # another model has predicted the workspace's embeddings
        raise WorkspaceError(
            f"{model} holds no model that takes embeddings; train one (`zooactive finetune --embeddings`) and name it with "
            "--task"
        )
    network = load_model(model)
    predict_pool(settings, galaxies_for(settings), network, progress=progress, tell=tell)
    return settings


def task_meant(settings: Settings, task: str | None, predictions: Path | None) -> str | None:
    """Return the task whose predictions a command uses: the one named, or that of a workspace of labels alone."""
    return settings.default_task if task is None and predictions is None else task


def as_task(
    settings: Settings, task: str, *, predictions: Path | None, progress: Bar = no_bar, tell: Tell = silent
) -> Settings:
    """Return the workspace with a task's model and predictions; the pool is predicted if it was not predicted yet.

    A task with the workspace's own frozen encoder is predicted from the embeddings that are stored already. Raises a
    WorkspaceError if the task was not trained yet.
    """
    folder = task_folder(settings, task)
    others = names_others(settings, folder)
    settings = with_recorded(settings, folder)
    before = settings.pool.predictions
    out = predictions or (before if task == settings.default_task else settings.folder / f"predictions-{folder.name}")
    embedded = on_embeddings(settings, folder)
    if not embedded:  # there may be many more embeddings than labels
        settings = with_pool_of_labels(settings, settings.tasks.get(task) or labels_record(folder))
    settings = replace(settings, model=replace(settings.model, folder=folder), pool=replace(settings.pool, predictions=out))
    if predictions is None:
        if others:
            out = folder_for(settings)
            settings = settings.with_options(pool={"predictions": out})
        galaxies = galaxies_for(settings)
        from zooactive.models import load_model

        network = load_model(folder)
        clear_predictions_before(out, network, tell)
        known = None if before == out else known_embeddings(before, network, galaxies.ids)
        predict_pool(settings, galaxies if known is None else known, network, progress=progress, tell=tell)
        if embedded:
            record_origin(settings)
    return settings


def known_embeddings(folder: Path, network: AnyModel, ids: Iterable[str]) -> Predictions | None:
    """Return the predictions in a folder if they hold this model's embeddings of exactly these galaxies."""
    from zooactive.foundation.errors import PosteriorError
    from zooactive.prediction import open_predictions

    try:
        stored = open_predictions(folder)
        stored.refuse_another_encoder(network)
        same = set(stored.catalogue().ids) == set(ids)
    except PosteriorError:
        return None
    return stored if same and stored.has_embeddings else None


def labels_record(folder: Path) -> TaskLabels:
    """Return where the labels of a task are that no workspace names, as far as its folder records it."""
    options = how_of(folder).get("options")
    options = options if isinstance(options, dict) else {}
    task = options.get("task")
    columns = task if isinstance(task, dict) else {}

    def text(values: dict[str, Any], name: str) -> str | None:
        return values[name] if isinstance(values.get(name), str) else None

    return TaskLabels(
        labels=as_path(text(options, "labels")),
        images=as_path(text(options, "images")),
        id_column=text(columns, "id_column"),
        image_column=text(columns, "image_column"),
    )


def to_learn_again(settings: Settings, task: str) -> dict[str, object]:
    """Return the options with which `zooactive finetune` learns a task again, as the workspace or the task's folder says.

    ``labels`` is the table, which is an argument on the command line; it is missing if the workspace names it.
    """
    named = settings.tasks.get(task)
    if task == settings.default_task:
        return {}
    if named is not None and named.labels is not None:
        return {"task": task}
    options = how_of(task_home(settings, task)).get("options")
    asked = options.get("task") if isinstance(options, dict) else None
    if not isinstance(options, dict) or not isinstance(asked, dict) or not isinstance(options.get("labels"), str):
        return {"task": task}
    column = asked.get("column") or asked.get("label_column")
    which = {"task": task} if column is None or task in list_tasks() else {"column": column}
    columns = {name: asked.get(name) for name in _ASKED_OF_A_COLUMN} if "column" in which else {}
    embeddings = options.get("embeddings")
    given = {**which, "images": options.get("images"), **columns, **(embeddings if isinstance(embeddings, dict) else {})}
    return {"labels": options["labels"], **{name: value for name, value in given.items() if value is not None}}


def learnt_from(folder: Path) -> set[str]:
    """Return the galaxies that a task was trained or validated on; the set is empty if the model is not a task's.

    After cross-validation, the final model was trained on nearly all galaxies.
    """
    import pandas as pd

    if not (folder / "finetuned.json").is_file():
        return set()
    known = labels_of(folder)
    labelled = set(known.ids[known.labelled])
    config = how_of(folder)["options"].get("config")
    if isinstance(config, dict) and config.get("folds"):
        return labelled
    held_out = folder / "held_out.csv"
    with explained(WorkspaceError, f"{held_out} cannot be read ({{reason}}); fine-tune the task again"):
        return labelled - set(pd.read_csv(held_out, dtype=str, usecols=["id"])["id"])


def labels_of(folder: Path) -> Catalogue:
    """Read the table that a task was trained on; raise a WorkspaceError if it is not known which table that was."""
    from zooactive.catalogue.set_aside import MAX_SET_ASIDE
    from zooactive.training.finetuning.tasks import Task

    try:
        options = how_of(folder)["options"]
        task = Task.from_dict(options["task"], where=str(folder / "how.json"))
        most = options.get("max_set_aside", MAX_SET_ASIDE)  # older tasks do not record it
        return task.read(options["labels"], images=options["images"], max_set_aside=most)
    except (ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{folder / 'how.json'} does not name the labels; fine-tune the task again") from error
