"""What every command shares on the terminal: options, progress on stderr, tables on stdout, the last line."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.foundation.errors import did_you_mean
from zooactive.foundation.parts_folder import MOST_FAILED, Failed
from zooactive.foundation.spelling import for_terminal
from zooactive.foundation.vocabulary import BACKBONES

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.text import Text

    from zooactive.workspace import Workspace

_WIDTH_OF_A_FILE = 160
_SPELT = {"id_column": "id", "image_column": "image"}  # options that are not called as their entries are

NOT_WHOLE = 3
"""The exit code when all is written and more galaxies failed than may fail."""


def one_of(known: Sequence[str], what: str) -> Callable[[str | None], str | None]:
    """Return an option's check that names the nearest of the known values."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in known:
            raise typer.BadParameter(
                f"there is no {what} '{value}'.{did_you_mean(value, known)} Known are {', '.join(known)}"
            )
        return value

    return check


WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with zooactive.toml (default: here or above).", show_default=False),
]
TreeOption = Annotated[str | None, typer.Option(help="Decision tree: a name or a .toml file.", show_default=False)]
RuleOption = Annotated[
    str | None, typer.Option(help="Learn clean classes made of the votes: a rule's name or .toml file.", show_default=False)
]
CatalogueOption = Annotated[
    Path | None, typer.Option(help="Table of galaxies: CSV, Parquet, FITS, VOTable or shards.", show_default=False)
]
GalaxiesOption = Annotated[
    Path | None,
    typer.Option(
        "--catalogue",
        help="Table of galaxies: CSV, Parquet, FITS, VOTable or shards; or a folder of images, subfolders too.",
        show_default=False,
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder that relative image paths start from, or in which, or below, files are called by the ids.",
        show_default=False,
    ),
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", help="The id column (default: id, id_str, iauname, GalaxyID or survey_id).", show_default=False),
]
ImageColumnOption = Annotated[
    str | None,
    typer.Option("--image", help="The image column (default: file_loc, image or png_loc).", show_default=False),
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", help="Folder of a run or of a saved model.", show_default=False)
]
PredictionsOption = Annotated[Path | None, typer.Option(help="Folder written by `zooactive predict`.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Seed of every random choice.", show_default=False)]
VolunteersOption = Annotated[
    str | None, typer.Option(help="Volunteers behind each fraction: a number or a column.", show_default=False)
]
ImageSizeOption = Annotated[
    int | None, typer.Option(min=8, max=4096, help="Side of the network's input in pixels.", show_default=False)
]
BackboneOption = Annotated[
    str | None,
    typer.Option(callback=one_of(BACKBONES, "backbone"), help=f"Network: {', '.join(BACKBONES)}.", show_default=False),
]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Epochs of training at most.", show_default=False)]
MaxFailuresOption = Annotated[
    int | None, typer.Option(min=0, help="Stop when more images than this cannot be read.", show_default=False)
]
MaxFailedOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help=f"Share of images that may fail; when more do, all is written and the exit code is {NOT_WHOLE} "
        f"(default: {MOST_FAILED:g}).",
        show_default=False,
    ),
]
RetryOption = Annotated[
    bool,
    typer.Option(
        "--retry-failures",
        help="Read again every image that failed before, also addresses that answered there is none, and fill them in.",
    ),
]
BatchSizeOption = Annotated[int | None, typer.Option(min=1, help="Galaxies a step.", show_default=False)]


def open_workspace(folder: Path | None) -> Workspace:
    """Find the workspace whose file lies here or above; its jobs tell people what they do, on stderr."""
    from zooactive.workspace import find_workspace

    be_brief()
    return find_workspace(folder, progress=progress_bar, tell=note)


