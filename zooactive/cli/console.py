"""Parts that all commands share: options, progress on stderr, tables on stdout, and the last line."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.exit_codes import NOT_WHOLE
from zooactive.cli.run import is_quiet, take_json
from zooactive.foundation.errors import did_you_mean
from zooactive.foundation.logs import log
from zooactive.foundation.showing import on_stderr
from zooactive.foundation.spelling import for_terminal
from zooactive.foundation.telling import Report
from zooactive.foundation.vocabulary import BACKBONES, MOST_FAILED

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.text import Text

    from zooactive.foundation.parts_folder import Failed
    from zooactive.workspace import Workspace

_WIDTH_OF_A_FILE = 160
ROWS = 10
"""Rows that people see of a long table."""
_SPELT = {"id_column": "id", "image_column": "image"}  # options whose names differ from their entries' names


def one_of(known: Sequence[str], what: str) -> Callable[[str | None], str | None]:
    """Return a check for an option; its error suggests the nearest known value."""

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
    str | None,
    typer.Option(
        help="Use the clean classes that this rule makes from the votes: a name or a .toml file.", show_default=False
    ),
]
CatalogueOption = Annotated[
    Path | None, typer.Option(help="Table of galaxies: CSV, Parquet, FITS, VOTable or shards.", show_default=False)
]
GalaxiesOption = Annotated[
    Path | None,
    typer.Option(
        "--catalogue",
        help="Table of galaxies: CSV, Parquet, FITS, VOTable or shards; or a folder of images, with its subfolders.",
        show_default=False,
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of images: relative image paths start here, or the files in it and its subfolders are named by id.",
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


def _local_model(name: str) -> Path:
    """Return the folder of a model that is named on the command line."""
    from zooactive.models.places import local_model

    return local_model(name)


ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        parser=_local_model,
        metavar="MODEL",
        help="The model: folder of a run or of a saved model, a zip of one, https://...#sha256=..., or hf://USER/NAME.",
        show_default=False,
    ),
]
PredictionsOption = Annotated[Path | None, typer.Option(help="Folder written by `zooactive predict`.", show_default=False)]
EmbeddingsOption = Annotated[
    Path | None,
    typer.Option(
        "--embeddings",
        help="Galaxy features from any encoder, instead of images and a network: Parquet, Arrow, .npy, HDF5 or CSV.",
        show_default=False,
    ),
]
EmbeddingIdsOption = Annotated[
    Path | None,
    typer.Option(
        "--embedding-ids",
        help="Table or .txt file with the ids of an .npy file, in the same order (default: next to it).",
        show_default=False,
    ),
]
EmbeddingColumnOption = Annotated[
    str | None,
    typer.Option("--embedding-column", help="Column of lists, or the prefix of the feature columns.", show_default=False),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="Name of the encoder that made the embeddings; embeddings of another name are refused.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]
SummaryAsJsonOption = Annotated[
    bool, typer.Option("--json", callback=take_json, help="Print a summary as JSON, as `--summary -` does.")
]
SummaryWithTableOption = Annotated[
    bool,
    typer.Option(
        "--json", callback=take_json, help="Print what came of it as JSON, as `--summary -` does, with the table in it."
    ),
]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Seed of every random choice.", show_default=False)]
VolunteersOption = Annotated[
    str | None, typer.Option(help="Volunteers behind each fraction: a number or a column.", show_default=False)
]
MaxSetAsideOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Share of a table's rows that may contradict themselves (default 0.01).", show_default=False
    ),
]
ImageSizeOption = Annotated[
    int | None, typer.Option(min=8, max=4096, help="Side of the network's input in pixels.", show_default=False)
]
BandsOption = Annotated[
    str | None,
    typer.Option(help="Bands of FITS images, one per channel of the network: g,r,i,z,y.", show_default=False),
]
StretchOption = Annotated[
    list[str] | None,
    typer.Option(
        help='How FITS values are scaled, such as "asinh -0.1 5 0.05"; repeat it to give one per band.', show_default=False
    ),
]
BackboneOption = Annotated[
    str | None,
    typer.Option(callback=one_of(BACKBONES, "backbone"), help=f"Network: {', '.join(BACKBONES)}.", show_default=False),
]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Maximum number of training epochs.", show_default=False)]
MaxFailuresOption = Annotated[
    int | None, typer.Option(min=0, help="Stop when more images than this cannot be read.", show_default=False)
]
MaxFailedOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help=f"Share of images that may fail. If more fail, everything is still written, but the exit code is {NOT_WHOLE} "
        f"(default: {MOST_FAILED:g}).",
        show_default=False,
    ),
]
RetryOption = Annotated[
    bool,
    typer.Option(
        "--retry-failures",
        help="Read every image again that failed before, even if its URL answered 'not found', and fill in the results.",
    ),
]
BatchSizeOption = Annotated[int | None, typer.Option(min=1, help="Galaxies per batch.", show_default=False)]


def open_workspace(folder: Path | None) -> Workspace:
    """Find the workspace in this folder or above; its jobs report what they do on stderr."""
    from zooactive.workspace import find_workspace

    be_brief()
    return find_workspace(folder, progress=on_stderr(), tell=note)


def be_brief() -> None:
    """Make warnings and TensorFlow brief."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of many networks, and each fold builds one
    warnings.showwarning = _brief_warning


