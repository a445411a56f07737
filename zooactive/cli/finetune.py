"""`zooactive finetune`: fine-tune the model to a new question."""

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
        help="The question: a task's name or its .toml file (default: the only task, or rings).", show_default=False
    ),
]
ColumnOption = Annotated[
    str | None,
    typer.Option(help="For a new question: the column with yes or no, classes, fractions, or numbers.", show_default=False),
]
PolicyOption = Annotated[
    str | None,
    typer.Option(
        callback=one_of(POLICIES, "policy"),
        help="What is trained: only the new head (head), then also the last blocks (last) or the whole encoder (staged), or "
        "everything at once (all). The default, auto, takes head, or staged for shares of votes.",
        show_default=False,
    ),
]
BlocksOption = Annotated[
    int | None, typer.Option(min=1, help="Number of blocks that the policy last trains.", show_default=False)
]
FoldsOption = Annotated[
    int | None, typer.Option(min=0, help="Measure by cross-validation with this many folds.", show_default=False)
]
PrevalenceOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share of galaxies on the sky whose label is yes, or the first label if there is no yes.",
        show_default=False,
    ),
]
CropOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Central fraction of each image that is kept.", show_default=False)
]


NumberOption = Annotated[
    bool | None,
    typer.Option(
        "--number/--no-number",
        help="Treat the column as numbers, such as masses, or not (default: by its values).",
        show_default=False,
    ),
]
ErrorColumnOption = Annotated[
    str | None, typer.Option(help="For numbers: the column with the standard deviation of each number.", show_default=False)
]
LimitColumnOption = Annotated[
    str | None,
    typer.Option(
        help="For numbers: the column that marks limits: < if the true number is below, > if it is above.",
        show_default=False,
    ),
]
MissingOption = Annotated[
    list[float] | None,
    typer.Option(help="For numbers: a value that means no number, such as -99; may be repeated.", show_default=False),
]
RedshiftOption = Annotated[
    bool | None,
    typer.Option(
        "--redshift/--no-redshift",
        help="Measure errors as for redshifts, by dz / (1 + z) (default: if the column is called z or redshift).",
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
        int | None,
        typer.Option(
            min=0, help="Maximum number of epochs that also train the encoder, after the head.", show_default=False
        ),
    ] = None,
    batch_size: BatchSizeOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: tasks/TASK).", show_default=False)] = None,
    seed: SeedOption = None,
    json: SummaryWithTableOption = False,
) -> None:
    """Train on a new question from a few hundred labels, and measure the result on held-out galaxies."""
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
        title = f"{tuned.task.name}: {galaxies} held-out galaxies"
        print_table(measured(metrics, galaxies), as_json=False, title=title)
        if isinstance(tuned, FinetunedModel) and len(tuned.model.tree.questions) > 1:
            print_table(tuned.questions(), as_json=False, title="Accuracy of each question")
    note(_how_measured(galaxies, metrics, config["folds"]))
    if isinstance(tuned, FinetunedNumbers):
        note(numbers_told(tuned.task, tuned.model.head))
    elif config["prevalence"] is not None:
        note(f"the probabilities assume that a share of {config['prevalence']:g} of the galaxies is '{tuned.answer}'")
    last_line(
        f"The fine-tuned model is in {folder / 'model'}; {folder / 'held_out.csv'} has the held-out galaxies",
        _predict_line(here, workspace, folder, Path(how["labels"]), given, how.get("embeddings") and typed),
    )


def _predict_line(
    here: Workspace, workspace: Path | None, folder: Path, labels: Path, given: dict[str, Any], typed: dict[str, Any] | None
) -> str:
    """Return the command that predicts the pool with a task's model, or the labelled galaxies if there is no pool.

    If the task was trained on embeddings, `typed` holds the options that say where they are.
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
    """Return a line that says which galaxies the metrics were measured on, and how uncertain the accuracy is."""
    text = f"measured on {galaxies} galaxies that were neither trained on nor used to stop the training"
    if folds:
        text = f"measured on all {galaxies} galaxies, each with a model that was not trained on it ({folds} folds)"
    if "accuracy" in metrics and galaxies:
        half = 50 * (metrics["accuracy_high"] - metrics["accuracy_low"])
        text += f"; the accuracy is known to about {half:.0f} percentage points"
        text += "" if folds or half < 3 else " (--folds 5 measures on all labels)"
    return text
