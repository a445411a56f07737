"""`zooactive top`: the galaxies of which an answer is most expected, as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    JsonOption,
    PredictionsOption,
    WorkspaceOption,
    command_line,
    last_line,
    open_workspace,
    print_table,
)
from zooactive.writing import make_folder

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.prediction import Predictions
    from zooactive.workspace import Workspace

_PICTURES = (".png", ".pdf", ".svg")
_SIDE = 160  # pixels of a cutout in the gallery


def command(
    answer: Annotated[
        str | None, typer.Argument(help="Such as bar_strong (default: the first of the tree).", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    predictions: PredictionsOption = None,
    task: Annotated[
        str | None,
        typer.Option(help="A fine-tuned task, whose predictions of the pool are made if need be.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies.")] = 48,
    lowest: Annotated[bool, typer.Option("--lowest", help="Those of which it is least expected.")] = False,
    out: Annotated[Path | None, typer.Option(help="The table, .csv (default: top-ANSWER.csv).", show_default=False)] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="The picture: .png, .pdf or .svg (default: beside the table).", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the galaxies of which volunteers would give an answer most often, and draw them.

    The order is by the share of all volunteers who would: the expected fraction of those asked, times the share asked.
    """
    if gallery is not None and gallery.suffix.lower() not in _PICTURES:
        raise typer.BadParameter(f"{gallery} is no picture that can be drawn; end its name with {' or '.join(_PICTURES)}")
    place = open_workspace(workspace, pool={"predictions": predictions})
    if task is not None:
        from zooactive.cli.of_task import as_task

        place = as_task(place, task, predictions=predictions)
    from zooactive.prediction import open_predictions

    stored = open_predictions(place.pool.predictions)
    column = stored.tree.columns[0] if answer is None else stored.tree.resolve(answer)
    table = best(stored, column, n, lowest=lowest)
    target = out or place.folder / f"top-{column}.csv"
    picture = gallery or target.with_suffix(".png")
    make_folder(target.parent)
    _write(table, target)
    _draw(table, column, place, picture)
    print_table(table if json else table.head(10), as_json=json)
    last_line(
        f"{len(table)} galaxies: {target}, drawn in {picture}",
        command_line("show", workspace=workspace) + f" {table['id'].iloc[0]}",
    )


def best(stored: Predictions, column: str, n: int, *, lowest: bool = False) -> pd.DataFrame:
    """Return the n galaxies with the largest share of all volunteers expected to give an answer.

    Returns
    -------
    DataFrame
        rank, id, ``share`` of all volunteers, and of those asked ``fraction``, ``low`` and ``high``; equal shares in the
        order of ids.
    """
    table = stored.table()
    question = stored.tree.question_of(column).name
    found = table[["id"]].assign(
        share=table[column].astype(float) * table[f"asked_{question}"].astype(float),
        fraction=table[column],
        low=table[f"{column}_low"],
        high=table[f"{column}_high"],
    )
    found = found.sort_values(["share", "id"], ascending=[lowest, True], kind="stable").head(n).reset_index(drop=True)
    found.insert(0, "rank", found.index + 1)
    return found


def _write(table: pd.DataFrame, target: Path) -> None:
    from zooactive.writing import aside

    with aside(target) as temporary:
        table.to_csv(temporary, index=False)


def _draw(table: pd.DataFrame, column: str, place: Workspace, picture: Path) -> None:
    """Draw the galaxies; one whose image cannot be read is left out."""
    from zooactive.images import Preprocessing
    from zooactive.plots.galaxies import gallery
    from zooactive.writing import aside

    galaxies = place.read_pool().select(list(table["id"]))
    stored = galaxies.prepared
    as_shown = Preprocessing(size=_SIDE) if stored is None else stored
    pixels, failures = galaxies.decode(as_shown)
    captions = [f"{row.id}\n{row.fraction:.2f} ({row.low:.2f} to {row.high:.2f})" for row in table.itertuples(index=False)]
    shown = [i for i in range(len(table)) if i not in failures]
    figure = gallery([pixels[i] for i in shown], [captions[i] for i in shown], columns=8)
    with aside(picture) as temporary:
        figure.savefig(temporary, dpi=150, format=picture.suffix[1:].lower())
