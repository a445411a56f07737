"""`zooactive show`: one galaxy in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.console import (
    GalaxiesOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    JsonOption,
    ModelOption,
    WorkspaceOption,
    last_line,
    open_workspace,
    predict_line,
    screen,
    words,
)
from zooactive.cli.gallery import a_picture

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.workspace import Workspace

_LONGEST_BAR, _GAP = 20, 3  # characters; rich puts three between columns


def command(
    galaxy: Annotated[str, typer.Argument(help="An id of the workspace, or an image file.")],
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    maps: Annotated[
        Path | None,
        typer.Option(
            callback=a_picture,
            help="Draw the first filters and this galaxy's feature maps into this picture.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what volunteers would say about one galaxy; questions that most would not be asked are dimmed."""
    here = open_workspace(workspace)
    given: dict[str, Any] = {"catalogue": catalogue, "images": images}
    given |= {"id_column": id_column, "image_column": image_column}
    table = here.show(galaxy, model=model, **given, maps=maps)
    if json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    _print(table, galaxy)
    last_line(
        f"Mean vote fractions and 90% intervals of {table.attrs['draws']} draws by {model or here.settings.model.folder}; "
        "dimmed: asked of fewer than half of the volunteers.",
        predict_line(here, workspace=workspace, model=model, **_all_of(galaxy, here, given)),
    )


def _all_of(galaxy: str, here: Workspace, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options for all galaxies among which one was shown: its table, or the folder that its image is in."""
    known = here.settings.pool.catalogue or here.settings.survey.catalogue
    if given["catalogue"] is None and known is None:
        return {"catalogue": Path(galaxy).parent}
    return given if given["catalogue"] is not None else {}


def _print(table: pd.DataFrame, title: str) -> None:
    from rich import box
    from rich.table import Table

    terminal = screen()
    out = Table(box=box.SIMPLE_HEAD, title=words(title), title_justify="left", title_style="bold")
    names = ["question", "P(asked)", "answer", "fraction", "90% interval"] + ["votes"] * ("votes" in table)
    for name in names:
        out.add_column(name, justify="right" if name in ("P(asked)", "fraction", "votes") else "left", no_wrap=True)
    out.add_column("", no_wrap=True)
    bar = max(0, min(_LONGEST_BAR, terminal.width - _width_without_bar(table)))
    before = None
    for row in table.to_dict("records"):
        first = row["question"] != before
        if first and before is not None:
            out.add_section()
        before = row["question"]
        cells = [
            row["question"] if first else "",
            f"{row['asked']:.2f}" if first else "",
            row["answer"],
            f"{row['fraction']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
        ]
        cells += [f"{row['votes']:.4g}"] if "votes" in row else []
        out.add_row(*map(words, cells), "█" * round(bar * row["fraction"]), style="dim" if row["asked"] < 0.5 else None)
    terminal.print(out)


def _width_without_bar(table: pd.DataFrame) -> int:
    """Characters that a row takes besides its bar: the longest texts, five more columns, and the gaps."""
    votes = len("votes") + _GAP if "votes" in table else 0
    texts = sum(max(len(name), *map(len, table[name])) + _GAP for name in ("question", "answer"))
    return texts + len("P(asked)") + len("fraction") + len("0.00 to 0.00") + 3 * _GAP + votes + _GAP
