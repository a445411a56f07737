"""`zooactive catalogue`: what model and volunteers together say of every galaxy."""

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
    task: Annotated[str | None, typer.Option(help="A fine-tuned task, whose model speaks.", show_default=False)] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Fit the head anew in so many folds: no galaxy's votes count twice.", show_default=False),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(help="Votes of galaxies drawn at random, to set right how sure the model is.", show_default=False),
    ] = None,
    above: Annotated[
        list[float] | None, typer.Option(help="A fraction x, for P(fraction > x) (default: 0.5).", show_default=False)
    ] = None,
    probability: Annotated[float, typer.Option(help="Of the intervals.")] = 0.9,
    out: Annotated[
        Path | None,
        typer.Option(help=".parquet, .csv, .fits or .xml (default: catalogue.parquet).", show_default=False),
    ] = None,
) -> None:
    """Write the catalogue of model and votes together: fractions with intervals for every galaxy of the pool.

    Each galaxy's votes are combined with what the model expects of it. Galaxies with many votes are told by their votes,
    galaxies without any by the model.
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
            f"the model has learnt from the votes of {written.seen} of them, which therefore count twice (prior_saw_votes); "
            "--folds 5 fits the head anew without them"
        )
    given = {"predictions": predictions, "votes": votes, "task": task, "id_column": id_column, "image_column": image_column}
    given |= {"embeddings": embeddings}
    following = command_line("allocate", workspace=workspace, **given, clicks=10000)
    last_line(f"{written.galaxies} galaxies: {written.file}", following)
