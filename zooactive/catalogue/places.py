"""Coordinates of galaxies: which rows of a table are the same galaxy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_ARCSECOND = np.pi / 180 / 3600


def same_place(table: pd.DataFrame) -> NDArray[np.int64] | None:
    """Return the number of each galaxy's place, shape (G,); galaxies linked within one arcsecond share one place.

    Return None if the table has no coordinates.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    names = {str(name).lower(): name for name in table.columns}
    if "ra" not in names or "dec" not in names:
        return None
    ra, dec = (
        np.radians(pd.to_numeric(table[names[axis]], errors="coerce").to_numpy(dtype=float, na_value=np.nan))
        for axis in ("ra", "dec")
    )
    rows = np.flatnonzero((np.abs(dec) <= np.pi / 2) & np.isfinite(ra) & (np.abs(ra) <= 2 * np.pi))
    ra, dec = ra[rows], dec[rows]
    points = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    if not len(rows):
        return None
    pairs = rows[cKDTree(points).query_pairs(2 * np.sin(_ARCSECOND / 2), output_type="ndarray")]
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(table), len(table)))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
