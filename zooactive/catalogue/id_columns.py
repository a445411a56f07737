"""Find the column of a table that holds the galaxies' ids, and check its cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError, did_you_mean
from zooactive.foundation.ids import id_text, is_rounded
from zooactive.foundation.spelling import control_in

ID_COLUMNS = ("id", "id_str", "iauname", "GalaxyID", "survey_id")


class MissingIdColumn(CatalogueError):
    """The error for a requested id column that a table does not have."""


def find_id_column(columns: Sequence[str], id_column: str | None, path: Path) -> str:
    """Return the column that holds the ids: the requested one, or the first of the known names."""
    if id_column is not None:
        if id_column not in columns:
            raise MissingIdColumn(f"the id column '{id_column}' is missing from {path}.{did_you_mean(id_column, columns)}")
        return id_column
    for known in ID_COLUMNS:
        if known in columns:
            return known
    raise CatalogueError(
        f"{path} has none of the id columns {', '.join(ID_COLUMNS)}; rename one to id, or name your id column with "
        f"--id, in Python id_column (it has {', '.join(columns[:8])})"
    )


def ids_of(column: pd.Series[Any], name: str, path: Path) -> NDArray[np.object_]:
    """Return the ids as text; raise a CatalogueError for a blank, rounded or repeated id (rows count from 1)."""
    if pd.api.types.is_float_dtype(column):
        raise CatalogueError(
            f"{path}: the id column '{name}' holds floats, which lose digits of long ids; save it as text or whole numbers"
        )
    blank = column.isna().to_numpy(dtype=bool)
    ids = np.array(["" if gap else id_text(str(value)) for gap, value in zip(blank, column, strict=True)], dtype=object)
    for row, galaxy_id in enumerate(ids):
        if not galaxy_id:
            raise CatalogueError(
                f"{path}, row {row + 1}: the id (column '{name}') is blank; give it an id or remove the row"
            )
        if (control := control_in(galaxy_id)) is not None:
            raise CatalogueError(
                f"{path}, row {row + 1}: the id {galaxy_id!r} (column '{name}') holds the control character {control}; "
                "write it without that character"
            )
        if is_rounded(galaxy_id):
            raise CatalogueError(
                f"{path}, row {row + 1}: the id '{galaxy_id}' (column '{name}') was rounded by a spreadsheet or "
                "a float column; save the ids as text"
            )
    repeated = pd.Series(ids, dtype=object).duplicated().to_numpy()
    if repeated.any():
        second = int(np.argmax(repeated))
        first = int(np.argmax(ids == ids[second]))
        raise CatalogueError(
            f"{path}: the id '{ids[second]}' is in rows {first + 1} and {second + 1} (column '{name}'); "
            f"keep one ({int(repeated.sum())} rows repeat an id)"
        )
    return ids
