"""`zooactive show`: one galaxy in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    ImagesOption,
    JsonOption,
    ModelOption,
    WorkspaceOption,
    last_line,
    open_workspace,
    start_networks,
)

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.catalogue import Catalogue
    from zooactive.posterior import Posterior
    from zooactive.workspace import Workspace


def command(
    galaxy: Annotated[str, typer.Argument(help="An id of the workspace, or an image file.")],
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: Annotated[Path | None, typer.Option(help="Table that has the id.", show_default=False)] = None,
    images: ImagesOption = None,
    json: JsonOption = False,
) -> None:
    """Show what volunteers would say about one galaxy; questions that most would not be asked are dimmed."""
    place = open_workspace(
        workspace, model={"folder": model}, pool={"catalogue": catalogue, "images": images} if catalogue else {}
    )
    one = _find(galaxy, place)
    start_networks()
    from zooactive.models import load_model
    from zooactive.prediction import predict

    network = load_model(place.model.folder)
    posterior = predict(network, one, draws=place.pool.draws, seed=place.pool.seed)
    votes = one.votes[0] if one.votes is not None and one.tree is not None and one.tree == network.tree else None
    table = answer_table(posterior, votes)
    if json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    _print(table, galaxy)
    last_line(
        f"Mean vote fractions and 90% intervals of {posterior.draws} draws by {place.model.folder}; "
        "dimmed: asked of fewer than half of the volunteers."
    )


def _find(galaxy: str, place: Workspace) -> Catalogue:
    from zooactive.catalogue import single_image
    from zooactive.errors import CatalogueError

    if Path(galaxy).is_file():
        return single_image(galaxy)
    if place.survey.catalogue is None and place.pool.catalogue is None:
        raise CatalogueError(
            f"'{galaxy}' is no image file, and no catalogue is named in which it could be an id; "
            "give a file, or --catalogue, or run this in a workspace"
        )
    if place.pool.catalogue is not None:
        pool = place.read_pool()
        if galaxy in set(pool.ids):
            return pool.select([galaxy])
    return (place.read_survey() if place.survey.catalogue is not None else place.read_pool()).select([galaxy])


def answer_table(posterior: Posterior, votes: object | None = None) -> pd.DataFrame:
    """Return one galaxy's answers as rows: question, asked, answer, fraction, low, high and, where there are, votes."""
    import numpy as np
    import pandas as pd

    tree = posterior.tree
    mean, interval, asked = posterior.mean()[0], posterior.interval(0.9)[0], posterior.asked()[0]
    table = pd.DataFrame(
        {
            "question": [tree.questions[q].name.removesuffix(tree.suffix) for q in tree.question_index],
            "asked": asked[tree.question_index],
            "answer": [answer for question in tree.questions for answer in question.answers],
            "fraction": mean,
            "low": interval[:, 0],
            "high": interval[:, 1],
        }
    )
    if votes is not None:
        table["votes"] = np.asarray(votes)
    return table


def _print(table: pd.DataFrame, title: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("question", "P(asked)", "answer", "fraction", "90% interval", ""):
        out.add_column(name, justify="right" if name in ("P(asked)", "fraction") else "left")
    if "votes" in table:
        out.add_column("votes", justify="right")
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
            "█" * round(20 * row["fraction"]),
        ]
        cells += [f"{row['votes']:.4g}"] if "votes" in row else []
        out.add_row(*cells, style="dim" if row["asked"] < 0.5 else None)
    Console().print(out)
