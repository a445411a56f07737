"""`zooactive cutouts`: fetch images of the galaxies in a table by their coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from zooactive.cli.console import (
    IdOption,
    MaxFailedOption,
    be_brief,
    command_line,
    last_line,
    note,
    one_of,
    refuse_too_many,
)
from zooactive.foundation.vocabulary import CUTOUT_FORMS, MOST_FAILED, CutoutForm


def command(
    table: Annotated[Path, typer.Argument(help="Table with ids and coordinates: .csv, .parquet, .fits, .vot.")],
    survey: Annotated[
        str,
        typer.Option(
            help="A survey, such as legacy-dr10-grz, or a .toml file that describes one; 'list' lists the surveys."
        ),
    ] = "legacy-dr10-grz",
    arcsec: Annotated[float | None, typer.Option(help="Side of the field in arcsec.", show_default=False)] = None,
    radius_column: Annotated[
        str | None,
        typer.Option(
            help="Column with a length of each galaxy in arcsec, such as a radius; use it with --times.", show_default=False
        ),
    ] = None,
    times: Annotated[
        float | None,
        typer.Option(
            help="Side of the field as a multiple of that length; 8 shows 4 radii on each side.", show_default=False
        ),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Cut the field as this project did: gz-decals.", show_default=False)
    ] = None,
    size: Annotated[
        int, typer.Option(min=0, help="Pixels per side (default: 256, or 424 with --like gz-decals).", show_default=False)
    ] = 0,
    form: Annotated[str, typer.Option(callback=one_of(CUTOUT_FORMS, "form"), help="Format: jpg or fits.")] = "jpg",
    bands: Annotated[
        str, typer.Option(help="Bands, such as grz or VIS,Y,J,H (default: the survey's).", show_default=False)
    ] = "",
    id_column: IdOption = None,
    ra: Annotated[str | None, typer.Option(help="Column of right ascension.", show_default=False)] = None,
    dec: Annotated[str | None, typer.Option(help="Column of declination.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="Folder of the images.")] = Path("images"),
    contact: Annotated[
        str | None,
        typer.Option(
            help="Your contact address, sent with each request so that the service's staff can reach you.",
            show_default=False,
        ),
    ] = None,
    retry_failures: Annotated[
        bool, typer.Option("--retry-failures", help="Ask again even for images that will probably fail again.")
    ] = False,
    max_failed: MaxFailedOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the URLs and fetch nothing.")] = False,
) -> None:
    """Fetch a cutout of each galaxy from a survey's service. Each is fetched once, and an interrupted run resumes."""
    be_brief()
    from zooactive.catalogue.cutouts.fetch import cutouts_of, fetch_cutouts
    from zooactive.catalogue.cutouts.services import list_services, load_service
    from zooactive.catalogue.cutouts.sizes import CutoutSize, Like

    if survey == "list":
        for name in list_services():
            note(f"{name}: {load_service(name).title}")
        return
    field = CutoutSize(size, arcsec=arcsec, column=radius_column, times=times, like=cast("Like | None", like))
    kind = cast("CutoutForm", form)
    if dry_run:
        planned = cutouts_of(table, survey, size=field, form=kind, bands=bands, id_column=id_column, ra=ra, dec=dec)
        for one in planned:
            typer.echo(one.listed_at or one.address)
        if planned and planned[0].listed_at:
            note(f"then, for each galaxy, with the files that its URL lists: {planned[0].address}")
        return
    found = fetch_cutouts(
        table,
        survey,
        out,
        size=field,
        form=kind,
        bands=bands,
        id_column=id_column,
        ra=ra,
        dec=dec,
        retry_failures=retry_failures,
        contact=contact,
    )
    for what, number in found.kinds.items():
        note(f"{number} {what}")
    most = MOST_FAILED if max_failed is None else max_failed
    if found.failed.number:
        note(found.failed.told(most, "run the same command with --retry-failures"))
    note(f"credit: {found.credit}")
    last_line(
        f"{found.galaxies} cutouts: {found.table}",
        command_line("predict", model="bundled", catalogue=found.table) if found.galaxies and form == "jpg" else None,
    )
    refuse_too_many(found.failed, most)
