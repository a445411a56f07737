"""Rows that users select in brackets: by numbers, a slice, a mask, or ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ids_in(key: Any) -> list[str] | None:
    """Return the ids in brackets, or None if rows are selected by number.

    Examples
    --------
    >>> ids_in("g1"), ids_in(["g1", "g2"]), ids_in(slice(3)), ids_in([0, 2])
    (['g1'], ['g1', 'g2'], None, None)
    """
    if isinstance(key, str):
        return [key]
    if isinstance(key, slice) or np.ndim(key) != 1 or not len(key) or not all(isinstance(one, str) for one in key):
        return None
    return [str(one) for one in key]


def rows_in(key: Any, length: int) -> NDArray[np.int64]:
    """Return the row numbers in brackets; one number gives a table of one row.

    Raises
    ------
    IndexError
        If a row does not exist, or the key is neither numbers, a slice nor a mask of this length.

    Examples
    --------
    >>> rows_in(slice(1, 3), 9).tolist(), rows_in(-1, 9).tolist(), rows_in([True, False], 2).tolist()
    ([1, 2], [8], [0])
    """
    every = np.arange(length, dtype=np.int64)
    if not isinstance(key, slice):
        key = np.asarray(key)
        key = key.astype(np.int64) if key.size == 0 else key
    return np.atleast_1d(every[key])
