"""`zooactive votes`: the classifications of volunteers, as the Zooniverse exports them, or totals of them become votes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import IdOption, JsonOption, TreeOption, be_brief, last_line, note, print_table

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.catalogue.tables import GalaxyTable
    from zooactive.tree import DecisionTree


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Classification exports of the Zooniverse, reductions of panoptes-aggregation, or tables of counts.",
        ),
    ],
    wording: Annotated[
        Path | None,
        typer.Option(
            help="How the workflow words the tree's questions, for exports and reductions: a .toml file.", show_default=False
        ),
    ] = None,
    tree: TreeOption = None,
    subjects: Annotated[
        Path | None, typer.Option(help="For reductions: the subject export, which names the galaxies.", show_default=False)
    ] = None,
    ledger: Annotated[
        Path, typer.Option(help="Folder that keeps every classification once, for the next exports too.")
    ] = Path("classifications"),
    catalogue: Annotated[
        Path | None,
        typer.Option(help="Table of galaxies that the votes are added to.", show_default=False),
    ] = None,
    id_column: IdOption = None,
    out: Annotated[Path, typer.Option(help="The votes, or that table with them: .csv or .parquet.")] = Path("votes.csv"),
    json: JsonOption = False,
) -> None:
    """Count votes in classification exports, each classification once however often it is exported, or in totals."""
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"{out} is no table that can be written; end its name with .csv or .parquet")
    if (wording is None) == (tree is None):
        raise typer.BadParameter("give --wording for exports and reductions, or --tree for tables of counts")
    be_brief()
    import pandas as pd

    from zooactive.foundation.writing import file_hash, make_folder, write_how
    from zooactive.labels import Dropped, find_sources

    sources = find_sources(files, wording=wording, tree=tree, subjects=subjects)
    table = None if catalogue is None else _read_catalogue(catalogue, id_column, sources.tree, out)
    make_folder(out.parent)
    dropped = Dropped()
    votes, said = sources.count(ledger, dropped, id_column=id_column)
    strangers = _write(votes, table, sources.tree, out)
    given = [*files, *(path for path in (wording, subjects, catalogue) if path is not None)]
    if tree is not None and tree.endswith(".toml"):
        given.append(Path(tree))
    write_how(
        out, command="votes", options={"dropped": dropped.rows()}, inputs={str(path): file_hash(path) for path in given}
    )
    if dropped.rows() or json:
        print_table(pd.DataFrame(dropped.rows(), columns=["dropped", "reason", "number", "first"]), as_json=json)
    note(said)
    if strangers:
        note(f"warning: {strangers} galaxies with votes are not in {catalogue}")
    last_line(f"{len(votes)} galaxies with votes: {out}", "zooactive train, with this table as the catalogue")


def _read_catalogue(catalogue: Path, id_column: str | None, tree: DecisionTree, out: Path) -> GalaxyTable:
    """Read the table that votes are added to, if that can be done again and gives counts."""
    from zooactive.catalogue.tables import read_table
    from zooactive.foundation.errors import CatalogueError

    if catalogue.resolve() == out.resolve():
        raise CatalogueError(f"the votes would be added to {catalogue} again the next time; give another --out")
    if tree.votes != "counts":
        raise CatalogueError(
            f"{catalogue} holds {tree.votes} by tree '{tree.name}', to which counts cannot be added; leave --catalogue away"
        )
    return read_table(catalogue, id_column=id_column)


def _write(votes: pd.DataFrame, table: GalaxyTable | None, tree: DecisionTree, out: Path) -> int:
    """Write the votes, or a table with them; return how many galaxies with votes the table lacks."""
    from zooactive.foundation.writing import aside
    from zooactive.labels.ledger import add_votes

    result, strangers = votes, 0
    if table is not None:
        frame = table.frame.assign(**{table.id_column: table.ids})
        result, strangers = add_votes(frame, votes, tree, table.id_column)
    with aside(out) as temporary:
        if out.suffix.lower() == ".csv":
            result.to_csv(temporary, index=False)
        else:
            result.to_parquet(temporary, index=False)
    return strangers
