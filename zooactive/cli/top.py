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
from zooactive.cli.gallery import GalleryOption, write_list

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.prediction import Predictions


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
    gallery: GalleryOption = None,
    json: JsonOption = False,
) -> None:
    """List the galaxies of which volunteers would give an answer most often, and draw them.

    The order is by the share of all volunteers who would: the expected fraction of those asked, times the share asked.
    """
    place = open_workspace(workspace, pool={"predictions": predictions})
    if task is not None:
        from zooactive.cli.of_task import as_task

        place = as_task(place, task, predictions=predictions)
    from zooactive.prediction import open_predictions

    stored = open_predictions(place.pool.predictions)
    column = stored.tree.columns[0] if answer is None else stored.tree.resolve(answer)
    table = best(stored, column, n, lowest=lowest)
    target = out or place.folder / f"top-{column}.csv"
    captions = [f"{row.id}\n{row.fraction:.2f} ({row.low:.2f} to {row.high:.2f})" for row in table.itertuples(index=False)]
    picture = write_list(table, captions, place, target, gallery)
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
        rank, id, ``share`` of all volunteers, and of those asked ``fraction``, ``low`` and ``high`` (NaN where no
        interval is kept); equal shares in the order of ids.
    """
    table = stored.table()
    question = stored.tree.question_of(column).name
    found = table[["id"]].assign(
        share=table[column].astype(float) * table[f"asked_{question}"].astype(float),
        fraction=table[column],
        low=table.get(f"{column}_low", float("nan")),
        high=table.get(f"{column}_high", float("nan")),
    )
    found = found.sort_values(["share", "id"], ascending=[lowest, True], kind="stable").head(n).reset_index(drop=True)
    found.insert(0, "rank", found.index + 1)
    return found
