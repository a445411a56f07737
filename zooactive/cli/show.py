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
    command_line,
    last_line,
    note,
    open_workspace,
    screen,
    start_networks,
)

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.catalogue import Catalogue
    from zooactive.models import GalaxyModel
    from zooactive.posterior import Posterior
    from zooactive.workspace import Workspace


_PICTURES = (".png", ".pdf", ".svg")
_LONGEST_BAR, _GAP = 20, 3  # characters; rich puts three between columns


def command(
    galaxy: Annotated[str, typer.Argument(help="An id of the workspace, or an image file.")],
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: Annotated[Path | None, typer.Option(help="Table that has the id.", show_default=False)] = None,
    images: ImagesOption = None,
    maps: Annotated[
        Path | None,
        typer.Option(help="Draw the first filters and this galaxy's feature maps into this picture.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what volunteers would say about one galaxy; questions that most would not be asked are dimmed."""
    if maps is not None and maps.suffix.lower() not in _PICTURES:
        raise typer.BadParameter(f"{maps} is no picture that can be drawn; end its name with {' or '.join(_PICTURES)}")
    place = open_workspace(
        workspace,
        model={"folder": model},
        pool={"catalogue": catalogue, "images": images} if catalogue else {},
        survey={} if catalogue else {"images": images},
    )
    one = _find(galaxy, place)
    start_networks()
    from zooactive.models import load_model
    from zooactive.prediction import predict

    network = load_model(place.model.folder)
    posterior = predict(network, one, draws=place.pool.draws, seed=place.pool.seed)
    known = one.votes is not None and one.votes.any() and one.tree is not None and one.tree.columns == network.tree.columns
    table = answer_table(posterior, one.votes[0] if known and one.votes is not None else None)
    if maps is not None:
        _draw_maps(network, one, maps)
        note(f"First filters and feature maps: {maps}")
    if json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    _print(table, galaxy)
    last_line(
        f"Mean vote fractions and 90% intervals of {posterior.draws} draws by {place.model.folder}; "
        "dimmed: asked of fewer than half of the volunteers.",
        command_line("predict", workspace=workspace, model=model) + " for all galaxies",
    )


def _find(galaxy: str, place: Workspace) -> Catalogue:
    from zooactive.catalogue.find_images import IMAGE_SUFFIXES
    from zooactive.catalogue.reading import single_image
    from zooactive.foundation.errors import CatalogueError

    if Path(galaxy).is_file():
        return single_image(galaxy)
    if Path(galaxy).suffix.lower() in IMAGE_SUFFIXES:
        raise CatalogueError(f"there is no image file {galaxy}; check its path, or give a galaxy's id")
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


def _draw_maps(network: GalaxyModel, one: Catalogue, path: Path) -> None:
    """Draw what the network looks for, and what it finds in the one galaxy."""
    from zooactive.foundation.writing import aside
    from zooactive.models import feature_maps, first_filters
    from zooactive.report.plots import network_view

    pixels = one.decode(network.preprocessing)[0][0]
    figure = network_view(first_filters(network), feature_maps(network, pixels), image=pixels, title=str(one.ids[0]))
    with aside(path) as temporary:
        figure.savefig(temporary, dpi=150, format=path.suffix[1:].lower())


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
    from rich.table import Table

    terminal = screen()
    out = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
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
        out.add_row(*cells, "█" * round(bar * row["fraction"]), style="dim" if row["asked"] < 0.5 else None)
    terminal.print(out)


def _width_without_bar(table: pd.DataFrame) -> int:
    """Characters that a row takes besides its bar: the longest texts, five more columns, and the gaps."""
    votes = len("votes") + _GAP if "votes" in table else 0
    texts = sum(max(len(name), *map(len, table[name])) + _GAP for name in ("question", "answer"))
    return texts + len("P(asked)") + len("fraction") + len("0.00 to 0.00") + 3 * _GAP + votes + _GAP
