"""Column names of a table next to those that zooactive writes: no two columns get the same name."""

from __future__ import annotations

from collections.abc import Container

import pandas as pd

from zooactive.foundation.errors import CatalogueError


def names_apart(table: pd.DataFrame, taken: Container[str], source: str) -> pd.DataFrame:
    """Return a table that uses none of some names: a column that has such a name becomes ``original_NAME``.

    Parameters
    ----------
    table : DataFrame
    taken : container of str
    source : str
        The file that the table was read from, for the error message.

    Raises
    ------
    CatalogueError
        If the table already has a column with the new name.
    """
    names = {name: f"original_{name}" for name in table.columns if name in taken}
    for name, other in names.items():
        if other in table.columns or other in taken:
            raise CatalogueError(
                f"{source}: zooactive writes a column '{name}', and the table has both '{name}' and "
                f"'{other}'; rename one of them"
            )
    return table.rename(columns=names) if names else table
