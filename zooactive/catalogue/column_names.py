"""A table's own columns beside those that zooactive writes: no two of one name."""

from __future__ import annotations

from collections.abc import Container

import pandas as pd

from zooactive.foundation.errors import CatalogueError


def names_apart(table: pd.DataFrame, taken: Container[str], source: str) -> pd.DataFrame:
    """Return a table whose columns have none of some names: a column that has one becomes ``original_NAME``.

    Parameters
    ----------
    table : DataFrame
    taken : container of str
    source : str
        Where the table was read from, for the error.

    Raises
    ------
    CatalogueError
        When a column has that name already.
    """
    names = {name: f"original_{name}" for name in table.columns if name in taken}
    for name, other in names.items():
        if other in table.columns or other in taken:
            raise CatalogueError(
                f"{source}: what is made of it has a column '{name}' of its own, and the table has both '{name}' and "
                f"'{other}'; rename one of them"
            )
    return table.rename(columns=names) if names else table