def bands_in(text: str | None) -> tuple[str, ...] | None:
    """Return the bands of ``--bands``."""
    from zooactive.catalogue.bands import bands_of

    return None if text is None else bands_of(text)


def stretch_of(texts: list[str] | None) -> str | tuple[str, ...] | None:
    """Return the stretch of ``--stretch``: one for all, or one for each band."""
    return None if not texts else texts[0] if len(texts) == 1 else tuple(texts)


def number_or_column(volunteers: str | None) -> float | str | None:
    """Return the value of ``--volunteers`` as a number, or as the name of a column."""
    try:
        return None if volunteers is None else float(volunteers)
    except ValueError:
        return volunteers


_warned: set[str] = set()


def _brief_warning(message: Warning | str, category: type[Warning], *place: Any, **keywords: Any) -> None:
    """Show each of zooactive's own warnings once, in one line; warnings of other libraries concern developers."""
    about = str(message).partition(": ")[2] or str(message)
    if category is UserWarning and "zooactive" in str(place[0] if place else "") and about not in _warned:
        _warned.add(about)
        note(f"warning: {message}")


def note(text: str) -> None:
    """Print a line for people on stderr, with control characters spelled out: ids and reasons may hold some.

    With --quiet only warnings and failures are printed.
    """
    said = text.strip()
    warned, failed = said.startswith("warning: "), said.startswith("zooactive: ")
    if said and not failed:
        log(__name__, logging.WARNING if warned else logging.INFO, "warning" if warned else "said", said=said)
    if is_quiet() and not warned and not failed:
        return
    lines = for_terminal(text).split("\n")
    if sys.stderr.isatty():
        lines = [line if line.startswith(("Next: ", "$ ")) else _wrapped(line) for line in lines]  # people copy them
    on_stderr().line("\n".join(lines))


