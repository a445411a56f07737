"""`zooactive similar`: list galaxies like this one, as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    ROWS,
    EmbeddingColumnOption,
    EmbeddingIdsOption,
    EmbeddingsOption,
    GalaxiesOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    JsonOption,
    PredictionsOption,
    WorkspaceOption,
    last_line,
    open_workspace,
    print_table,
    show_line,
)
from zooactive.cli.gallery import GalleryOption, listed


def command(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="A galaxy of the predictions, or several that are alike.")],
    workspace: WorkspaceOption = None,
    predictions: PredictionsOption = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    embeddings: EmbeddingsOption = None,
    embedding_ids: EmbeddingIdsOption = None,
    embedding_column: EmbeddingColumnOption = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies to list.")] = 48,
    out: Annotated[Path | None, typer.Option(help="The table, .csv (default: similar-ID.csv).", show_default=False)] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
) -> None:
    """List and draw the galaxies whose embeddings are most like those of the given galaxies.

    The picture shows the given galaxies first.
    """
    table = open_workspace(workspace).similar(
        ids,
        predictions=predictions,
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        embeddings=embeddings,
        embedding_ids=embedding_ids,
        embedding_column=embedding_column,
        n=n,
        out=out,
        gallery=gallery,
    )
    print_table(table, as_json=json, rows=ROWS, file=table.attrs["file"])
    last_line(
        listed(table),
        show_line(str(table["id"].iloc[0]), workspace=workspace, **table.attrs["of"]) if table.attrs["shown"] else None,
    )
