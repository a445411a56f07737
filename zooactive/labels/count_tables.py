"""Tables of vote counts from elsewhere: an id column and the tree's vote columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from zooactive.catalogue.set_aside import MAX_SET_ASIDE
from zooactive.catalogue.tables import read_table
from zooactive.catalogue.votes import read_votes
from zooactive.foundation.errors import CatalogueError
from zooactive.labels.classifications import Dropped
from zooactive.labels.totals import as_votes
from zooactive.tree import DecisionTree


def read_counts(
    paths: Sequence[str | Path],
    tree: DecisionTree,
    dropped: Dropped,
    *,
    id_column: str | None = None,
    max_set_aside: float = MAX_SET_ASIDE,
) -> pd.DataFrame:
    """Read the votes of tables; if a galaxy is in several tables, the last one counts.

    Parameters
    ----------
    paths : sequence of path
        CSV, Parquet, FITS, VOTable or shards, the newest last.
    tree : DecisionTree
        A tree of counts. Its columns are found by their names and by their other names.
    dropped : Dropped
        Counts the votes that a later table replaces, and the rows that are set aside.
    id_column : str, optional
        The default is the first of id, id_str, iauname, GalaxyID, survey_id that the table has.
    max_set_aside : float
        The largest share of rows set aside in each table, as in `zooactive.read_catalogue`.

    Returns
    -------
    DataFrame
        A table as from `Ledger.votes`. ``volunteers`` is the number of votes on the root question.

    Raises
    ------
    CatalogueError
        For a tree of fractions or labels, and for tables that `zooactive.read_catalogue` refuses.
    """
    if tree.votes != "counts":
        raise CatalogueError(f"tree '{tree.name}' holds {tree.votes}, not counts; read such a table as a catalogue")
    names, votes = [], []
    for path in paths:
        table = read_table(Path(path), id_column=id_column)
        reading = read_votes(table, tree, source=str(path), max_set_aside=max_set_aside)
        dropped.set_aside(reading.set_aside.listed(), str(path))
        names.append(table.ids[reading.set_aside.kept])
        votes.append(reading.votes[reading.set_aside.kept])
    ids, counts = pd.Series(np.concatenate(names)), np.concatenate(votes)
    older = ids.duplicated(keep="last").to_numpy()
    if older.any():
        where = f"galaxy {ids[int(np.argmax(older))]}"
        dropped.vote("totals of a galaxy that a later table replaces", where, float(counts[older].sum()))
    return as_votes(counts[~older], [str(name) for name in ids[~older]], tree)
