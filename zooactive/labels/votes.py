"""Files of classifications or totals become a table of votes, or a table of galaxies gets their votes."""

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
    """The votes that were counted, and what was left out of them.

    Parameters
    ----------
    votes : DataFrame
        Of `Ledger.votes`: one row a galaxy.
    dropped : list of dict
        What was left out, for which reason, how often.
    said : str
        How many classifications were new, or how many votes there are, in a line.
    strangers : int
        Galaxies with votes that the table of galaxies lacks.
    set_aside : str or None
        How many rows of tables contradict themselves, and which file names them, in a line.
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
    """Count votes in classification exports, each classification once however often it is exported, or in totals.

    Parameters
    ----------
    files : sequence of Path
        Classification exports, reductions, or tables of counts: see `find_sources`.
    out : Path
        Gets the votes, or the table of galaxies with them: ``.csv`` or ``.parquet``.
    wording, tree, subjects
        What the files are read with: see `find_sources`.
    ledger : Path
        Folder that keeps every classification once, for the next exports too.
    catalogue : Path, optional
        A table of galaxies that the votes are added to.
    id_column : str, optional
        Of that table, and of tables of counts.
    max_set_aside : float, optional
        The share of the rows of each of these that may contradict themselves (default 0.01). Such rows do not count, and
        are listed beside `out` in a file whose name ends in ``.set_aside.csv``.

    Raises
    ------
    CatalogueError
        When a file cannot be read, or the votes would be added to the table that they are written over.
    OutputError
        When another process counts votes with the same ledger.
    """
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise CatalogueError(f"{out} is no table that can be written; end its name with .csv or .parquet")
    own_tree = Path(tree) if tree is not None and tree.endswith(".toml") else None
    more = {"wording": wording, "tree": own_tree, "subjects": subjects, "catalogue": catalogue}
    made = Making("votes", {**{f"file {number}": file for number, file in enumerate(files, start=1)}, **more})
    sources = find_sources(files, wording=wording, tree=tree, subjects=subjects)
    table = None if catalogue is None else _table_to_add_to(catalogue, id_column, sources.tree, out)
    make_folder(out.parent)
    dropped, most = Dropped(), MAX_SET_ASIDE if max_set_aside is None else max_set_aside
    # Another process that merges before the votes are written would find them written over by fewer.
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
    """Read the table that votes are added to, if that can be done again and gives counts."""
    if catalogue.resolve() == out.resolve():
        raise CatalogueError(f"the votes would be added to {catalogue} again the next time; give another --out")
    if tree.votes != "counts":
        raise CatalogueError(
            f"{catalogue} holds {tree.votes} by tree '{tree.name}', to which counts cannot be added; leave --catalogue away"
        )
    table = read_table(catalogue, id_column=id_column)
    held = next((str(name) for name in table.frame.columns if _is_no_text(table.frame[name])), None)
    if held is not None and out.suffix.lower() == ".csv":
        raise CatalogueError(
            f"column '{held}' of {catalogue} holds images or lists, which CSV cannot hold; end --out with .parquet"
        )
    return table


def _is_no_text(column: pd.Series[Any]) -> bool:
    """Whether the cells of a column are more than a line of text or a number."""
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
        if table.metadata is not None:  # of shards: without it their images would be cropped again
            about = {key: table.metadata[key] for key in ("tree", "preprocessing", "min_votes")} | {"parts": 1}
    with aside(out) as temporary:
        if out.suffix.lower() == ".csv":
            write_csv(result, temporary, only="id" if table is None else table.id_column)
        else:
            write_parquet(result, temporary, about, kind="votes")
    return strangers
