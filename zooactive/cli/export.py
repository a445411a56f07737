"""`zooactive export`: write a selection as a subject set for the Zooniverse."""

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
    open_workspace,
    progress_bar,
)


def command(
    workspace: WorkspaceOption = None,
    selection: Annotated[
        Path | None,
        typer.Option(help="Selection written by `zooactive acquire` (default: the workspace's).", show_default=False),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Plan written by `zooactive allocate`: export its galaxies, each with #stop_at, instead of a selection.",
            show_default=False,
        ),
    ] = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder (default: subjects).", show_default=False)] = None,
    size: Annotated[
        int | None,
        typer.Option(min=8, max=4096, help="Pixels per side of every image (default: unchanged).", show_default=False),
    ] = None,
    credit: Annotated[str, typer.Option(help="Whose images these are; shown to volunteers.", show_default=False)] = "",
    licence: Annotated[
        str, typer.Option(help="Licence of the images, such as CC BY 4.0; shown to volunteers.", show_default=False)
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(help="Column of the table to include, hidden from volunteers; may be repeated.", show_default=False),
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Also upload them; PANOPTES_USERNAME and PANOPTES_PASSWORD name your account.")
    ] = False,
    project: Annotated[
        int | None, typer.Option(min=1, help="For --upload: the project's number.", show_default=False)
    ] = None,
    subject_set: Annotated[
        str | None,
        typer.Option(help="For --upload: name of the subject set (default: the selection's).", show_default=False),
    ] = None,
) -> None:
    """Write images and a manifest of the selected galaxies for the Zooniverse's uploader, or upload them directly."""
    if upload and project is None:
        raise typer.BadParameter("--upload needs --project, the number of the project on the Zooniverse")
    here = open_workspace(workspace)
    written = here.export(
        selection=selection,
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        out=out,
        size=size,
        credit=credit,
        licence=licence,
        column=column or (),
        plan=plan,
    )
    folder = out or here.folder / "subjects"
    names = ", ".join(manifest.name for manifest in written.manifests)
    counted = "when the votes are in, run zooactive votes EXPORT.csv --wording WORDING.toml"
    if not upload:
        last_line(
            f"{written.subjects} subjects in {folder}: {names} and images/",
            then=f"upload them as a subject set; {counted}",
        )
        return
    from zooactive.labels.panoptes import upload_subjects

    assert project is not None
    into = subject_set or (selection or here.settings.acquire.out).stem
    with progress_bar("uploading", written.subjects, "subjects") as progress:
        sent = upload_subjects(folder, project=project, subject_set=into, progress=progress)
    last_line(
        f"{sent.new} subjects uploaded, {sent.known} were there already: subject set {sent.subject_set}, '{into}'",
        then=counted,
    )
