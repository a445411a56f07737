"""`zooactive show`: show one galaxy in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.console import (
    EmbeddingsOption,
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
from zooactive.cli.tables import GAP, ruled

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.workspace import Workspace

_LONGEST_BAR, _SHORTEST_BAR = 20, 5  # characters


def command(
    galaxy: Annotated[str, typer.Argument(help="An id of the workspace, or an image file.")],
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: GalaxiesOption = None,
    images: ImagesOption = None,
    embeddings: EmbeddingsOption = None,
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
    """Show what volunteers would say about one galaxy. Questions that most would not be asked are dimmed."""
    here = open_workspace(workspace)
    given: dict[str, Any] = {"catalogue": catalogue, "images": images, "embeddings": embeddings}
    given |= {"id_column": id_column, "image_column": image_column}
    table = here.show(galaxy, model=model, **given, maps=maps)
    if json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    _print(table, galaxy)
    sees = table.attrs["sees"]
    last_line(
        f"Mean vote fractions and 90% intervals of {table.attrs['draws']} draws by {model or here.settings.model.folder}; "
        f"dimmed questions are asked of fewer than half of the volunteers.{f' {sees}.' if sees else ''}",
        predict_line(here, workspace=workspace, model=model, **_all_of(galaxy, here, given, table)),
    )


def _all_of(galaxy: str, here: Workspace, given: dict[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """Return the options that name all galaxies: the table of the galaxy that was shown, or its image's folder."""
    if table.attrs["by_embeddings"]:
        return {"embeddings": given["embeddings"]}
    known = here.settings.pool.catalogue or here.settings.survey.catalogue
    if given["catalogue"] is None and known is None:
        return {"catalogue": Path(galaxy).parent}
    return given if given["catalogue"] is not None else {}


def _print(table: pd.DataFrame, title: str) -> None:
    from rich.table import Table

    terminal = screen()
    votes = ["votes"] * ("votes" in table)
    wide = _width_without_bar(table) <= terminal.width
    names = ["question", "P(asked)", "answer"] if wide else ["answer"]
    out = Table(
        box=ruled(terminal.encoding),
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        title=words(title),
        title_justify="left",
        title_style="bold",
    )
    for name in (*names, "fraction", "90% interval", *votes):
        out.add_column(name, justify="right" if name in ("P(asked)", "fraction", "votes") else "left", overflow="fold")
    bar = min(_LONGEST_BAR, terminal.width - _width_without_bar(table))
    bar = bar if bar >= _SHORTEST_BAR else 0
    if wide:
        out.add_column("", no_wrap=True)
    before = None
    for row in table.to_dict("records"):
        style = "dim" if row["asked"] < 0.5 else None
        first = row["question"] != before
        if first and before is not None:
            out.add_section()
        before = row["question"]
        answer = [f"{row['fraction']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}"]
        answer += [f"{row['votes']:.4g}"] if votes else []
        if wide:
            cells = [row["question"] if first else "", f"{row['asked']:.2f}" if first else "", row["answer"], *answer]
            out.add_row(*map(words, cells), "\u2588" * round(bar * row["fraction"]), style=style)
            continue
        if first:  # on a line of its own
            asked = f"P(asked) {row['asked']:.2f}"
            out.add_row(words(row["question"]), "", words(asked), *([""] * len(votes)), style=style)
        out.add_row(words(f"  {row['answer']}"), *map(words, answer), style=style)
    terminal.print(out)


def _width_without_bar(table: pd.DataFrame) -> int:
    """Return the characters that a row takes without its bar: the longest texts, the other columns, and the gaps."""
    votes = len("votes") + GAP if "votes" in table else 0
    texts = sum(max(len(name), *map(len, table[name])) + GAP for name in ("question", "answer"))
    return texts + len("P(asked)") + len("fraction") + len("0.00 to 0.00") + 3 * GAP + votes
