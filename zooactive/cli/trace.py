"""`zooactive trace`: list what a result was made from, back to the votes, and what has changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import be_brief, last_line
from zooactive.foundation.spelling import for_terminal


def command(
    result: Annotated[
        Path, typer.Argument(help="A result of a command: a selection, a folder of predictions, a run, votes and so on.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List everything that a result was made from, and say what has changed since."""
    be_brief()
    from zooactive.workspace.trace import trace

    found = trace(result)
    if json:
        import json as writer

        typer.echo(writer.dumps(found.to_dict(), indent=1, default=str))
    else:
        for line in found.lines():
            typer.echo(for_terminal(line))
    everything = list(found.everything())
    other = [entry for entry in everything if entry.state in ("changed", "gone")]
    last_line(f"{len(everything)} files and folders, of which {len(other)} have changed since or are gone")
