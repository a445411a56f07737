"""Read parts of stored predictions from disk, with errors that name a damaged part and say what to do."""

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
"""The name of the head's file next to the parts, if a model for a number predicted them."""

_FAILURE = {"id", "path", "reason"}  # newer parts also have the kind


def read_rows(part: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read some columns of a part, or all; raise a PosteriorError if the file is damaged or lacks a column."""
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
    """Return the names of a part's columns; raise a PosteriorError if the file is damaged."""
    import pyarrow.parquet as pq

    with explained_part(part):
        check_regular(part)
        names: list[str] = pq.read_schema(part).names
        return names


def rows_in(part: Path) -> int:
    """Return how many galaxies a part holds; raise a PosteriorError if the file is damaged."""
    import pyarrow.parquet as pq

    with explained_part(part):
        check_regular(part)
        return int(pq.read_metadata(part).num_rows)


def about_part(part: Path) -> dict[str, Any]:
    """Return the metadata of a part: the run, the passed columns, and the galaxies that failed.

    Raise a PosteriorError if the part has no such metadata.
    """
    import pyarrow.parquet as pq

    with explained_part(part):
        check_regular(part)
        about: dict[str, Any] = about_of(pq.read_schema(part))
        names, failures = about["passed"], about["failures"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names of its columns are not valid")
        texts = [text for failure in failures for text in failure.values()]
        known = all(failure.keys() - {"kind"} == _FAILURE for failure in failures)
        if not known or not all(isinstance(text, str) for text in texts):
            raise ValueError("its failures are not ids, paths and reasons")
        if not isinstance(about.get("images", ""), str):
            raise ValueError("its marks of images are not valid")
        return about


def check_rows(part: Path) -> None:
    """Raise a PosteriorError if a part holds more or fewer galaxies than its metadata say."""
    marks = about_part(part).get("images")  # older parts have no marks
    if marks is not None and len(marks) != LENGTH * rows_in(part):
        with explained_part(part):
            raise ValueError(f"it has {rows_in(part)} galaxies of {len(marks) // LENGTH}")


def embeddings_in(part: Path, rows: pa.Table) -> NDArray[np.float16]:
    """Return the embeddings in rows that were read from a part, (galaxy, feature).

    Raise a PosteriorError if the column holds something different.
    """
    with explained_part(part):
        column = rows["embedding"]
        flat: NDArray[np.float16] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if flat.dtype != np.float16:
            raise ValueError(f"its embeddings are {flat.dtype}")
        return flat.reshape(rows.num_rows, column.type.list_size)


def explained_part(part: Path) -> AbstractContextManager[None]:
    """Turn any error about a damaged part into one sentence of a PosteriorError."""
    mend = "delete it and run the same predict command again, which writes it again"
    return explained(PosteriorError, f"{part} is damaged ({{reason}}); {mend}")
