"""Vote files to tables: classifications or totals become a table of votes, or are added to a table of galaxies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.catalogue.set_aside import MAX_SET_ASIDE, SET_ASIDE_FILE, write_set_aside
from zooactive.catalogue.stored_images import StoredImage, write_parquet
from zooactive.catalogue.tables import GalaxyTable, read_table
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.locking import held
from zooactive.foundation.provenance import Making
from zooactive.foundation.spelling import write_csv
from zooactive.foundation.writing import aside, file_hash, make_folder, write_how
from zooactive.labels.classifications import Dropped
from zooactive.labels.ledger import add_votes
from zooactive.labels.sources import Kind, find_sources
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CountedVotes:
    """The counted votes, and what was left out.

    Parameters
    ----------
    votes : DataFrame
        One row per galaxy, as from `Ledger.votes`.
    dropped : list of dict
        What was left out, why, and how often.
    said : str
        A line with the number of new classifications, or of votes.
    strangers : int
        The number of galaxies with votes that are not in the table of galaxies.
    set_aside : str or None
        A line with the number of rows that contradict themselves and the name of the file that lists them.
    """

    votes: pd.DataFrame
    dropped: list[dict[str, object]]
    said: str
    strangers: int
    set_aside: str | None = None


def count_votes(
    files: Sequence[Path],
    out: Path,
    *,
    wording: Path | None = None,
    tree: str | None = None,
    subjects: Path | None = None,
    ledger: Path = Path("classifications"),
    catalogue: Path | None = None,
    id_column: str | None = None,
    max_set_aside: float | None = None,
) -> CountedVotes:
    """Count votes in classification exports or in totals; each classification counts once, however often it is exported.

    Parameters
    ----------
    files : sequence of Path
        Classification exports, reductions, or tables of counts: see `find_sources`.
    out : Path
        Receives the votes, or the table of galaxies with their votes: ``.csv`` or ``.parquet``.
    wording, tree, subjects
        The files needed to read the votes: see `find_sources`.
    ledger : Path
        The folder that keeps every classification once, also for later exports.
    catalogue : Path, optional
        A table of galaxies to which the votes are added.
    id_column : str, optional
        The id column of that table and of tables of counts.
    max_set_aside : float, optional
        The largest share of rows that may contradict themselves in each of these tables (default 0.01). Such rows do not
        count. They are listed next to `out` in a file whose name ends in ``.set_aside.csv``.

    Raises
    ------
    CatalogueError
        When a file cannot be read, or `out` is the same file as `catalogue`.
    OutputError
        When another process counts votes with the same ledger.
    """
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise CatalogueError(f"{out} cannot be written as a table; end its name with .csv or .parquet")
    own_tree = Path(tree) if tree is not None and tree.endswith(".toml") else None
    more = {"wording": wording, "tree": own_tree, "subjects": subjects, "catalogue": catalogue}
    made = Making("votes", {**{f"file {number}": file for number, file in enumerate(files, start=1)}, **more})
    sources = find_sources(files, wording=wording, tree=tree, subjects=subjects)
    table = None if catalogue is None else _table_to_add_to(catalogue, id_column, sources.tree, out)
    make_folder(out.parent)
    dropped, most = Dropped(), MAX_SET_ASIDE if max_set_aside is None else max_set_aside
    # Hold the ledger until the votes are written, so that another process cannot overwrite them with fewer votes.
    with held(ledger) if sources.kind is Kind.EXPORT else nullcontext():
        votes, said = sources.count(ledger, dropped, id_column=id_column, max_set_aside=most)
        strangers = _write(votes, table, sources.tree, out, source=str(catalogue), dropped=dropped, most=most)
    given = [*files, *(path for path in (wording, subjects, catalogue) if path is not None)]
    if tree is not None and tree.endswith(".toml"):
        given.append(Path(tree))
    inputs = {str(path): file_hash(path) for path in given}
    write_how(out, command="votes", options={"dropped": dropped.rows()}, inputs=inputs)
    import pandas as pd

    listed = write_set_aside(pd.DataFrame(dropped.listed), out.with_name(f"{out.stem}.{SET_ASIDE_FILE}"))
    given_votes = int(votes["volunteers"].sum()) if "volunteers" in votes else 0
    counts = {"galaxies": len(votes), "votes": given_votes, "files": len(files)}
    reasons = {str(row["reason"]): int(str(row["number"])) for row in dropped.rows()}
    made.done(out, outputs=[out], counts=counts, failures=reasons, worked=given_votes)
    return CountedVotes(votes, dropped.rows(), said, strangers, listed)


def _table_to_add_to(catalogue: Path, id_column: str | None, tree: DecisionTree, out: Path) -> GalaxyTable:
    """Read the table to which votes are added, if it holds counts and is not overwritten."""
    if catalogue.resolve() == out.resolve():
        raise CatalogueError(f"--out {out} would overwrite the catalogue, and votes would count twice; give another --out")
    if tree.votes != "counts":
        raise CatalogueError(
            f"tree '{tree.name}' holds {tree.votes}, and counts cannot be added to {catalogue}; leave out --catalogue"
        )
    table = read_table(catalogue, id_column=id_column)
    held = next((str(name) for name in table.frame.columns if _is_no_text(table.frame[name])), None)
    if held is not None and out.suffix.lower() == ".csv":
        raise CatalogueError(
            f"column '{held}' of {catalogue} holds images or lists, which CSV cannot hold; end --out with .parquet"
        )
    return table


def _is_no_text(column: pd.Series[Any]) -> bool:
    """Return whether the cells of a column are more than a line of text or a number."""
    return column.dtype == object and any(
        isinstance(cell, StoredImage | bytes | dict | list | np.ndarray) for cell in column
    )


def _write(
    votes: pd.DataFrame,
    table: GalaxyTable | None,
    tree: DecisionTree,
    out: Path,
    *,
    source: str,
    dropped: Dropped | None = None,
    most: float = MAX_SET_ASIDE,
) -> int:
    """Write the votes, or a table with them; return how many galaxies with votes the table lacks."""
    result, strangers, about = votes, 0, None
    if table is not None:
        frame = table.frame.assign(**{table.id_column: table.ids})
        result, strangers = add_votes(
            frame, votes, tree, table.id_column, source=source, dropped=dropped, max_set_aside=most
        )
        if table.metadata is not None:  # a table of shards: without this, its images would be cropped again
            about = {key: table.metadata[key] for key in ("tree", "preprocessing", "min_votes")} | {"parts": 1}
    with aside(out) as temporary:
        if out.suffix.lower() == ".csv":
            write_csv(result, temporary, only="id" if table is None else table.id_column)
        else:
            write_parquet(result, temporary, about, kind="votes")
    return strangers
