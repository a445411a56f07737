"""`zooactive top`: the galaxies surest of an answer, least sure of it, or that would tell most of it; table and picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    CatalogueOption,
    IdOption,
    ImagesOption,
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


class Most(StrEnum):
    """What the galaxies at the top have most of."""

    CERTAIN = "certain"
    UNCERTAIN = "uncertain"
    INFORMATIVE = "informative"


def command(
    argument: Annotated[
        str | None,
        typer.Argument(metavar="ANSWER", help="Such as bar_strong (default: the first of the tree).", show_default=False),
    ] = None,
    option: Annotated[
        str | None, typer.Option("--answer", help="The answer, in place of the argument.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    predictions: PredictionsOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    task: Annotated[
        str | None,
        typer.Option(help="A fine-tuned task, whose predictions of the pool are made if need be.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies.")] = 48,
    most: Annotated[
        Most,
        typer.Option(
            help="Surest of the answer, least sure how many would give it, or those whose next vote would tell the model "
            "most."
        ),
    ] = Most.CERTAIN,
    lowest: Annotated[bool, typer.Option("--lowest", help="Those of which it is least expected.")] = False,
    out: Annotated[Path | None, typer.Option(help="The table, .csv (default: top-ANSWER.csv).", show_default=False)] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
) -> None:
    """List the galaxies of which volunteers would give an answer most often, and draw them.

    The order is by the share of all volunteers who would: the expected fraction of those asked, times the share asked. With
    --most it is by the standard deviation of that fraction, or by what one more vote on the question would tell, in nats.
    """
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter(f"the answers {argument} and {option} are asked for; give one")
    if lowest and most is not Most.CERTAIN:
        raise typer.BadParameter(f"--lowest and --most {most} do not go together; give one")
    answer = argument if argument is not None else option
    place = open_workspace(
        workspace,
        survey={"id_column": id_column},
        pool={"predictions": predictions, "catalogue": catalogue, "images": images},
    )
    if task is not None:
        from zooactive.cli.of_task import as_task

        place = as_task(place, task, predictions=predictions)
    from zooactive.prediction import open_predictions

    stored = open_predictions(place.pool.predictions)
    column = stored.tree.columns[0] if answer is None else stored.tree.resolve(answer)
    table = best(stored, column, n, lowest=lowest, most=most)
    target = out or place.folder / (f"top-{column}.csv" if most is Most.CERTAIN else f"top-{column}-{most}.csv")
    captions = [f"{row.id}\n{row.fraction:.2f} ({row.low:.2f} to {row.high:.2f})" for row in table.itertuples(index=False)]
    if most is Most.INFORMATIVE:
        captions = [f"{row.id}\n{row.fraction:.2f}, {row.information:.2g} nats" for row in table.itertuples(index=False)]
    picture = write_list(table, captions, place, target, gallery)
    print_table(table if json else table.head(10), as_json=json)
    last_line(
        f"{len(table)} galaxies: {target}, drawn in {picture}",
        command_line("show", workspace=workspace) + f" {table['id'].iloc[0]}",
    )


def best(stored: Predictions, column: str, n: int, *, lowest: bool = False, most: Most = Most.CERTAIN) -> pd.DataFrame:
    """Return the n galaxies with the largest share of all volunteers expected to give an answer, or the most doubt of it.

    Returns
    -------
    DataFrame
        rank, id, ``share`` of all volunteers, and of those asked ``fraction``, ``low`` and ``high`` (NaN where no interval
        is kept); of the most uncertain also ``deviation``, the standard deviation of the fraction, and of the most
        informative ``information``, the nats that one vote on the question is expected to tell about the network, each
        times the share of volunteers who are asked. Equals stand in the order of ids.

    Raises
    ------
    PosteriorError
        When doubt is asked for and the predictions keep neither embeddings nor concentrations.
    """
    table = stored.table()
    question = stored.tree.question_of(column).name
    found = table[["id"]].assign(
        share=table[column].astype(float) * table[f"asked_{question}"].astype(float),
        fraction=table[column],
        low=table.get(f"{column}_low", float("nan")),
        high=table.get(f"{column}_high", float("nan")),
    )
    by = "share"
    if most is not Most.CERTAIN:
        by = "deviation" if most is Most.UNCERTAIN else "information"
        found[by] = found["id"].map(_doubts(stored, column, most))
    found = found.sort_values([by, "id"], ascending=[lowest, True], kind="stable").head(n).reset_index(drop=True)
    found.insert(0, "rank", found.index + 1)
    return found


def _doubts(stored: Predictions, column: str, most: Most) -> dict[str, float]:
    """How unsure each galaxy's answer is, or what one vote on its question would tell: a part of the pool at a time."""
    tree = stored.tree
    question, answer = tree.questions.index(tree.question_of(column)), tree.columns.index(column)
    doubts: dict[str, float] = {}
    for part in stored:
        asked = part.asked()[:, question]
        if most is Most.UNCERTAIN:
            doubt = part.variance()[:, answer] ** 0.5
        else:
            doubt = part.vote_entropy().epistemic[:, question]
        doubts |= dict(zip(part.ids.tolist(), (doubt * asked).tolist(), strict=True))
    return doubts
