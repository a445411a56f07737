"""`zooactive prepare`: check a catalogue and pack its images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    BandsOption,
    CatalogueOption,
    IdOption,
    ImageColumnOption,
    ImageSizeOption,
    ImagesOption,
    MaxFailedOption,
    MaxFailuresOption,
    MaxSetAsideOption,
    RetryOption,
    RuleOption,
    StretchOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    bands_in,
    command_line,
    last_line,
    number_or_column,
    open_workspace,
    refuse_too_many,
    stretch_of,
)


def command(
    workspace: WorkspaceOption = None,
    tree: TreeOption = None,
    rule: RuleOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    volunteers: VolunteersOption = None,
    max_set_aside: MaxSetAsideOption = None,
    image_size: ImageSizeOption = None,
    bands: BandsOption = None,
    stretch: StretchOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the shards.", show_default=False)] = None,
    max_failures: MaxFailuresOption = None,
    max_failed: MaxFailedOption = None,
    retry_failures: RetryOption = False,
) -> None:
    """Check every row and image of a catalogue and pack them into Parquet shards at the model's size."""
    here = open_workspace(workspace)
    result = here.prepare(
        tree=tree,
        rule=rule,
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        volunteers=number_or_column(volunteers),
        max_set_aside=max_set_aside,
        image_size=image_size,
        bands=bands_in(bands),
        stretch=stretch_of(stretch),
        out=out,
        max_failures=max_failures,
        max_failed=max_failed,
        retry_failures=retry_failures,
    )
    given: dict[str, object] = {"tree": tree, "image_size": image_size, "bands": bands, "stretch": stretch}
    if out is None:
        given |= {"rule": rule, "catalogue": catalogue, "images": images, "volunteers": volunteers}
        given |= {"id_column": id_column, "image_column": image_column}
    else:  # shards in a folder of their own are a catalogue of their own; if a rule made classes, a catalogue of classes
        from zooactive.catalogue import load_rule

        made_by = rule or here.settings.survey.rule
        given |= {"tree": tree if made_by is None else load_rule(made_by).result.name, "catalogue": out}
    failed, most = result.failed(), here.settings.survey.max_failed if max_failed is None else max_failed
    last_line(
        f"{result.galaxies} galaxies in {result.shards} shard{'s' * (result.shards > 1)} at "
        f"{image_size or here.settings.model.image_size} px: {out or here.settings.survey.shards}",
        None if failed.too_many(most) else command_line("train", workspace=workspace, **given),
    )
    refuse_too_many(failed, most)
