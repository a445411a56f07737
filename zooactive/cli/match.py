"""`zooactive match`: add the columns of another table, by coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import IdOption, be_brief, last_line, note


def command(
    table: Annotated[Path, typer.Argument(help="Table of galaxies with coordinates.")],
    other: Annotated[Path, typer.Argument(help="Table whose columns are added.")],
    arcsec: Annotated[float, typer.Option(help="Maximum distance of a counterpart, in arcsec.")] = 1.0,
    id_column: IdOption = None,
    other_id: Annotated[str | None, typer.Option(help="Id column of the other table.", show_default=False)] = None,
    ra: Annotated[str | None, typer.Option(help="Column of right ascension.", show_default=False)] = None,
    dec: Annotated[str | None, typer.Option(help="Column of declination.", show_default=False)] = None,
    matched_only: Annotated[bool, typer.Option("--matched-only", help="Leave out galaxies without a counterpart.")] = False,
    out: Annotated[Path, typer.Option(help="The result: .csv, .parquet, .fits or .xml.")] = Path("matched.parquet"),
) -> None:
    """Add the columns of another table, from the galaxy at the same coordinates."""
    be_brief()
    from zooactive.workspace.match import match

    found = match(
        table, other, out, arcsec=arcsec, id_column=id_column, other_id=other_id, ra=ra, dec=dec, matched_only=matched_only
    )
    note(f"{found.matched} galaxies have a counterpart within {arcsec:g} arcsec")
    if found.shared:
        note(f"warning: {found.shared} of them share a counterpart; give a smaller --arcsec, or look at them")
    last_line(f"{found.galaxies} galaxies: {found.table}")
