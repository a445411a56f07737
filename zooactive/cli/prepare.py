"""`zooactive prepare`: check a catalogue and pack its images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    CatalogueOption,
    IdOption,
    ImageSizeOption,
    ImagesOption,
    RuleOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    number_or_column,
    open_workspace,
    progress_bar,
)


def command(
    workspace: WorkspaceOption = None,
    tree: TreeOption = None,
    rule: RuleOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    volunteers: VolunteersOption = None,
    image_size: ImageSizeOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the shards.", show_default=False)] = None,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Stop when more images than this cannot be read.", show_default=False)
    ] = None,
) -> None:
    """Check every row and image of a catalogue and pack them into Parquet shards at the model's size."""
    from zooactive.catalogue.shards import write_shards
    from zooactive.foundation.writing import file_hash, make_folder, write_how

    place = open_workspace(
        workspace,
        survey={"tree": tree, "catalogue": catalogue, "images": images, "id_column": id_column, "shards": out}
        | {"volunteers": number_or_column(volunteers), "rule": rule},
        model={"image_size": image_size},
    )
    survey = place.read_originals()
    shards = place.survey.shards
    make_folder(shards)
    model = place.model
    with progress_bar("packing", len(survey)) as progress:
        result = write_shards(survey, shards, place.packed_pixels(), max_failures=max_failures, progress=progress)
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
    given: dict[str, object] = {"tree": tree, "image_size": image_size}
    if out is None:
        given |= {"rule": rule, "catalogue": catalogue, "images": images, "volunteers": volunteers}
    else:  # shards at a place of their own are a catalogue of their own, of classes where a rule made some
        given |= {"tree": tree if place.survey.rule is None else place.survey_tree().name, "catalogue": out}
    last_line(
        f"{result.galaxies} galaxies in {result.shards} shard{'s' * (result.shards > 1)} at {model.image_size} px: {shards}",
        command_line("train", workspace=workspace, **given),
    )
