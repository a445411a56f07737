"""A posterior on disk: one Parquet file with one row per galaxy, which pandas and DuckDB can also read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import PosteriorError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.metadata import about_of, with_about
from zooactive.foundation.reading import check_regular
from zooactive.foundation.writing import aside
from zooactive.posterior.posterior import Posterior
from zooactive.tree import DecisionTree

FORMAT = 1
"""The format number of a posterior's file. Files older than number 1 hold no number."""


def write_posterior(posterior: Posterior, path: str | Path) -> None:
    """Write a posterior to one Parquet file; `read_posterior` returns it bit for bit.

    The columns are ``id``, ``concentrations`` (draw x answer, float32) and ``weights`` (draw, float64).

    Lists have a fixed length, with a draw's answers next to each other. Weights are left out if all are equal. The schema's
    metadata contain the tree and the number of draws.

    Raises
    ------
    OutputError
        When the file cannot be written or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    by_galaxy = np.moveaxis(posterior.concentrations, 1, 0)
    lists: dict[str, NDArray[Any]] = {
        "concentrations": by_galaxy.reshape(len(posterior), posterior.draws * len(posterior.tree.columns))
    }
    if (posterior.weights != 1 / posterior.draws).any():
        lists["weights"] = posterior.weights.T
    arrays = [pa.array(posterior.ids, pa.string())]
    arrays += [pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(rows)), rows.shape[1]) for rows in lists.values()]
    about = {"format": FORMAT, "tree": posterior.tree.to_dict(), "draws": posterior.draws}
    table = pa.table(dict(zip(["id", *lists], arrays, strict=True)))
    with aside(path) as temporary:
        pq.write_table(with_about(table, about), temporary, compression="zstd")


def read_posterior(path: str | Path) -> Posterior:
    """Read a posterior from a file that `write_posterior` wrote.

    Raises
    ------
    PosteriorError
        When the file is missing or damaged, or holds no posterior.
    """
    import pyarrow.parquet as pq

    damaged = explained(
        PosteriorError, f"{path} is damaged, or holds no posterior ({{reason}}); write it with zooactive.write_posterior"
    )
    missing = f"{path} is missing; write it with zooactive.write_posterior"
    with damaged, explained(PosteriorError, missing, FileNotFoundError):
        check_regular(Path(path))
        table = pq.read_table(path)
        table.validate(full=True)
        about = about_of(table.schema)
        refuse_future(Path(path), about.get("format", 0), FORMAT, PosteriorError)
        tree, draws = DecisionTree.from_dict(about["tree"], where=str(path)), about["draws"]
        lists = {name: table[name].combine_chunks().flatten().to_numpy() for name in table.column_names if name != "id"}
        by_galaxy = lists["concentrations"].reshape(-1, draws, len(tree.columns))
        weights = lists["weights"].reshape(-1, draws).T if "weights" in lists else None
        return Posterior(np.moveaxis(by_galaxy, 0, 1), table["id"].to_pylist(), tree, weights=weights)
