"""A workspace as one of its fine-tuned tasks sees it: that task's model, predictions and labels."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.reading import read_text
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.workspace.predict import predict_pool

if TYPE_CHECKING:
    from pathlib import Path

    from zooactive.catalogue import Catalogue
    from zooactive.models import GalaxyModel
    from zooactive.prediction import Predictions
    from zooactive.workspace.settings import Settings


def task_folder(settings: Settings, task: str) -> Path:
    """Where a task's fine-tuned model lies.

    Raises
    ------
    WorkspaceError
        When it has not been learnt yet.
    """
    from zooactive.training.finetuning.tasks import folder_name

    folder = settings.folder / "tasks" / folder_name(task)
    if not (folder / "finetuned.json").is_file():
        raise WorkspaceError(f"{folder} holds no fine-tuned model; run `zooactive finetune --task {task}` first")
    return folder


def seen_by(
    settings: Settings, task: str | None, *, predictions: Path | None, progress: Bar = no_bar, tell: Tell = silent
) -> Settings:
    """Return the settings as a task sees them, or without one, with the predictions that are named in place of the own."""
    if task is None:
        return settings.with_options(pool={"predictions": predictions})
    return as_task(settings, task, predictions=predictions, progress=progress, tell=tell)


def as_task(
    settings: Settings, task: str, *, predictions: Path | None, progress: Bar = no_bar, tell: Tell = silent
) -> Settings:
    """Return the workspace with a task's model and predictions; the pool is predicted where it has not been.

    A task of the workspace's own frozen encoder is predicted from the embeddings that are stored already.

    Raises
    ------
    WorkspaceError
        When the task has not been learnt yet.
    """
    folder = task_folder(settings, task)
    out = predictions or settings.folder / f"predictions-{folder.name}"
    before = settings.pool.predictions
    settings = replace(settings, model=replace(settings.model, folder=folder), pool=replace(settings.pool, predictions=out))
    if predictions is None:
        from zooactive.models.start import start_networks

        start_networks()
        galaxies = settings.read_pool()
        from zooactive.models import load_model

        network = load_model(folder)
        _clear_predictions_before(out, network, tell)
        known = known_embeddings(before, network, galaxies)
        predict_pool(settings, galaxies if known is None else known, network, progress=progress, tell=tell)
    return settings


def _clear_predictions_before(out: Path, network: GalaxyModel, tell: Tell) -> None:
    """Delete what this command predicted with the task's model before it learnt from more labels."""
    from zooactive.foundation.parts_folder import read_journal

    journal = read_journal(out)
    if journal is not None and journal.get("model") != network.fingerprint():
        tell(f"{out} holds predictions of the task's model before it was learnt again; they are made anew")
        shutil.rmtree(out)


def known_embeddings(folder: Path, network: GalaxyModel, galaxies: Catalogue) -> Predictions | None:
    """The predictions in a folder, when their embeddings of these galaxies are what this model's encoder would give."""
    from zooactive.foundation.errors import PosteriorError
    from zooactive.prediction import open_predictions

    try:
        stored = open_predictions(folder)
        stored.refuse_another_encoder(network)
        same = set(stored.catalogue().ids) == set(galaxies.ids)
    except PosteriorError:
        return None
    return stored if same and stored.has_embeddings else None


def labels_of(folder: Path) -> Catalogue:
    """Read the table that a task was learnt from.

    Raises
    ------
    WorkspaceError
        When it is not known any more which that was.
    """
    from zooactive.training.finetuning.tasks import Task

    try:
        options = json.loads(read_text(folder / "how.json"))["options"]
        task = Task.from_dict(options["task"], where=str(folder / "how.json"))
        return task.read(options["labels"], images=options["images"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{folder / 'how.json'} does not say what was learnt from; fine-tune the task again") from error
