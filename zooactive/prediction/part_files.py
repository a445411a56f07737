"""Parts of stored predictions as they lie on the disk: what is damaged there is told by its name and the mend."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import PosteriorError, explained
from zooactive.foundation.metadata import about_of
from zooactive.foundation.parquet import check_parquet
from zooactive.foundation.reading import check_regular
from zooactive.prediction.marks import LENGTH

if TYPE_CHECKING:
    import pyarrow as pa

NUMBERS = "numbers.parquet"
"""Beside the parts where a model of a number predicted them."""

_FAILURE = {"id", "path", "reason"}  # and its kind, since there are kinds


def read_rows(part: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read some columns of a part, or all; a PosteriorError when the file is damaged or lacks a column."""
    import pyarrow.parquet as pq

    with explained_part(part):
        check_regular(part)
        check_parquet(part, columns)
        rows = pq.read_table(part, columns=None if columns is None else list(columns))
        rows.validate(full=True)
        if "id" in rows.column_names and rows["id"].null_count:
            raise ValueError("ids are missing")
        return rows


def columns_of(part: Path) -> list[str]:
    """Return the names of a part's columns; a PosteriorError when the file is damaged."""
    import pyarrow.parquet as pq

    with explained_part(part):
        check_regular(part)
        names: list[str] = pq.read_schema(part).names
        return names


def rows_in(part: Path) -> int:
    """Return how many galaxies a part holds; a PosteriorError when the file is damaged."""
    import pyarrow.parquet as pq

    with explained_part(part):
        check_regular(part)
        return int(pq.read_metadata(part).num_rows)


def about_part(part: Path) -> dict[str, Any]:
    """Return what a part says about itself: the run, the columns that were passed through, and which galaxies failed.

    A part that does not say so is a PosteriorError.
    """
    import pyarrow.parquet as pq

    with explained_part(part):
        check_regular(part)
        about: dict[str, Any] = about_of(pq.read_schema(part))
        names, failures = about["passed"], about["failures"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names of its columns are none")
        texts = [text for failure in failures for text in failure.values()]
        known = all(failure.keys() - {"kind"} == _FAILURE for failure in failures)
        if not known or not all(isinstance(text, str) for text in texts):
            raise ValueError("its failures are no ids, paths and reasons")
        if not isinstance(about.get("images", ""), str):
            raise ValueError("its marks of images are none")
        return about


def check_rows(part: Path) -> None:
    """Raise a PosteriorError when a part holds more or fewer galaxies than it says that it was made of."""
    marks = about_part(part).get("images")  # parts of before have none
    if marks is not None and len(marks) != LENGTH * rows_in(part):
        with explained_part(part):
            raise ValueError(f"it has {rows_in(part)} galaxies of {len(marks) // LENGTH}")


def embeddings_in(part: Path, rows: pa.Table) -> NDArray[np.float16]:
    """Return the embeddings of rows that were read of a part, (galaxy, feature).

    A column that holds something else is a PosteriorError.
    """
    with explained_part(part):
        column = rows["embedding"]
        flat: NDArray[np.float16] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if flat.dtype != np.float16:
            raise ValueError(f"its embeddings are {flat.dtype}")
        return flat.reshape(rows.num_rows, column.type.list_size)


def explained_part(part: Path) -> AbstractContextManager[None]:
    """Turn whatever is raised over a damaged part into one sentence of a PosteriorError."""
    mend = "delete it and run the same predict command again, which makes it anew"
    return explained(PosteriorError, f"{part} is damaged ({{reason}}); {mend}")
