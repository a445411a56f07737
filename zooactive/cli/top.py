"""`zooactive top`: list and draw the galaxies most likely to get an answer, the most uncertain or most informative."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    ROWS,
    EmbeddingsOption,
    GalaxiesOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    JsonOption,
    PredictionsOption,
    WorkspaceOption,
    last_line,
    one_of,
    open_workspace,
    print_table,
    show_line,
)
from zooactive.cli.gallery import GalleryOption, listed
from zooactive.foundation.vocabulary import MOST


def command(
    argument: Annotated[
        str | None,
        typer.Argument(
            metavar="ANSWER", help="An answer, such as bar_strong (default: the tree's first).", show_default=False
        ),
    ] = None,
    option: Annotated[
        str | None, typer.Option("--answer", help="The answer, instead of the argument.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    predictions: PredictionsOption = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    embeddings: EmbeddingsOption = None,
    task: Annotated[
        str | None,
        typer.Option(help="Use this fine-tuned task; the pool is predicted with its model if needed.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies to list.")] = 48,
    most: Annotated[
        str,
        typer.Option(
            callback=one_of(MOST, "order"),
            help="List the galaxies most likely to get the answer (certain), those with the most uncertain fraction "
            "(uncertain), or those whose next vote would teach the model most (informative).",
        ),
    ] = "certain",
    lowest: Annotated[bool, typer.Option("--lowest", help="List the galaxies least likely to get the answer.")] = False,
    out: Annotated[Path | None, typer.Option(help="The table, .csv (default: top-ANSWER.csv).", show_default=False)] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
) -> None:
    """List and draw the galaxies most likely to get a given answer.

    They are sorted by the share of all volunteers who would give the answer: the expected fraction of the volunteers asked,
    times the share asked. With --most, they are sorted by the standard deviation of that fraction, or by the information
    that one more vote on the question would bring, in nats.
    """
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter(f"two answers are given, {argument} and {option}; give one")
    if lowest and most != "certain":
        raise typer.BadParameter(f"--lowest and --most {most} do not go together; give only one of them")
    here = open_workspace(workspace)
    table = here.top(
        argument if argument is not None else option,
        predictions=predictions,
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        embeddings=embeddings,
        task=task,
        n=n,
        most=most,
        lowest=lowest,
        out=out,
        gallery=gallery,
    )
    names = list(table.columns)
    first = ["rank", "id", *([] if most == "certain" or "mean" in table else names[-1:])]
    print_table(
        table if json else table[[*first, *(name for name in names if name not in first)]],  # the sorting column comes first
        as_json=json,
        title=table.attrs["answer"]
        + (
            ": expected number, its standard deviation and intervals"
            if "mean" in table
            else ": share of all volunteers, fraction of those asked with its 90% interval"
        ),
        rows=ROWS,
        file=table.attrs["file"],
    )
    last_line(
        listed(table),
        show_line(str(table["id"].iloc[0]), workspace=workspace, **table.attrs["of"])
        if table.attrs["shown"] and "mean" not in table  # `show` does not show numbers
        else None,
    )
