"""`zooactive table`: write a list or predictions as one table for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    GalaxiesOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    WorkspaceOption,
    last_line,
    note,
    open_workspace,
)


def command(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A table with ids, such as selection.csv, or a folder of predictions (default: the workspace's).",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    out: Annotated[Path, typer.Option(help="The table: .fits, .xml (VOTable), .parquet or .csv.")] = Path("table.fits"),
) -> None:
    """Write a list of galaxies, or all predictions, with coordinates, for TOPCAT and other programs."""
    here = open_workspace(workspace)
    written = here.table(source, catalogue=catalogue, images=images, id_column=id_column, image_column=image_column, out=out)
    if written.known:
        note(f"{written.known} galaxies also have the other columns of the catalogue")
    last_line(f"{written.galaxies} galaxies: {written.file}")
