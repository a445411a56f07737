"""`zooactive finetune`: carry the model to a new question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.console import (
    BandsOption,
    BatchSizeOption,
    EmbeddingColumnOption,
    EmbeddingIdsOption,
    EmbeddingsOption,
    EncoderOption,
    IdOption,
    ImageColumnOption,
    ImageSizeOption,
    ImagesOption,
    MaxSetAsideOption,
    ModelOption,
    SeedOption,
    StretchOption,
    SummaryWithTableOption,
    VolunteersOption,
    WorkspaceOption,
    bands_in,
    command_line,
    last_line,
    note,
    number_or_column,
    one_of,
    open_workspace,
    predict_line,
    print_table,
    stretch_of,
)
from zooactive.cli.measures import measured, numbers_told
from zooactive.cli.run import show_in_summary
from zooactive.foundation.vocabulary import POLICIES

if TYPE_CHECKING:
    from zooactive.workspace import Workspace

TaskOption = Annotated[
    str | None,
    typer.Option(
        help="The question: a task's name or its .toml file (default: the only one, or rings).", show_default=False
    ),
]
ColumnOption = Annotated[
    str | None,
    typer.Option(help="A new question: the column with yes or no, classes, fractions, or numbers.", show_default=False),
]
PolicyOption = Annotated[
    str | None,
    typer.Option(
        callback=one_of(POLICIES, "policy"),
        help="What learns: the new head alone, then the last blocks too, then all (staged), or all at once; by default "
        "head, or staged of shares of votes (auto).",
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


NumberOption = Annotated[
    bool | None,
    typer.Option(
        "--number/--no-number",
        help="Take the column for numbers, such as masses, or not (default: by what it holds).",
        show_default=False,
    ),
]
ErrorColumnOption = Annotated[
    str | None, typer.Option(help="Of numbers: the column with each one's standard deviation.", show_default=False)
]
LimitColumnOption = Annotated[
    str | None,
    typer.Option(
        help="Of numbers: the column that says which are limits, < where the number lies below and > where it lies above.",
        show_default=False,
    ),
]
MissingOption = Annotated[
    list[float] | None,
    typer.Option(
        help="Of numbers: a value that means that there is none, such as -99; may be repeated.", show_default=False
    ),
]
RedshiftOption = Annotated[
    bool | None,
    typer.Option(
        "--redshift/--no-redshift",
        help="Measure the numbers as redshifts, by dz / (1 + z) (default: where the column is called z or redshift).",
        show_default=False,
    ),
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
    image_column: ImageColumnOption = None,
    embeddings: EmbeddingsOption = None,
    embedding_ids: EmbeddingIdsOption = None,
    embedding_column: EmbeddingColumnOption = None,
    encoder: EncoderOption = None,
    policy: PolicyOption = None,
    blocks: BlocksOption = None,
    folds: FoldsOption = None,
    prevalence: PrevalenceOption = None,
    volunteers: VolunteersOption = None,
    number: NumberOption = None,
    error_column: ErrorColumnOption = None,
    limit_column: LimitColumnOption = None,
    missing: MissingOption = None,
    redshift: RedshiftOption = None,
    max_set_aside: MaxSetAsideOption = None,
    crop: CropOption = None,
    image_size: ImageSizeOption = None,
    bands: BandsOption = None,
    stretch: StretchOption = None,
    unfreeze_epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs with the encoder, after the head alone; at most.", show_default=False)
    ] = None,
    batch_size: BatchSizeOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: tasks/TASK).", show_default=False)] = None,
    seed: SeedOption = None,
    json: SummaryWithTableOption = False,
) -> None:
    """Learn a new question from a few hundred labels, and say how well on galaxies held out."""
    here = open_workspace(workspace)
    given: dict[str, Any] = {"images": images, "id_column": id_column, "image_column": image_column}
    typed: dict[str, Any] = {"embeddings": embeddings, "embedding_ids": embedding_ids}
    typed |= {"embedding_column": embedding_column, "encoder": encoder}
    tuned = here.finetune(
        labels,
        task,
        column=column,
        model=model,
        **given,
        **typed,
        policy=policy,
        blocks=blocks,
        folds=folds,
        prevalence=prevalence,
        volunteers=number_or_column(volunteers),
        number=number,
        error_column=error_column,
        limit_column=limit_column,
        missing=tuple(missing) if missing else None,
        redshift=redshift,
        max_set_aside=max_set_aside,
        crop=crop,
        image_size=image_size,
        bands=bands_in(bands),
        stretch=stretch_of(stretch),
        unfreeze_epochs=unfreeze_epochs,
        batch_size=batch_size,
        out=out,
        seed=seed,
    )
    import pandas as pd

    from zooactive.foundation.writing import how_of
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers
    from zooactive.workspace.labels_alone import task_home

    folder = out or task_home(here.settings, task or column or here.settings.default_task or "rings")
    how = how_of(folder)["options"]
    config = how["config"]
    metrics = tuned.evaluate()
    galaxies = int(metrics.pop("galaxies"))
    if json:
        show_in_summary(pd.DataFrame([{"task": tuned.task.name, "galaxies": galaxies, **metrics}]))
    else:
        title = f"{tuned.task.name}: {galaxies} galaxies held out"
        print_table(measured(metrics, galaxies), as_json=False, title=title)
        if isinstance(tuned, FinetunedModel) and len(tuned.model.tree.questions) > 1:
            print_table(tuned.questions(), as_json=False, title="Accuracy of each question")
    note(_how_measured(galaxies, metrics, config["folds"]))
    if isinstance(tuned, FinetunedNumbers):
        note(numbers_told(tuned.task, tuned.model.head))
    elif config["prevalence"] is not None:
        note(f"probabilities hold where a share of {config['prevalence']:g} is '{tuned.answer}'")
    last_line(
        f"The fine-tuned model is in {folder / 'model'}; {folder / 'held_out.csv'} has the held-out galaxies",
        _predict_line(here, workspace, folder, Path(how["labels"]), given, how.get("embeddings") and typed),
    )


def _predict_line(
    here: Workspace, workspace: Path | None, folder: Path, labels: Path, given: dict[str, Any], typed: dict[str, Any] | None
) -> str:
    """Return the command by which a task's model predicts the pool, or where there is none the galaxies of its labels.

    `typed` are the options that say where embeddings are, if the task was learnt from some.
    """
    settings = here.settings
    if settings.default_task is not None and folder == settings.model.folder and not any((typed or {}).values()):
        return command_line("predict", workspace=workspace)
    if typed is not None:
        out = settings.folder / f"predictions-{folder.name}"
        return predict_line(here, workspace=workspace, model=folder, out=out, **typed)
    named = settings.pool.catalogue is not None or settings.survey.catalogue is not None
    galaxies = {} if named else {"catalogue": labels, **given}
    out = settings.folder / f"predictions-{folder.name}"
    return predict_line(here, workspace=workspace, model=folder, out=out, **galaxies)


def _how_measured(galaxies: int, metrics: dict[str, float], folds: int) -> str:
    """Say on what the numbers rest, and how far they can be trusted."""
    text = f"measured on {galaxies} galaxies that were neither trained on nor used to stop the training"
    if folds:
        text = f"measured on all {galaxies} galaxies, each by a fit that it had no part in ({folds} folds)"
    if "accuracy" in metrics and galaxies:
        half = 50 * (metrics["accuracy_high"] - metrics["accuracy_low"])
        text += f"; the accuracy is known to about {half:.0f} points"
        text += "" if folds or half < 3 else " (--folds 5 measures on all labels)"
    return text
