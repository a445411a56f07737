"""Galaxies that look different from each other: k centres among embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import AcquisitionError


def k_centre(embeddings: ArrayLike, ids: Sequence[str], n: int, *, first: str | None = None) -> tuple[str, ...]:
    """Choose galaxies whose embeddings cover the others: each next one is the farthest from all chosen so far.

    Parameters
    ----------
    embeddings : array_like, shape (galaxy, feature)
        Embeddings as `zooactive.prediction` stores them. They are compared by Euclidean distance.
    ids : sequence of str, length galaxy
        The galaxies' ids, without duplicates.
    n : int
        The number of galaxies to choose.
    first : str, optional
        The id to begin with, for example the one with the best score. The default is the galaxy farthest from the mean
        embedding.

    Returns
    -------
    tuple of str
        The ids in the order of their choice, which does not depend on the order of the rows: the smaller id wins a tie.

    Raises
    ------
    AcquisitionError
        When the shapes do not match, `n` is below 1 or above the number of galaxies, or `first` is not among the ids.

    Notes
    -----
    This is the greedy algorithm of Gonzalez 1985, whose radius is at most twice the best one. Sener & Savarese 2018
    (arXiv:1708.00489) used it for active learning. **Limitation**: it seeks outliers, including artifacts, and ignores
    scores. Give it a shortlist, for example a selection of 2 n galaxies, of which it keeps n.

    Examples
    --------
    >>> k_centre([[0.0], [0.1], [5.0], [9.0]], ["a", "b", "c", "d"], 3, first="a")
    ('a', 'd', 'c')
    """
    points = np.asarray(embeddings, dtype=np.float32)
    names = np.array([str(galaxy_id) for galaxy_id in ids])
    if points.ndim != 2 or len(points) != len(names):
        raise AcquisitionError(
            f"embeddings have the shape {points.shape}, but there are {len(names)} ids; give one row for each id"
        )
    if not 1 <= n <= len(names):
        raise AcquisitionError(f"{n} centres were asked for among {len(names)} galaxies; give 1 to this number")
    order = np.argsort(names, kind="stable")
    names, points = names[order], points[order]
    if first is None:
        start = int(np.argmax(_squared_distances(points, points.mean(0))))
    else:
        found = np.flatnonzero(names == first)
        if len(found) == 0:
            raise AcquisitionError(f"first = '{first}' is not among the ids; give one of the ids")
        start = int(found[0])
    chosen = [start]
    nearest = _squared_distances(points, points[start])
    nearest[start] = -1
    while len(chosen) < n:
        farthest = int(np.argmax(nearest))
        chosen.append(farthest)
        nearest = np.minimum(nearest, _squared_distances(points, points[farthest]))
        nearest[farthest] = -1
    return tuple(str(name) for name in names[chosen])


def _squared_distances(points: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    difference = points - centre
    return np.asarray(np.einsum("gf,gf->g", difference, difference))