def _wrapped(line: str) -> str:
    """Return a line wrapped between words if it is wider than the terminal, which would break it within a word."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return line
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) if len(line) > width else line


def refuse_too_many(failed: Failed, most: float) -> None:
    """Exit with the code for an incomplete survey if more than this share of its galaxies failed."""
    if failed.too_many(most):
        raise typer.Exit(NOT_WHOLE)


def command_line(name: str, **options: object) -> str:
    """Return a command to type, with the options that are not None."""
    names = {key: _SPELT.get(key, key.replace("_", "-")) for key in options}
    said = [(key, item) for key, value in options.items() for item in (value if isinstance(value, list) else [value])]
    given = [f"--{names[key]} {shlex.quote(_short(value))}" for key, value in said if value is not None]
    return " ".join([f"zooactive {name}", *given])


def _short(value: object) -> str:
    """Return a value as people would type it: a path below this folder as relative, a model of the hub by its name."""
    if isinstance(value, Path):
        from zooactive.models.published.origin import name_of

        if (name := name_of(value)) is not None:
            return name
    path, here = Path(str(value)), Path.cwd()
    if path.is_absolute() and path != here and path.is_relative_to(here):
        return str(path.relative_to(here))
    return str(value)


def show_line(galaxy: str, **options: object) -> str:
    """Return the command that shows a galaxy, even if its id looks like an option; options that it lacks are dropped."""
    options.pop("where", None)
    return f"{command_line('show', **options)} {'-- ' if galaxy.startswith('-') else ''}{shlex.quote(galaxy)}"


def predict_line(
    here: Workspace, *, workspace: Path | None, model: Path | None, out: Path | None = None, **galaxies: Any
) -> str:
    """Return the command that predicts with a model; it names a new folder if the usual one holds other predictions."""
    from zooactive.workspace.origin import folder_for

    settings = here.settings.with_options(
        model={"folder": model},
        pool={"predictions": out} | {name: galaxies.get(name) for name in ("catalogue", "images", "embeddings")},
        survey={name: galaxies.get(name) for name in ("id_column", "image_column")},
    )
    folder = folder_for(settings)
    target = None if folder == here.settings.pool.predictions else folder
    return command_line("predict", workspace=workspace, model=model, **galaxies, out=target)


def finetune_line(here: Workspace, *, workspace: Path | None, task: str | None) -> str:
    """Return the command that learns a task again, from the table of labels that it was learnt from."""
    from zooactive.workspace.finetuned import to_learn_again

    options = {} if task is None else to_learn_again(here.settings, task)
    labels = options.pop("labels", None)
    table = "" if labels is None else f" {shlex.quote(_short(labels))}"
    return command_line(f"finetune{table}", workspace=workspace, **options)


def last_line(done: str, following: str | None = None, *, then: str | None = None) -> None:
    """Print what was written and where, the command to run next, and what to do after that.

    The command must run as it is printed; a test runs it.
    """
    note(done)
    if following:
        note(f"Next: {following}")
    if then:
        note(f"Then: {then}")


def progress_bar(label: str, total: int, unit: str = "galaxies") -> AbstractContextManager[Report]:
    """Show progress on stderr: a bar in a terminal, and elsewhere a line every half a minute.

    Lines that `note` prints meanwhile appear above the bar.
    """
    return on_stderr()(label, total, unit)


def print_table(
    table: pd.DataFrame,
    *,
    as_json: bool,
    title: str | None = None,
    rows: int | None = None,
    file: Path | str | None = None,
) -> None:
    """Print a table on stdout: for people as wide as the terminal, or as JSON records.

    Parameters
    ----------
    table : DataFrame
        The most important columns first, because the last ones are left out in a narrow terminal.
    as_json : bool
        Print the whole table as JSON.
    title : str, optional
        A line above the table.
    rows : int, optional
        How many rows people see; the other rows are counted.
    file : path, optional
        The file that holds the whole table.
    """
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    from zooactive.cli.tables import columns_of, drawn, fitted, width_of

    terminal = screen()
    shown, left_out = fitted(columns_of(table if rows is None else table.head(rows)), terminal.width if _told() else None)
    if title is not None:
        terminal.print(words(f"\n{title}"), style="bold")
    terminal.width = max(terminal.width, width_of(shown))  # in a file, all columns are shown
    terminal.print(drawn(shown, terminal.encoding))
    hidden = 0 if rows is None else max(0, len(table) - rows)
    where = "--json prints all" if file is None else f"see {near(file)}"
    if hidden:
        note(f"{hidden} more row{'s' * (hidden > 1)}{'' if file is None else f' in {near(file)}'}")
    if left_out:
        note(f"no room for the columns {', '.join(left_out)}: {where}, or widen the terminal")


def print_selection(selection: pd.DataFrame, *, as_json: bool) -> None:
    """Print the chosen galaxies, for people the highest scores first, because the order of choice is partly random."""
    if as_json:
        print_table(selection, as_json=True)
        return
    sorted_by = [name for name in ("arm", "score") if name in selection]
    shown = selection.sort_values(sorted_by, ascending=[name == "arm" for name in sorted_by], kind="stable")
    first = [name for name in ("id", "score", "question", "question_share", "clicks", "arm") if name in shown]
    rest = [name for name in shown.columns if name not in (*first, "rank")]
    print_table(shown[[*first, *rest]], as_json=False, rows=ROWS, file=selection.attrs["file"])
    note("highest scores first, then the galaxies drawn at random; the file has them by rank, the order of choice")


def near(path: Path | str) -> str:
    """Return a path as you would type it here: relative if it is in this folder."""
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def words(value: object) -> Text:
    """Return a cell for rich to print: brackets in it are not markup, and control characters are spelled out."""
    from rich.text import Text

    return Text(for_terminal(str(value)))


def screen() -> Console:
    """Return rich's console on stdout: as wide as the terminal, and wide enough for every table in a file or pipe."""
    from rich.console import Console

    return Console(width=None if _told() else _WIDTH_OF_A_FILE)


def _told() -> bool:
    """Return whether the width of the output is known."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ
