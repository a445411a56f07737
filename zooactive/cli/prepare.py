"""`zooactive prepare`: check a catalogue and pack its images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    CatalogueOption,
    ImagesOption,
    TreeOption,
    WorkspaceOption,
    last_line,
    note,
    open_workspace,
    progress_bar,
)


def command(
    workspace: WorkspaceOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    volunteers: Annotated[float | None, typer.Option(help="Volunteers behind each fraction.", show_default=False)] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels at which images are packed.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the shards.", show_default=False)] = None,
    max_failures: Annotated[
        int | None, typer.Option(help="Stop when more images than this cannot be read.", show_default=False)
    ] = None,
) -> None:
    """Check every row and image of a catalogue and pack them into Parquet shards at the model's size."""
    from zooactive.images import Preprocessing
    from zooactive.shards import write_shards
    from zooactive.writing import file_hash, write_how

    place = open_workspace(
        workspace,
        survey={
            "tree": tree,
            "catalogue": catalogue,
            "images": images,
            "volunteers": volunteers,
            "shards": out,
        },
        model={"image_size": image_size},
    )
    survey = place.without_rehearsal().read_survey()
    shards = place.survey.shards
    model = place.model
    preprocessing = Preprocessing(size=model.image_size, channels=model.channels, crop=model.crop)
    with progress_bar("packing", len(survey)) as progress:
        result = write_shards(survey, shards, preprocessing, max_failures=max_failures, progress=progress)
    assert place.survey.catalogue is not None
    source = place.survey.catalogue
    write_how(
        shards,
        command="prepare",
        options=place.shards_record(),
        inputs={str(source): file_hash(source)} if source.is_file() else {},
    )
    if len(result.failures):
        note(f"{len(result.failures)} images could not be read; {shards / 'failures.parquet'} names each with the reason")
    last_line(f"{result.galaxies} galaxies in {result.shards} shards at {model.image_size} px: {shards}", "zooactive train")
