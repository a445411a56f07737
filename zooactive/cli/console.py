"""What every command shares on the terminal: options, progress on stderr, tables on stdout, the last line."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import pandas as pd

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with zooactive.toml (default: here or above).", show_default=False),
]
TreeOption = Annotated[str | None, typer.Option(help="Decision tree: a name or a .toml file.", show_default=False)]
CatalogueOption = Annotated[
    Path | None, typer.Option(help="Table of galaxies: CSV, Parquet, FITS, VOTable or shards.", show_default=False)
]
ImagesOption = Annotated[Path | None, typer.Option(help="Folder that relative image paths start from.", show_default=False)]
ModelOption = Annotated[
    Path | None, typer.Option("--model", help="Folder of a run or of a saved model.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of every random choice.", show_default=False)]


def open_workspace(folder: Path | None, **sections: Mapping[str, Any]) -> Workspace:
    """Find the workspace, let options take the place of what it says, and make warnings and TensorFlow brief."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    warnings.showwarning = _brief_warning
    return find_workspace(folder).with_options(**sections)


def start_networks() -> None:
    """Import Keras, keeping from stderr the greetings that TensorFlow's libraries print before they can be told not to."""
    sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        importlib.import_module("keras")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)


_warned: set[str] = set()


def _brief_warning(message: Warning | str, category: type[Warning], *place: Any, **keywords: Any) -> None:
    """Show zooactive's own warnings in a line, each once; those of the libraries below concern developers."""
    about = str(message).partition(": ")[2] or str(message)
    if category is UserWarning and "zooactive" in str(place[0] if place else "") and about not in _warned:
        _warned.add(about)
        note(f"warning: {message}")


def note(text: str) -> None:
    """Print a line for people, on stderr."""
    typer.echo(text, err=True)


def last_line(done: str, following: str | None = None) -> None:
    """Say what was written where, and what one would run next."""
    note(done + (f"\nNext: {following}" if following else ""))


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how much is done; the bar is on stderr, and off when that is no terminal.

    Lines that `note` prints meanwhile stand above the bar.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def print_table(table: pd.DataFrame, *, as_json: bool, digits: int = 3) -> None:
    """Print a table on stdout: aligned for people, or as JSON records."""
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD)
    for name in table.columns:
        out.add_column(str(name), justify="right" if table[name].dtype.kind in "fiu" else "left", overflow="fold")
    for row in table.itertuples(index=False):
        out.add_row(*(f"{value:.{digits}f}" if isinstance(value, float) else str(value) for value in row))
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(out)
