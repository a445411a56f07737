"""Rows of a table whose votes contradict themselves: they are set aside one by one with the reason, if they are few."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue.tables import GalaxyTable
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.remote_folders import delete_file
from zooactive.foundation.spelling import write_csv
from zooactive.foundation.writing import aside

SET_ASIDE_FILE = "set_aside.csv"
MAX_SET_ASIDE = 0.01
"""The share of a table's rows that may be set aside before the whole table is refused."""


class SetAside:
    """The rows of one table that are set aside, each with the first reason that was found.

    If more than the share `most` of the rows, 0 to 1, would be set aside, the table is refused. `source` names the file in
    error messages. Raise a CatalogueError if `most` is not a share.
    """

    def __init__(self, table: GalaxyTable, source: str, most: float = MAX_SET_ASIDE) -> None:
        number = isinstance(most, int | float) and not isinstance(most, bool)
        if not number or not 0 <= most <= 1:
            raise CatalogueError(
                f"{source}: max_set_aside = {most!r}; give the share of rows, 0 to 1, that may be set aside"
            )
        self._table, self._source, self._most = table, source, most
        self._reasons: dict[int, str] = {}

    def add(self, wrong: NDArray[np.bool_], reason_of: Callable[[int], str], mend: str) -> None:
        """Set aside the rows `wrong`, shape (G,), each for the reason that `reason_of` gives for its number.

        Raise a CatalogueError if more rows are now set aside than are allowed. The error names the first of these rows and
        `mend`, which says how to correct the table.
        """
        rows = [int(row) for row in np.flatnonzero(wrong)]
        number = len(self._reasons.keys() | rows)
        if rows and number > self._most * len(self._table.ids):
            share = ""
            if self._most:
                share = (
                    f". {number} of {len(self._table.ids)} rows contradict themselves; up to {self._most:.2%} "
                    "would be set aside (max_set_aside)"
                )
            raise CatalogueError(f"{self._source}, {self.place(rows[0])}, {reason_of(rows[0])}{mend}{share}")
        for row in rows:
            self._reasons.setdefault(row, reason_of(row))

    def __len__(self) -> int:
        return len(self._reasons)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Return which rows are not set aside, shape (G,)."""
        kept = np.ones(len(self._table.ids), dtype=bool)
        kept[list(self._reasons)] = False
        return kept

    def rows(self) -> pd.DataFrame:
        """Return the rows that are set aside: their number in the file (from 1), id and reason."""
        return pd.DataFrame(self.listed(), columns=["row", "id", "reason"])

    def listed(self) -> list[tuple[int, str, str]]:
        """Return the rows that are set aside as a list of number, id and reason."""
        table = self._table
        return [
            (int(table.frame.index[row]) + 1, str(table.ids[row]), reason) for row, reason in sorted(self._reasons.items())
        ]

    def warn(self, *, stacklevel: int) -> None:
        """Warn about the number of rows that are set aside, if there are any."""
        if self._reasons:
            first = min(self._reasons)
            warnings.warn(
                f"{self._source}: {len(self)} of {len(self._table.ids)} rows contradict themselves and are set aside, such "
                f"as {self.place(first)}, {self._reasons[first]}",
                stacklevel=stacklevel + 1,
            )

    def place(self, row: int) -> str:
        """Describe a row by its number in the file and its id."""
        return f"row {self._table.frame.index[row] + 1} (id '{self._table.ids[row]}')"


def nothing() -> pd.DataFrame:
    """Return an empty table of rows set aside."""
    return pd.DataFrame({"row": np.empty(0, int), "id": np.empty(0, object), "reason": np.empty(0, object)})


def write_set_aside(rows: pd.DataFrame, file: Path) -> str | None:
    """Write the list of rows set aside and return a line about it; if the list is empty, delete an earlier one."""
    if not len(rows):
        delete_file(file)
        return None
    with aside(file) as temporary:
        write_csv(rows, temporary)
    are = "row contradicts itself and is" if len(rows) == 1 else "rows contradict themselves and are"
    return f"{len(rows)} {are} set aside; {file} names each with its id and the reason"
