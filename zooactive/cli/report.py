"""`zooactive report`: one page about everything that the workspace holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import WorkspaceOption, last_line, open_workspace, start_networks


def command(
    workspace: WorkspaceOption = None,
    out: Annotated[
        Path | None, typer.Option(help="The page (default: report.html in the workspace).", show_default=False)
    ] = None,
) -> None:
    """Write one self-contained HTML page: training, merits, acquired galaxies, tasks."""
    start_networks()
    from zooactive.report.run import report_workspace

    place = open_workspace(workspace)
    page = report_workspace(place, out or place.folder / "report.html")
    last_line(f"Open {page}")
