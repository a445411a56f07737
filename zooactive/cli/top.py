"""`zooactive top`: the galaxies surest of an answer, least sure of it, or that would tell most of it; table and picture."""

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
        typer.Argument(metavar="ANSWER", help="Such as bar_strong (default: the first of the tree).", show_default=False),
    ] = None,
    option: Annotated[
        str | None, typer.Option("--answer", help="The answer, in place of the argument.", show_default=False)
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
        typer.Option(help="A fine-tuned task, whose predictions of the pool are made if need be.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies.")] = 48,
    most: Annotated[
        str,
        typer.Option(
            callback=one_of(MOST, "order"),
            help="Surest of the answer, least sure how many would give it, or those whose next vote would tell the model "
            "most.",
        ),
    ] = "certain",
    lowest: Annotated[bool, typer.Option("--lowest", help="Those of which it is least expected.")] = False,
    out: Annotated[Path | None, typer.Option(help="The table, .csv (default: top-ANSWER.csv).", show_default=False)] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
) -> None:
    """List the galaxies of which volunteers would give an answer most often, and draw them.

    The order is by the share of all volunteers who would: the expected fraction of those asked, times the share asked. With
    --most it is by the standard deviation of that fraction, or by what one more vote on the question would tell, in nats.
    """
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter(f"the answers {argument} and {option} are asked for; give one")
    if lowest and most != "certain":
        raise typer.BadParameter(f"--lowest and --most {most} do not go together; give one")
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
        table if json else table[[*first, *(name for name in names if name not in first)]],  # what sorts them stands first
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
        if table.attrs["shown"] and "mean" not in table  # of numbers, which `show` does not tell
        else None,
    )
