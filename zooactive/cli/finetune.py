"""`zooactive finetune`: carry the model to a new question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    ImagesOption,
    JsonOption,
    ModelOption,
    SeedOption,
    WorkspaceOption,
    last_line,
    note,
    open_workspace,
    print_table,
    progress_bar,
    start_networks,
)

if TYPE_CHECKING:
    from zooactive.workspace import TaskLabels


def command(
    labels: Annotated[
        Path | None, typer.Argument(help="Table of labels (default: the workspace's).", show_default=False)
    ] = None,
    task: Annotated[str, typer.Option(help="The question: a task's name or its .toml file.")] = "rings",
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    images: ImagesOption = None,
    unfreeze_epochs: Annotated[
        int | None, typer.Option(help="Then this many epochs with all weights free.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: tasks/TASK).", show_default=False)] = None,
    seed: SeedOption = None,
    json: JsonOption = False,
) -> None:
    """Learn a new question from a few hundred labels, and say how well on galaxies held out."""
    place = open_workspace(workspace, model={"folder": model})
    settings, table = _settings(place.tasks.get(task), labels, task, str(place.folder))
    start_networks()
    from zooactive.finetuning import FinetuneConfig, finetune
    from zooactive.models import load_model
    from zooactive.writing import file_hash, write_how

    epochs = settings.unfreeze_epochs if unfreeze_epochs is None else unfreeze_epochs
    config = FinetuneConfig(unfreeze_epochs=epochs, seed=seed or 0)
    encoder = load_model(place.model.folder)
    with progress_bar(f"learning {task}, epochs", config.head_epochs + config.unfreeze_epochs) as progress:

        def told(stage: str, epoch: int, losses: dict[str, float]) -> None:
            progress(epoch + (config.head_epochs if stage == "all" else 0))

        tuned = finetune(
            encoder,
            table,
            task=settings.task or task,
            images=images or settings.images,
            config=config,
            progress=told,
        )
    folder = out or place.folder / "tasks" / Path(task).stem
    tuned.save(folder)
    inputs = {"model": encoder.fingerprint(), str(table): file_hash(table)}
    write_how(folder, command="finetune", options={"task": task, "config": config}, inputs=inputs)
    metrics = tuned.evaluate()
    import pandas as pd

    galaxies = int(metrics.pop("galaxies"))
    print_table(pd.DataFrame([{"task": task, "galaxies": galaxies, **metrics}]), as_json=json)
    note(f"measured on {galaxies} galaxies that were neither trained on nor used to stop the training")
    last_line(
        f"The fine-tuned model is in {folder / 'model'}; {folder / 'held_out.csv'} has the held-out galaxies",
        f"zooactive predict --model {folder} --out predictions-{Path(task).stem}",
    )


def _settings(known: TaskLabels | None, labels: Path | None, task: str, folder: str) -> tuple[TaskLabels, Path]:
    from zooactive.errors import WorkspaceError
    from zooactive.workspace import TaskLabels

    settings = known or TaskLabels()
    table = labels or settings.labels
    if table is None:
        raise WorkspaceError(
            f"no labels are named for the task '{task}'; give a table (`zooactive finetune labels.csv --task {task}`), "
            f"or set labels under [tasks.{task}] in {folder}/zooactive.toml"
        )
    return settings, table
