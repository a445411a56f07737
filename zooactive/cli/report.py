"""`zooactive report`: write one page about everything that the workspace holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    CatalogueOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    ModelOption,
    PredictionsOption,
    TreeOption,
    WorkspaceOption,
    last_line,
    one_of,
    open_workspace,
)
from zooactive.foundation.vocabulary import MAP_KINDS


def command(
    workspace: WorkspaceOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    model: ModelOption = None,
    predictions: PredictionsOption = None,
    task: Annotated[
        str | None,
        typer.Option(help="A page about this fine-tuned task, its predictions and its selection.", show_default=False),
    ] = None,
    selection: Annotated[Path | None, typer.Option(help="Table written by `zooactive acquire`.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The page (default: report.html in the workspace, or report-TASK.html).", show_default=False),
    ] = None,
    map: Annotated[
        str,
        typer.Option(
            callback=one_of(MAP_KINDS, "map"),
            help="How the map of the galaxies is made: pca, or umap (needs the extra map).",
        ),
    ] = "pca",
) -> None:
    """Write one self-contained HTML page: how good the model is, which galaxies come next and why, and what next."""
    here = open_workspace(workspace)
    page = here.report(
        tree=tree,
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        model=model,
        task=task,
        predictions=predictions,
        selection=selection,
        out=out,
        map=map,
    )
    chosen = here.settings.acquire.out if selection is None else selection
    then = "show the selection to volunteers, add their votes, and train again"
    if task is not None or not chosen.exists():
        then = "read the answer to What next? at the top of the page"
    elif here.settings.default_task is not None:
        then = "label the selection, add the labels to the table, and `zooactive finetune` again"
    last_line(f"The page is written: open {page}", then=then)
