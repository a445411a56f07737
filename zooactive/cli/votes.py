"""`zooactive votes`: count votes in the Zooniverse's classification exports, or in tables of totals."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    IdOption,
    MaxSetAsideOption,
    SummaryWithTableOption,
    TreeOption,
    be_brief,
    command_line,
    last_line,
    note,
    print_table,
)
from zooactive.cli.run import show_in_summary


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
            help="For exports and reductions: a .toml file that says how the workflow words the tree's questions.",
            show_default=False,
        ),
    ] = None,
    tree: TreeOption = None,
    subjects: Annotated[
        Path | None, typer.Option(help="For reductions: the subject export, which names the galaxies.", show_default=False)
    ] = None,
    ledger: Annotated[
        Path, typer.Option(help="Folder that keeps every classification once, also for later exports.")
    ] = Path("classifications"),
    catalogue: Annotated[
        Path | None,
        typer.Option(help="Add the votes to this table of galaxies.", show_default=False),
    ] = None,
    id_column: IdOption = None,
    max_set_aside: MaxSetAsideOption = None,
    out: Annotated[Path, typer.Option(help="The votes, or that table with the votes: .csv or .parquet.")] = Path(
        "votes.csv"
    ),
    json: SummaryWithTableOption = False,
) -> None:
    """Count votes in classification exports or in tables of totals.

    A classification that is exported several times counts once.
    """
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"{out} cannot be written as a table; end its name with .csv or .parquet")
    if (wording is None) == (tree is None):
        raise typer.BadParameter("give --wording for exports and reductions, or --tree for tables of counts")
    be_brief()
    import pandas as pd

    from zooactive.labels.votes import count_votes

    counted = count_votes(
        files,
        out,
        wording=wording,
        tree=tree,
        subjects=subjects,
        ledger=ledger,
        catalogue=catalogue,
        id_column=id_column,
        max_set_aside=max_set_aside,
    )
    dropped = pd.DataFrame(counted.dropped, columns=["dropped", "reason", "number", "first"])
    if json:
        show_in_summary(dropped)
    elif len(dropped):
        print_table(dropped, as_json=False)
    note(counted.said)
    if counted.set_aside:
        note(counted.set_aside)
    if counted.strangers:
        note(f"warning: {counted.strangers} galaxies with votes are not in {catalogue}")
    following = None if catalogue is None else _workspace_line(out, tree, wording, id_column)
    then = "`zooactive loop tell` records them for a round; --catalogue adds them to a table of galaxies for training"
    last_line(f"{len(counted.votes)} galaxies with votes: {out}", following, then=None if following else then)


def _workspace_line(table: Path, tree: str | None, wording: Path | None, id_column: str | None) -> str | None:
    """Return the command that makes a workspace from the table with votes; None if its tree has no name of its own."""
    from zooactive.labels import load_wording
    from zooactive.tree import list_trees

    if wording is not None:
        name = load_wording(wording).tree.name
        tree = name if name in list_trees() else None
    made = f"init {shlex.quote(str(table.with_suffix('')))}"
    return None if tree is None else command_line(made, tree=tree, catalogue=table, id_column=id_column)
