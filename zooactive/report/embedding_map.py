"""The map of a pool's embeddings: galaxies that look alike to the encoder lie together, and what was chosen stands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.vocabulary import MapKind
from zooactive.report.galaxies import AT_RANDOM
from zooactive.report.page import Finding, png
from zooactive.report.plots.embedding_map import embedding_map
from zooactive.report.plots.style import paper
from zooactive.report.words import counted, listed, short_names

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.tree import DecisionTree

_TOPICS = 5
"""Questions with a colour of their own."""

_TITLE = "Where the chosen galaxies lie"


def project(embeddings: ArrayLike, kind: MapKind = "pca") -> tuple[NDArray[np.float64], str]:
    """Project embeddings onto a plane, and say in words what the two axes are.

    Parameters
    ----------
    embeddings : array_like, shape (galaxy, feature)
        Of three galaxies or more.
    kind : {"pca", "umap"}
        The first two principal components, or UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426), which needs the
        extra ``map``.

    Returns
    -------
    ndarray of float64, shape (galaxy, 2)
    str

    Raises
    ------
    CatalogueError
        When UMAP is not installed.
    """
    features = np.asarray(embeddings, dtype=np.float32)
    if kind == "umap":
        return _umap(features), "UMAP keeps neighbours together; distances between far groups mean little"
    centred = features - features.mean(0)
    # The smaller of the two square matrices has the same leading components.
    wide = centred.shape[1] > centred.shape[0]
    values, vectors = np.linalg.eigh((centred @ centred.T if wide else centred.T @ centred).astype(np.float64))
    first = slice(-1, -3, -1)
    points = vectors[:, first] * np.sqrt(np.maximum(values[first], 0)) if wide else centred @ vectors[:, first]
    share = values[first].sum() / max(values.sum(), np.finfo(float).tiny)
    points = points * np.where(points[np.abs(points).argmax(0), [0, 1]] < 0, -1, 1)  # signs of components are arbitrary
    return points.astype(np.float64), f"The axes are the first two principal components, {share:.0%} of the variance"


def map_finding(
    points: NDArray[np.float64],
    ids: Sequence[str],
    pictures: Mapping[str, NDArray[np.uint8]],
    *,
    axes_told: str,
    pool: int,
    selection: pd.DataFrame | None = None,
    tree: DecisionTree | None = None,
) -> Finding:
    """Show where the chosen galaxies lie among all others.

    Parameters
    ----------
    points : ndarray, shape (galaxy, 2)
        Of `project`.
    ids : sequence of str
        The ids of the galaxies, in the order of the points.
    pictures : mapping of str to uint8 array, shape (size, size, channels)
        Cutouts by id; those that find room are drawn at their place.
    axes_told : str
        What the axes are.
    pool : int
        How many galaxies the pool has; the map may show some of them.
    selection : DataFrame, optional
        Columns id, arm and, where it is known, question, as `zooactive.acquire` returns it.
    tree : DecisionTree, optional
        Whose questions the selection names.
    """
    groups = {} if selection is None else _groups(selection, tree)
    figure = paper(7.6, 5.6, layout="constrained")
    embedding_map(figure.subplots(), points, ids, groups, pictures)
    there = set(ids)
    drawn = {name: sum(galaxy in there for galaxy in members) for name, members in groups.items()}
    some = counted(len(ids)) if len(ids) == pool else f"{counted(len(ids))} of the {pool:,} in the pool"
    chosen = listed([f"{name} ({number})" for name, number in drawn.items() if number])
    marks = f" Coloured marks are the chosen galaxies: {chosen}." if chosen else ""
    return Finding(
        _TITLE if chosen else "A map of the pool",
        f"Each grey point is one galaxy: {some}. Galaxies that look alike to the encoder lie close together. {axes_told}."
        f"{marks} Where there is room, a galaxy's picture stands at its place.\n\n"
        "Chosen galaxies all over the map are a varied choice. If they crowd in one corner, look at their pictures: "
        "they may be artifacts, or images of another kind.",
        picture=png(figure),
        alt=f"Map of the embeddings of {some}, on two axes.{marks}",
    )


def _groups(selection: pd.DataFrame, tree: DecisionTree | None) -> dict[str, list[str]]:
    """Return the ids of the chosen galaxies by what they were chosen for, the most frequent first, those at random last."""
    random = selection["arm"] == "random"
    chosen, names = selection[~random], selection.loc[~random].get("question")
    groups: dict[str, list[str]] = {}
    if names is None or not names.astype(bool).any():
        groups["chosen by score"] = chosen["id"].astype(str).tolist()
    else:
        said = names.tolist() if tree is None else short_names(names, tree)
        counts = {name: said.count(name) for name in dict.fromkeys(said) if name}
        kept = sorted(counts, key=lambda name: (-counts[name], name))[:_TOPICS]
        for galaxy, name in sorted(zip(chosen["id"].astype(str), said, strict=True), key=lambda pair: pair[1] not in kept):
            groups.setdefault(f"for {name}" if name in kept else "for other questions", []).append(galaxy)
        groups = dict(sorted(groups.items(), key=lambda item: (item[0] == "for other questions", -len(item[1]), item[0])))
    if random.any():
        groups[AT_RANDOM] = selection.loc[random, "id"].astype(str).tolist()
    return groups


def _umap(features: NDArray[np.float32]) -> NDArray[np.float64]:
    try:
        from umap import UMAP
    except ImportError:
        raise CatalogueError("a map by UMAP needs umap-learn; install it with `pip install 'zooactive[map]'`") from None
    neighbours = min(15, len(features) - 1)
    return np.asarray(UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1).fit_transform(features), dtype=np.float64)
