"""Split a small set of labels into parts by hashed id, with the same share of every label in each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.catalogue.places import same_place
from zooactive.foundation.errors import TrainingError
from zooactive.foundation.hashing import uniform_from_ids


def stratified_folds(catalogue: Catalogue, folds: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return the fold of each galaxy, 0 to `folds` - 1.

    The galaxies of each label are dealt into folds in the order of their hashed ids, so that the folds have equal numbers of
    each label, to within one. Galaxies within one arcsecond of each other go to one fold together.

    Parameters
    ----------
    catalogue : Catalogue
        A catalogue with votes. A galaxy's label is the answer with most votes on the tree's first question.
    folds : int
        The number of folds, at least 2.
    seed : int

    Returns
    -------
    ndarray of int64, shape (galaxy,)

    Raises
    ------
    TrainingError
        If there are fewer galaxies than folds, or fewer than two folds.
    """
    if not 2 <= folds <= len(catalogue):
        raise TrainingError(
            f"{catalogue.source}: {folds} folds of {len(catalogue)} labelled galaxies; give from 2 to as many as there are"
        )
    leaders, order = _dealt(catalogue, seed)
    fold = np.empty(len(catalogue), dtype=np.int64)
    fold[order] = np.arange(len(order)) % folds
    return fold[leaders]


def stratified_split(catalogue: Catalogue, ratios: Sequence[float], *, seed: int = 0) -> tuple[Catalogue, ...]:
    """Split labelled galaxies by hashed id into parts with the same share of every label.

    Parameters
    ----------
    catalogue : Catalogue
        As in `stratified_folds`.
    ratios : sequence of float
        Shares that sum to 1. Every part gets its share of each label, to within one galaxy.
    seed : int

    Returns
    -------
    tuple of Catalogue
        One catalogue per ratio.
    """
    leaders, order = _dealt(catalogue, seed)
    labels = label_of(catalogue)
    part = np.empty(len(catalogue), dtype=np.int64)
    edges = np.cumsum(ratios)[:-1]
    for label in np.unique(labels):
        own = order[labels[order] == label]
        part[own] = np.searchsorted(edges, (np.arange(len(own)) + 0.5) / max(1, len(own)), side="right")
    part = part[leaders]
    return tuple(catalogue.take(part == number) for number in range(len(ratios)))


def label_counts(catalogue: Catalogue) -> NDArray[np.int64]:
    """Count the galaxies of each label of `label_of`, shape (answer,), for a tree of one question."""
    return np.bincount(label_of(catalogue), minlength=len(catalogue.require_votes().tree.columns))


def label_of(catalogue: Catalogue) -> NDArray[np.int64]:
    """Return the number of the answer with most votes on the first question, shape (galaxy,)."""
    tree, votes = catalogue.require_votes()
    return np.asarray(votes[:, tree.slices[0]].argmax(1), dtype=np.int64)


def _dealt(catalogue: Catalogue, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row that represents each galaxy's place on the sky, and these rows label by label in hash order."""
    rows = np.arange(len(catalogue))
    places = same_place(catalogue.table)
    leaders = rows
    if places is not None:
        by_id = np.lexsort((catalogue.ids.astype(str), places))
        _, first = np.unique(places[by_id], return_index=True)
        leaders = by_id[first][places]
    alone = np.unique(leaders)
    u = uniform_from_ids(catalogue.ids[alone], purpose="folds", seed=seed)
    return leaders, alone[np.lexsort((u, label_of(catalogue)[alone]))]
