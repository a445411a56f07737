"""Match the galaxies of two tables by their coordinates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError

_ARCSEC = np.pi / 180 / 3600
LARGEST = 3600.0
"""The largest distance of a match in arcsec; beyond a degree a match would mean nothing."""


class SkyMatch(NamedTuple):
    """The nearest row of another table for each row (-1 if none is near enough), and its distance in arcsec (or NaN)."""

    row: NDArray[np.int64]
    arcsec: NDArray[np.float64]

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Return whether each row has a match."""
        return np.asarray(self.row >= 0)

    def shared(self) -> int:
        """Return how many rows share their match with another row."""
        found = self.row[self.matched]
        _, times = np.unique(found, return_counts=True)
        return int(times[times > 1].sum())


def match_sky(places: ArrayLike, others: ArrayLike, *, arcsec: float = 1.0) -> SkyMatch:
    """Find, for each place, the nearest of the other places within a distance on the sky.

    Parameters
    ----------
    places, others : array_like, shape (row, 2)
        Right ascension and declination in degrees.
    arcsec : float
        The largest distance, up to 3600.

    Returns
    -------
    SkyMatch

    Raises
    ------
    CatalogueError
        If the distance is out of range, or an array has another shape.

    Notes
    -----
    The search uses a tree of unit vectors; a chord d is an angle of 2 arcsin(d / 2). Each row is matched independently, so
    two rows may have the same match: see `SkyMatch.shared`.

    Examples
    --------
    >>> match_sky([[150.0, 2.0], [10.0, 0.0]], [[150.0, 2.0001], [200.0, 5.0]]).row.tolist()
    [0, -1]
    """
    from scipy.spatial import KDTree

    if not 0 < arcsec <= LARGEST:
        raise CatalogueError(f"arcsec = {arcsec:g} for a match on the sky; give a number above 0, at most {LARGEST:g}")
    here, there = _unit_vectors(places), _unit_vectors(others)
    nothing = np.full(len(here), -1, dtype=np.int64), np.full(len(here), np.nan)
    if not len(here) or not len(there):
        return SkyMatch(*nothing)
    chord = 2 * np.sin(arcsec * _ARCSEC / 2)
    distance, row = KDTree(there).query(here, distance_upper_bound=chord * (1 + 1e-9) + 1e-15)
    near = np.isfinite(distance)
    angle = np.where(near, 2 * np.arcsin(np.minimum(np.where(near, distance, 0) / 2, 1)) / _ARCSEC, np.nan)
    return SkyMatch(np.where(near, row, -1).astype(np.int64), angle)


def _unit_vectors(places: ArrayLike) -> NDArray[np.float64]:
    degrees = np.asarray(places, dtype=np.float64)
    if degrees.ndim != 2 or degrees.shape[1] != 2:
        raise CatalogueError(f"places have the shape {degrees.shape}; give (row, 2), right ascension and declination")
    ra, dec = np.deg2rad(degrees).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
