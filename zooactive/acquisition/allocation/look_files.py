"""Looks at galaxies as Parquet files, so that an interrupted run resumes and another budget needs no second look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zooactive.acquisition.allocation.look import Look
from zooactive.foundation.metadata import about_of, with_about
from zooactive.foundation.writing import aside

if TYPE_CHECKING:
    import pyarrow as pa

_FLAT = ("received", "missing", "cost", "artifact", "done", "floor")
FORMAT = 2


def write_look(look: Look, path: Path, mark: str) -> None:
    """Write a look, with a hash of everything it was made from."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wide = look.points.shape[1]
    columns = {"id": look.ids} | {name: pa.array(getattr(look, name)) for name in _FLAT}
    for name in ("points", "values"):
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(getattr(look, name).ravel()), wide)
    with aside(path) as temporary:
        pq.write_table(with_about(pa.table(columns), {"format": FORMAT, "mark": mark}), temporary)


def read_look(path: Path, mark: str) -> Look | None:
    """Return a stored look, or None if there is none with this hash."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if not path.is_file():
            return None
        about = about_of(pq.read_schema(path))
        if about != {"format": FORMAT, "mark": mark}:
            return None
        table = pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException):
        return None  # it is made again
    flat = {name: np.asarray(table[name].to_numpy()) for name in _FLAT}
    return Look(ids=table["id"].combine_chunks(), points=_wide(table, "points"), values=_wide(table, "values"), **flat)


def _wide(table: pa.Table, name: str) -> np.ndarray:
    column = table[name].combine_chunks()
    return np.asarray(column.flatten().to_numpy()).reshape(len(column), -1)
