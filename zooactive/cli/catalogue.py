"""`zooactive catalogue`: combine what the model and the volunteers say about every galaxy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    EmbeddingsOption,
    IdOption,
    ImageColumnOption,
    PredictionsOption,
    TreeOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    open_workspace,
    print_table,
)


def command(
    workspace: WorkspaceOption = None,
    predictions: PredictionsOption = None,
    embeddings: EmbeddingsOption = None,
    votes: Annotated[
        Path | None, typer.Option(help="Table of all votes so far (default: the survey's).", show_default=False)
    ] = None,
    tree: TreeOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    task: Annotated[str | None, typer.Option(help="Use the model of this fine-tuned task.", show_default=False)] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2, help="Refit the head in this many folds, so that no galaxy's votes count twice.", show_default=False
        ),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(help="Votes on galaxies drawn at random; they calibrate the model's uncertainty.", show_default=False),
    ] = None,
    above: Annotated[
        list[float] | None, typer.Option(help="Write P(fraction > x) for this x (default: 0.5).", show_default=False)
    ] = None,
    probability: Annotated[float, typer.Option(help="Probability of the intervals.")] = 0.9,
    out: Annotated[
        Path | None,
        typer.Option(help="The catalogue: .parquet, .csv, .fits or .xml (default: catalogue.parquet).", show_default=False),
    ] = None,
) -> None:
    """Combine model and votes in one catalogue: fractions with intervals for every galaxy of the pool.

    Each galaxy's votes are combined with the model's prediction. The votes decide for galaxies with many votes, and the
    model decides for galaxies without votes.
    """
    written = open_workspace(workspace).catalogue(
        embeddings=embeddings,
        predictions=predictions,
        votes=votes,
        tree=tree,
        id_column=id_column,
        image_column=image_column,
        task=task,
        folds=folds,
        trust=trust,
        above=tuple(above or (0.5,)),
        probability=probability,
        out=out,
    )
    if written.factors is not None:
        print_table(written.factors, as_json=False)
    note(f"{written.voted} of the galaxies have votes")
    if written.seen and folds is None:
        note(
            f"the model was trained on the votes of {written.seen} of them, so these votes count twice (prior_saw_votes); "
            "--folds 5 refits the head so that each galaxy's own votes are left out"
        )
    given = {"predictions": predictions, "votes": votes, "task": task, "id_column": id_column, "image_column": image_column}
    given |= {"embeddings": embeddings}
    following = command_line("allocate", workspace=workspace, **given, clicks=10000)
    last_line(f"{written.galaxies} galaxies: {written.file}", following)
