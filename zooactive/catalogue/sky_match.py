"""Which galaxies of two tables are the same by their places on the sky."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError

_ARCSEC = np.pi / 180 / 3600
LARGEST = 3600.0
"""Arcsec up to which a match is looked for: beyond a degree it would be none."""


class SkyMatch(NamedTuple):
    """The nearest row of another table for each row, -1 where none is near enough, and its distance in arcsec, or NaN."""

    row: NDArray[np.int64]
    arcsec: NDArray[np.float64]

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Whether each row has a match."""
        return np.asarray(self.row >= 0)

    def shared(self) -> int:
        """Return how many rows have a match that is another row's too."""
        found = self.row[self.matched]
        _, times = np.unique(found, return_counts=True)
        return int(times[times > 1].sum())


def match_sky(places: ArrayLike, others: ArrayLike, *, arcsec: float = 1.0) -> SkyMatch:
    """Find the nearest of other places for each place, within a distance on the sky.

    Parameters
    ----------
    places, others : array_like, shape (row, 2)
        Right ascension and declination in degrees.
    arcsec : float
        Up to 3600.

    Returns
    -------
    SkyMatch

    Raises
    ------
    CatalogueError
        When the distance is out of range, or an array has another shape.

    Notes
    -----
    By a tree of unit vectors; a chord d is an angle of 2 arcsin(d / 2). Rows are matched each by itself, so that two may
    have the same match: see `SkyMatch.shared`.

    Examples
    --------
    >>> match_sky([[150.0, 2.0], [10.0, 0.0]], [[150.0, 2.0001], [200.0, 5.0]]).row.tolist()
    [0, -1]
    """
    from scipy.spatial import KDTree

    if not 0 < arcsec <= LARGEST:
        raise CatalogueError(f"a match within {arcsec:g} arcsec was asked for; give a number above 0, at most {LARGEST:g}")
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
