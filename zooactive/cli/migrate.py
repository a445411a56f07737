"""`zooactive migrate`: convert files of older versions to the formats of this version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import JsonOption, be_brief, last_line, near, print_table


def command(
    path: Annotated[Path, typer.Argument(help="A file, or a folder and everything below it.")] = Path(),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; say what would be done.")] = False,
    json: JsonOption = False,
) -> None:
    """Convert files of older versions to the formats of this version, if they hold everything that it needs."""
    be_brief()
    import pandas as pd

    from zooactive.workspace.migrate import migrate

    found = migrate(path, write=not check)
    rows = [(near(one.file), one.holds, one.found, one.known, one.said) for one in found]
    print_table(pd.DataFrame(rows, columns=["file", "holds", "format", "latest", "said"]), as_json=json)
    done = sum(one.said in ("migrated", "would be migrated") for one in found)
    kept = sum(one.said not in ("migrated", "would be migrated", "current") for one in found)
    what = "to migrate" if check else "migrated"
    last_line(f"{len(found)} files that declare a format: {done} {what}, {kept} cannot be")
