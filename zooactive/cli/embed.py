"""`zooactive embed`: compute the encoder's features of every galaxy, for heads, for choosing and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    BatchSizeOption,
    GalaxiesOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    MaxFailedOption,
    MaxFailuresOption,
    ModelOption,
    RetryOption,
    WorkspaceOption,
    last_line,
    open_workspace,
    refuse_too_many,
)


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    timm: Annotated[
        str | None,
        typer.Option(help="Use this timm network instead of the model, such as hf_hub:USER/NAME.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder to write (default: embeddings), or a .parquet file with --timm.", show_default=False),
    ] = None,
    max_failures: MaxFailuresOption = None,
    max_failed: MaxFailedOption = None,
    retry_failures: RetryOption = False,
    batch_size: BatchSizeOption = None,
) -> None:
    """Compute the features of every galaxy of the pool and write them as Parquet. An interrupted run resumes."""
    here = open_workspace(workspace)
    written = here.embed(
        model=model,
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        timm=timm,
        out=out,
        max_failures=max_failures,
        max_failed=max_failed,
        retry_failures=retry_failures,
        batch_size=batch_size,
    )
    last_line(f"{written.galaxies} galaxies, {written.features} features each: {written.folder}")
    refuse_too_many(written.failed, written.max_failed)
