"""`zooactive finetune`: carry the model to a new question."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    ImagesOption,
    JsonOption,
    ModelOption,
    SeedOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    open_workspace,
    print_table,
    progress_bar,
    start_networks,
)
from zooactive.writing import make_folder

if TYPE_CHECKING:
    from zooactive.finetuning import FinetuneConfig
    from zooactive.workspace import TaskLabels, Workspace


def command(
    labels: Annotated[
        Path | None, typer.Argument(help="Table of labels (default: the workspace's).", show_default=False)
    ] = None,
    task: Annotated[str, typer.Option(help="The question: a task's name or its .toml file.")] = "rings",
    *,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    images: ImagesOption = None,
    head_epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of the new head on frozen features, at most.", show_default=False)
    ] = None,
    unfreeze_epochs: Annotated[
        int | None, typer.Option(min=0, help="Then this many epochs with all weights free.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: tasks/TASK).", show_default=False)] = None,
    seed: SeedOption = None,
    json: JsonOption = False,
) -> None:
    """Learn a new question from a few hundred labels, and say how well on galaxies held out."""
    place = open_workspace(workspace, model={"folder": model})
    settings = _settings(place, task, labels=labels, images=images)
    folder = out or place.folder / "tasks" / Path(task).stem
    make_folder(folder)
    start_networks()
    from zooactive.finetuning import FinetuneConfig

    config = FinetuneConfig(
        head_epochs=head_epochs or settings.head_epochs or FinetuneConfig.head_epochs,
        unfreeze_epochs=settings.unfreeze_epochs if unfreeze_epochs is None else unfreeze_epochs,
        seed=seed or 0,
    )
    metrics = _learn(_encoder_of(place, model), settings, config, folder)
    import pandas as pd

    galaxies = int(metrics.pop("galaxies"))
    print_table(pd.DataFrame([{"task": task, "galaxies": galaxies, **metrics}]), as_json=json)
    note(f"measured on {galaxies} galaxies that were neither trained on nor used to stop the training")
    last_line(
        f"The fine-tuned model is in {folder / 'model'}; {folder / 'held_out.csv'} has the held-out galaxies",
        command_line("predict", workspace=workspace, model=folder, out=f"predictions-{Path(task).stem}"),
    )


def _learn(start: Path, settings: TaskLabels, config: FinetuneConfig, folder: Path) -> dict[str, float]:
    """Fine-tune, write the result into a folder, and return what was measured on the galaxies held out."""
    from zooactive.finetuning import finetune
    from zooactive.models import load_model
    from zooactive.writing import file_hash, write_how

    labels, task, images = settings.labels, settings.task, settings.images
    assert labels is not None
    assert task is not None
    encoder = load_model(start)
    with progress_bar("learning the task, epochs", config.head_epochs + config.unfreeze_epochs) as progress:

        def told(stage: str, epoch: int, losses: dict[str, float]) -> None:
            progress(epoch + (config.head_epochs if stage == "all" else 0))

        tuned = finetune(encoder, labels, task=task, images=images, config=config, progress=told)
    tuned.save(folder)
    options = {"task": task, "labels": labels, "images": images, "config": asdict(config)}
    inputs = {"model": encoder.fingerprint(), str(labels): file_hash(labels)}
    write_how(folder, command="finetune", options=options, inputs=inputs)
    return tuned.evaluate()


def _encoder_of(place: Workspace, model: Path | None) -> Path:
    """What to start from: a model that is named or that the workspace has trained, else what comes with zooactive."""
    from zooactive.tree_files import BUNDLED

    if model is not None or place.model.folder.exists():
        return place.model.folder
    note(f"{place.model.folder} holds no model yet: starting from the encoder that comes with zooactive")
    return Path(BUNDLED)


def _settings(place: Workspace, task: str, *, labels: Path | None, images: Path | None) -> TaskLabels:
    """What the workspace says about a task, options in its place; the task and its labels are known afterwards."""
    from zooactive.errors import WorkspaceError
    from zooactive.finetuning import load_task
    from zooactive.workspace import FILE, TaskLabels

    known = place.tasks.get(task, TaskLabels())
    settings = replace(
        known,
        task=known.task or task,
        labels=_absolute(labels or known.labels),
        images=_absolute(images or known.images),
    )
    load_task(known.task or task)  # an unknown task is told before anything else
    if settings.labels is None:
        raise WorkspaceError(
            f"no labels are named for the task '{task}'; give a table (`zooactive finetune labels.csv --task {task}`), "
            f"or set labels under [tasks.{task}] in {place.folder / FILE}"
        )
    return settings


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
