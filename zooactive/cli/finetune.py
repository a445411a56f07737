"""`zooactive finetune`: carry the model to a new question."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.console import (
    BatchSizeOption,
    IdOption,
    ImageSizeOption,
    ImagesOption,
    JsonOption,
    ModelOption,
    SeedOption,
    VolunteersOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    number_or_column,
    one_of,
    open_workspace,
    print_table,
    progress_bar,
    start_networks,
)
from zooactive.foundation.errors import TrainingError
from zooactive.foundation.vocabulary import POLICIES
from zooactive.foundation.writing import make_folder

if TYPE_CHECKING:
    from zooactive.training.finetuning.config import FinetuneConfig
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.tasks import Task
    from zooactive.workspace import Workspace
    from zooactive.workspace.sections import TaskLabels


TaskOption = Annotated[
    str | None, typer.Option(help="The question: a task's name or its .toml file (default: rings).", show_default=False)
]
ColumnOption = Annotated[
    str | None,
    typer.Option(help="A new question: the column with yes or no, classes, or fractions.", show_default=False),
]
PolicyOption = Annotated[
    str | None,
    typer.Option(
        callback=one_of(POLICIES, "policy"),
        help="What learns: the new head alone, then the last blocks too, then all (staged, the default), or all at once.",
        show_default=False,
    ),
]
BlocksOption = Annotated[int | None, typer.Option(min=1, help="Blocks that learn by the policy last.", show_default=False)]
FoldsOption = Annotated[
    int | None, typer.Option(min=0, help="Measure by cross-validation with so many fits.", show_default=False)
]
PrevalenceOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share of galaxies on the sky of which a yes, or else the first label, is true.",
        show_default=False,
    ),
]
CropOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Centre fraction of the images that is kept.", show_default=False)
]


def command(
    labels: Annotated[
        Path | None, typer.Argument(help="Table of labels (default: the workspace's).", show_default=False)
    ] = None,
    task: TaskOption = None,
    column: ColumnOption = None,
    *,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    policy: PolicyOption = None,
    blocks: BlocksOption = None,
    folds: FoldsOption = None,
    prevalence: PrevalenceOption = None,
    volunteers: VolunteersOption = None,
    crop: CropOption = None,
    image_size: ImageSizeOption = None,
    unfreeze_epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs with the encoder, after the head alone; at most.", show_default=False)
    ] = None,
    batch_size: BatchSizeOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: tasks/TASK).", show_default=False)] = None,
    seed: SeedOption = None,
    json: JsonOption = False,
) -> None:
    """Learn a new question from a few hundred labels, and say how well on galaxies held out."""
    place = open_workspace(workspace, model={"folder": model})
    import pandas as pd

    from zooactive.training.finetuning.tasks import folder_name

    name = task or column or "rings"
    settings = _settings(
        place,
        name,
        labels=labels,
        images=images,
        column=column,
        id_column=id_column,
        volunteers=number_or_column(volunteers),
    )
    question = replace(settings.load(name), **_given(crop=crop, image_size=image_size))
    config = _config(
        settings,
        policy=policy,
        blocks=blocks,
        folds=folds,
        prevalence=prevalence,
        unfreeze_epochs=unfreeze_epochs,
        batch_size=batch_size,
        seed=seed,
    )
    if blocks is not None and config.policy != "last":
        raise TrainingError(f"--blocks is for the policy 'last', and '{config.policy}' is in use; add --policy last")
    folder = out or place.folder / "tasks" / folder_name(name)
    make_folder(folder)
    start_networks()
    tuned = _learn(_encoder_of(place, model), settings, question, config, folder)
    merits = tuned.evaluate()
    galaxies = int(merits.pop("galaxies"))
    print_table(pd.DataFrame([{"task": question.name, "galaxies": galaxies, **merits}]), as_json=json)
    if len(tuned.model.tree.questions) > 1 and not json:
        print_table(tuned.questions(), as_json=False)
    note(_how_measured(galaxies, merits, config))
    if config.prevalence is not None:
        note(f"probabilities hold where a share of {config.prevalence:g} is '{tuned.answer}'")
    last_line(
        f"The fine-tuned model is in {folder / 'model'}; {folder / 'held_out.csv'} has the held-out galaxies",
        command_line("predict", workspace=workspace, model=folder, out=f"predictions-{folder_name(name)}"),
    )


def _learn(start: Path, settings: TaskLabels, task: Task, config: FinetuneConfig, folder: Path) -> FinetunedModel:
    """Fine-tune, and write the result into a folder."""
    from zooactive.foundation.writing import file_hash, write_how
    from zooactive.models import load_model
    from zooactive.training.finetuning.finetune import finetune

    labels, images = settings.labels, settings.images
    assert labels is not None
    encoder = load_model(start)
    second = 0 if config.free_blocks == 0 else config.unfreeze_epochs
    first = 0 if config.policy == "all" else 1
    fits = config.folds + 1 if config.folds else 1
    with progress_bar("learning the task, steps", fits * (first + second)) as progress:
        epochs = count(1)

        def told(stage: str, epoch: int, losses: dict[str, float]) -> None:
            progress(next(epochs))

        tuned = finetune(encoder, labels, task=task, images=images, config=config, progress=told)
    tuned.save(folder)
    options = {"task": task.to_dict(), "labels": labels, "images": images, "config": asdict(config)}
    inputs = {"model": encoder.fingerprint(), str(labels): file_hash(labels)}
    write_how(folder, command="finetune", options=options, inputs=inputs)
    return tuned


def _how_measured(galaxies: int, merits: dict[str, float], config: FinetuneConfig) -> str:
    """Say on what the numbers rest, and how far they can be trusted."""
    text = f"measured on {galaxies} galaxies that were neither trained on nor used to stop the training"
    if config.folds:
        text = f"measured on all {galaxies} galaxies, each by a fit that it had no part in ({config.folds} folds)"
    if "accuracy" in merits and galaxies:
        half = 50 * (merits["accuracy_high"] - merits["accuracy_low"])
        text += f"; the accuracy is known to about {half:.0f} points"
        text += "" if config.folds or half < 3 else " (--folds 5 measures on all labels)"
    return text


def _config(settings: TaskLabels, **options: Any) -> FinetuneConfig:
    """The options, then what the workspace says, then the defaults."""
    from zooactive.training.finetuning.config import FinetuneConfig

    names = ("policy", "folds", "prevalence", "unfreeze_epochs")
    said = {name: getattr(settings, name) for name in names}
    return FinetuneConfig(**(_given(**said) | _given(**options)))


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _encoder_of(place: Workspace, model: Path | None) -> Path:
    """What to start from: a model that is named or that the workspace has trained, else what comes with zooactive."""
    from zooactive.models.saved_form import BUNDLED

    if model is not None or place.model.folder.exists():
        return place.model.folder
    note(f"{place.model.folder} holds no model yet: starting from the encoder that comes with zooactive")
    return Path(BUNDLED)


def _settings(
    place: Workspace, name: str, *, labels: Path | None, images: Path | None, **columns: float | str | None
) -> TaskLabels:
    """What the workspace says about a task, options in its place; the task and its labels are known afterwards."""
    from zooactive.foundation.errors import WorkspaceError
    from zooactive.training.finetuning.tasks import load_task
    from zooactive.workspace.sections import FILE, TaskLabels

    known = place.tasks.get(name, TaskLabels())
    settings = replace(
        known,
        **_given(**columns),
        labels=_absolute(labels or known.labels),
        images=_absolute(images or known.images),
    )
    if settings.column is None:
        load_task(known.task or name)  # an unknown task is told before anything else
    if settings.labels is None:
        how = f"--task {name}" if settings.column is None else f"--column {settings.column}"
        raise WorkspaceError(
            f"no labels are named for the task '{name}'; give a table (`zooactive finetune labels.csv {how}`), "
            f"or set labels under [tasks.{name}] in {place.folder / FILE}"
        )
    return settings


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
