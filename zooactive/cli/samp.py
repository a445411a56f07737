"""`zooactive samp`: send a table to TOPCAT, Aladin or DS9, and receive a selection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import IdOption, be_brief, last_line, note


def command(
    table: Annotated[Path, typer.Argument(help="Table of galaxies, such as images/cutouts.parquet or top-NAME.csv.")],
    to: Annotated[
        str | None, typer.Option(help="Name of the program (default: all programs that take tables).", show_default=False)
    ] = None,
    galaxy: Annotated[str | None, typer.Option(help="Point at this galaxy of the table.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Wait for a selection, and write its rows: .csv or .parquet.", show_default=False),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the selection.")] = 600.0,
    id_column: IdOption = None,
) -> None:
    """Send a table by SAMP to programs on your machine, and write what you select there."""
    be_brief()
    from zooactive.workspace.samp import send_by_samp

    if out is not None:
        note(f"select rows of the table in the program and broadcast them; zooactive waits for {wait:g} s")
    sent = send_by_samp(table, to=to, galaxy=galaxy, out=out, wait=wait, id_column=id_column)
    note(f"taken by {', '.join(sent.taken_by)}")
    if sent.selected is not None:
        last_line(f"{sent.selected} galaxies: {out}")
