"""`zooactive votes`: the classifications of volunteers, as the Zooniverse exports them, become votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import IdOption, JsonOption, be_brief, last_line, note, print_table


def command(
    exports: Annotated[list[Path], typer.Argument(metavar="EXPORT", help="Classification exports of the Zooniverse.")],
    wording: Annotated[Path, typer.Option(help="How the workflow words the tree's questions: a .toml file.")],
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
    """Count the votes in classification exports; a classification counts once, however often it is exported."""
    be_brief()
    import pandas as pd

    from zooactive.errors import CatalogueError
    from zooactive.labels import Dropped, Ledger, load_wording, read_export
    from zooactive.labels.ledger import add_votes
    from zooactive.tables import read_table
    from zooactive.writing import aside, file_hash, make_folder, write_how

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"{out} is no table that can be written; end its name with .csv or .parquet")
    if catalogue is not None and catalogue.resolve() == out.resolve():
        raise CatalogueError(f"the votes would be added to {catalogue} again the next time; give another --out")
    words = load_wording(wording)
    table = None if catalogue is None else read_table(catalogue, id_column=id_column)
    if table is not None and words.tree.votes != "counts":
        raise CatalogueError(
            f"{catalogue} holds {words.tree.votes} by tree '{words.tree.name}', to which counts cannot be added; leave "
            "--catalogue away"
        )
    make_folder(out.parent)
    dropped, kept = Dropped(), Ledger(ledger, words.tree)
    new = known = 0
    for export in exports:
        merged = kept.merge(read_export(export, words, dropped))
        new, known = new + merged.new, known + merged.known
    votes = kept.votes(dropped)
    result, strangers = votes, 0
    if table is not None:
        frame = table.frame.assign(**{table.id_column: table.ids})
        result, strangers = add_votes(frame, votes, words.tree, table.id_column)
    with aside(out) as temporary:
        if out.suffix.lower() == ".csv":
            result.to_csv(temporary, index=False)
        else:
            result.to_parquet(temporary, index=False)
    hashes = {str(path): file_hash(path) for path in (*exports, wording, *([catalogue] if catalogue else []))}
    write_how(out, command="votes", options={"dropped": dropped.rows()}, inputs=hashes)
    if dropped.rows() or json:
        print_table(pd.DataFrame(dropped.rows(), columns=["dropped", "reason", "number", "first"]), as_json=json)
    note(f"{new} new classifications, {known} known before; {int(votes['volunteers'].sum())} in all count")
    if strangers:
        note(f"warning: {strangers} galaxies with votes are not in {catalogue}")
    last_line(f"{len(votes)} galaxies with votes: {out}", "zooactive train, with this table as the catalogue")