def be_brief() -> None:
    """Make warnings and TensorFlow brief."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    warnings.showwarning = _brief_warning


def number_or_column(volunteers: str | None) -> float | str | None:
    """Return what ``--volunteers`` says as a number, or as the name of a column."""
    try:
        return None if volunteers is None else float(volunteers)
    except ValueError:
        return volunteers


_warned: set[str] = set()


def _brief_warning(message: Warning | str, category: type[Warning], *place: Any, **keywords: Any) -> None:
    """Show zooactive's own warnings in a line, each once; those of the libraries below concern developers."""
    about = str(message).partition(": ")[2] or str(message)
    if category is UserWarning and "zooactive" in str(place[0] if place else "") and about not in _warned:
        _warned.add(about)
        note(f"warning: {message}")


def note(text: str) -> None:
    """Print a line for people, on stderr; ids and reasons in it may hold what a terminal would obey."""
    typer.echo(for_terminal(text), err=True)


def refuse_too_many(failed: Failed, most: float) -> None:
    """End with the exit code of a survey that is not whole, where more than a share of its galaxies failed."""
    if failed.too_many(most):
        raise typer.Exit(NOT_WHOLE)


def command_line(name: str, **options: object) -> str:
    """Return a command to type, with those options that are not None."""
    names = {key: _SPELT.get(key, key.replace("_", "-")) for key in options}
    given = [f"--{names[key]} {shlex.quote(_short(value))}" for key, value in options.items() if value is not None]
    return " ".join([f"zooactive {name}", *given])


def _short(value: object) -> str:
    """Return a value as people would type it: a path from here where it lies below."""
    path, here = Path(str(value)), Path.cwd()
    if path.is_absolute() and path != here and path.is_relative_to(here):
        return str(path.relative_to(here))
    return str(value)


def show_line(galaxy: str, **options: object) -> str:
    """Return the command that shows a galaxy, whose id may look like an option; `options` may say more than it takes."""
    options.pop("where", None)
    return f"{command_line('show', **options)} {'-- ' if galaxy.startswith('-') else ''}{shlex.quote(galaxy)}"


def predict_line(
    here: Workspace, *, workspace: Path | None, model: Path | None, out: Path | None = None, **galaxies: Any
) -> str:
    """Return the command that predicts with a model, into another folder where other predictions lie already."""
    from zooactive.workspace.origin import folder_for

    settings = here.settings.with_options(
        model={"folder": model},
        pool={"predictions": out} | {name: galaxies.get(name) for name in ("catalogue", "images")},
        survey={name: galaxies.get(name) for name in ("id_column", "image_column")},
    )
    folder = folder_for(settings)
    target = None if folder == here.settings.pool.predictions else folder
    return command_line("predict", workspace=workspace, model=model, **galaxies, out=target)


def last_line(done: str, following: str | None = None, *, then: str | None = None) -> None:
    """Say what was written where, the command to run next, and what people would do then.

    The command is run as it is printed; a test does so.
    """
    note(done)
    if following:
        note(f"Next: {following}")
    if then:
        note(f"Then: {then}")


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how much is done; the bar is on stderr, and off when that is no terminal.

    Lines that `note` prints meanwhile stand above the bar.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(for_terminal(label), total=total)
        yield lambda done: bar.update(task, completed=done)


def print_table(table: pd.DataFrame, *, as_json: bool, digits: int = 3) -> None:
    """Print a table on stdout: aligned for people, or as JSON records."""
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD)
    for name in table.columns:
        out.add_column(words(name), justify="right" if table[name].dtype.kind in "fiu" else "left", overflow="fold")
    for row in table.itertuples(index=False):
        out.add_row(*(words(_cell(value, digits)) for value in row))
    screen().print(out)


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float):
        small = 0 < abs(value) < 10.0**-digits
        return "-" if value != value else f"{value:.1e}" if small else f"{value:.{digits}f}"
    return str(value)


def words(value: object) -> Text:
    """Return a cell as rich prints it: brackets in it are no markup, and control characters are told."""
    from rich.text import Text

    return Text(for_terminal(str(value)))


def screen() -> Console:
    """Return rich's console on stdout: as wide as the terminal, and wide enough for every table in a file or pipe."""
    from rich.console import Console

    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if told else _WIDTH_OF_A_FILE)
