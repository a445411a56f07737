"""A workspace of labels alone: it has no survey of votes, and its only task is the task of every command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zooactive.catalogue.reading import is_folder_of_images
from zooactive.training.finetuning.tasks import folder_of
from zooactive.workspace.sections import Acquire, Pool, TaskLabels
from zooactive.workspace.settings import Settings


def for_its_task(settings: Settings) -> Settings:
    """Return a workspace of labels alone with the settings of its only task, and any other workspace unchanged.

    The model, the predictions and the selection are the task's, unless the file names others. If no pool is named, the pool
    is the table of labels.
    """
    name = settings.default_task
    if name is None:
        return settings
    home, model = settings.folder, task_home(settings, name)
    pool, choice = settings.pool, settings.acquire
    if pool.predictions == home / Pool().predictions:
        pool = replace(pool, predictions=home / f"predictions-{model.name}")
    if choice.out == home / Acquire().out:
        choice = replace(choice, out=home / f"selection-{model.name}.csv")
    settings = replace(settings, pool=pool, acquire=choice, model=replace(settings.model, folder=model))
    return with_pool_of_labels(settings, settings.tasks[name])


def of_task(settings: Settings, task: str) -> Settings:
    """Return the workspace with the model, predictions and selection of a task; those of its only task have other names."""
    if task == settings.default_task:
        return settings
    home, model = settings.folder, task_home(settings, task)
    return replace(
        settings,
        model=replace(settings.model, folder=model),
        pool=replace(settings.pool, predictions=home / f"predictions-{model.name}"),
        acquire=replace(settings.acquire, out=home / f"selection-{model.name}.csv"),
    )


def task_home(settings: Settings, task: str) -> Path:
    """Return the folder of a task's fine-tuned model, also if an earlier version gave it another name."""
    return folder_of(settings.folder / "tasks", task)


def with_pool_of_labels(settings: Settings, labels: TaskLabels) -> Settings:
    """Return a workspace whose pool is a table of labels, unless the workspace names other galaxies."""
    named = (settings.pool.catalogue, settings.pool.embeddings, settings.survey.catalogue)
    if labels.labels is None or any(name is not None for name in named):
        return settings
    pool = replace(settings.pool, catalogue=labels.labels, images=settings.pool.images or labels.images)
    if is_folder_of_images(labels.labels):
        return replace(settings, pool=pool)
    survey = replace(
        settings.survey,
        id_column=settings.survey.id_column or labels.id_column,
        image_column=settings.survey.image_column or labels.image_column,
    )
    return replace(settings, pool=pool, survey=survey)
