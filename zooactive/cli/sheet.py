"""`zooactive sheet`: draw a contact sheet, to look at before you train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    GalaxiesOption,
    IdOption,
    ImageColumnOption,
    ImageSizeOption,
    ImagesOption,
    WorkspaceOption,
    last_line,
    note,
    open_workspace,
)
from zooactive.cli.gallery import a_picture


def command(
    workspace: WorkspaceOption = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    image_size: ImageSizeOption = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="How many galaxies.")] = 24,
    stretch: Annotated[
        list[str] | None,
        typer.Option(
            help="How FITS values become colours, such as legacy-grz; repeat it to compare several (default: the model's).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(callback=a_picture, help="The picture: .png, .pdf or .svg (default: sheet.png).", show_default=False),
    ] = None,
) -> None:
    """Draw some galaxies as the network would see them, to look at before you train."""
    here = open_workspace(workspace)
    drawn = here.sheet(
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        image_size=image_size,
        n=n,
        stretch=stretch or (),
        out=out,
    )
    for name in drawn.black:
        note(f"{name}: {drawn.black[name]:.1%} of the pixels are black, {drawn.white[name]:.1%} have a channel at its limit")
    last_line(f"{drawn.galaxies} galaxies are drawn in {drawn.picture}")
