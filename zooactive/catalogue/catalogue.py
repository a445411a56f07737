"""Catalogues: galaxies with their images, their votes and everything else that a table says about them.

A galaxy is identified by its id, never by its position. `read_catalogue` reads tables and folders of images. A `Catalogue`
never changes: choosing rows, splitting and filtering return new ones.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from zooactive.catalogue.images import ImageSource, place_of
from zooactive.catalogue.many_images import decode_many
from zooactive.catalogue.patience import Reason
from zooactive.catalogue.places import same_place
from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.catalogue.set_aside import nothing
from zooactive.catalogue.stored_images import StoredImage
from zooactive.catalogue.where import rows_where
from zooactive.foundation.errors import CatalogueError, ZooactiveError, did_you_mean
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.foundation.html import ends_of, html_table
from zooactive.foundation.rows import ids_in, rows_in
from zooactive.tree import DecisionTree

RESERVED = ("id", "image")  # in shards, predictions and selections; a table's own column of this name is renamed


_SHOWN_COLUMNS = 8


class Voted(NamedTuple):
    """The decision tree of a catalogue and its votes of shape (galaxy, answer)."""

    tree: DecisionTree
    votes: NDArray[np.float64]

    @property
    def some(self) -> NDArray[np.bool_]:
        """Return whether each galaxy has any votes, shape (galaxy,)."""
        return np.asarray(self.votes.sum(1) > 0)


@dataclass(frozen=True, eq=False, repr=False)
class Catalogue:
    """A table of galaxies with their images and votes, one galaxy per row.

    Parameters
    ----------
    ids : ndarray of object (str), shape (G,)
        Each id occurs once.
    images : tuple of Path, bytes, StoredImage, RemoteImage or None, length G
    votes : ndarray of float64, shape (G, answer), or None
        Counts or pseudo-counts in the order of ``tree.columns``, 0 if a question was not asked.
    tree : DecisionTree or None
        Given if and only if there are votes.
    table : DataFrame
        Every other column, with the index 0 to G - 1.
    source : str
        The file or folder that the catalogue was read from, for error messages.
    min_votes : float
        The number of votes on a root question from which a galaxy counts as labelled.
    prepared : Preprocessing or None
        How the images were cropped and resized when they were packed into shards; None for original images.
    field_crops : ndarray of float64, shape (G,), or None
        For combined surveys, the central fraction of each image that shows as much sky as the other surveys' images do.
    set_aside : DataFrame
        The rows of the file that were left out because their votes contradict themselves: row (from 1), id, reason.

    Raises
    ------
    CatalogueError
        If the parts do not fit together or an id occurs twice.
    """

    ids: NDArray[np.object_]
    images: tuple[ImageSource, ...]
    votes: NDArray[np.float64] | None
    tree: DecisionTree | None
    table: pd.DataFrame
    source: str
    min_votes: float = 30
    prepared: Preprocessing | None = None
    field_crops: NDArray[np.float64] | None = None
    set_aside: pd.DataFrame = field(default_factory=nothing)

    def __post_init__(self) -> None:
        lengths = {"ids": len(self.ids), "images": len(self.images), "table": len(self.table)}
        if self.field_crops is not None:
            lengths["field_crops"] = len(self.field_crops)
        if self.votes is not None:
            lengths["votes"] = len(self.votes)
            if self.tree is None or self.votes.shape != (len(self.ids), len(self.tree.columns)):
                needed = (
                    f"tree '{self.tree.name}' has {len(self.tree.columns)} columns" if self.tree else "the tree is missing"
                )
                raise CatalogueError(
                    f"{self.source}: the votes have shape {self.votes.shape}, but {needed}; make the two match"
                )
        elif self.tree is not None:
            raise CatalogueError(f"{self.source}: tree '{self.tree.name}' was given without votes; give both or neither")
        if len(set(lengths.values())) > 1:
            raise CatalogueError(f"{self.source}: parts have different lengths {lengths}; give one row per galaxy")
        if len(set(self.ids)) < len(self.ids):
            values, times = np.unique(self.ids.astype(str), return_counts=True)
            raise CatalogueError(f"{self.source}: the id '{values[times > 1][0]}' occurs twice; keep one of the rows")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        tree = f", tree '{self.tree.name}'" if self.tree else ""
        return f"Catalogue({len(self)} galaxies from {self.source}{tree}, {int(self.labelled.sum())} labelled)"

    def _repr_html_(self) -> str:
        rows, left_out = ends_of(len(self))
        some = self.take(rows)
        table = some.to_pandas()
        table["image"] = [None if where is None else where.rpartition("/")[2] for where in table["image"]]
        shown = [*table.columns[:_SHOWN_COLUMNS]]
        cells: list[list[object] | None] = [[_cell(value) for value in row] for row in table[shown].to_numpy(dtype=object)]
        if left_out:
            cells.insert(left_out, None)
        missing = len(table.columns) - len(shown)
        below = f"and {missing} more columns: to_pandas() has all" if missing else ""
        return html_table(list(map(str, shown)), cells, caption=repr(self), below=below)

    def __getitem__(self, key: Any) -> Catalogue:
        """Return some galaxies, chosen by a slice, row numbers, a mask, one id or several ids."""
        ids = ids_in(key)
        return self.take(rows_in(key, len(self))) if ids is None else self.select(ids)

    def head(self, n: int = 5) -> Catalogue:
        """Return the first `n` galaxies."""
        return self[:n]

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per galaxy: ``id``, ``image`` (its location), the votes, and the other columns."""
        parts = [pd.DataFrame({"id": self.ids, "image": [_where(image) for image in self.images]})]
        if self.voted is not None:
            parts.append(pd.DataFrame(self.voted.votes, columns=list(self.voted.tree.columns)))
        return pd.concat([*parts, self.table], axis=1)

    @property
    def voted(self) -> Voted | None:
        """The tree and its votes, or None if the catalogue has none."""
        return None if self.tree is None or self.votes is None else Voted(self.tree, self.votes)

    def require_votes(
        self, tree: DecisionTree | None = None, *, to: str = "", error: type[ZooactiveError] = CatalogueError
    ) -> Voted:
        """Return the tree and its votes, or raise an error if the catalogue has none.

        Parameters
        ----------
        tree : DecisionTree, optional
            The tree whose columns the votes must have.
        to : str
            What the votes are needed for, as worded in the error: ``"to learn from"``.
        error : type of ZooactiveError
            The type of the error that is raised.
        """
        voted = self.voted
        if voted is None or (tree is not None and voted.tree.columns != tree.columns):
            which, mend = ("", "a tree") if tree is None else (f" of tree '{tree.name}'", "that tree")
            raise error(f"{self.source} has no votes{which}{to and f' {to}'}; read it with {mend}")
        return voted

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Return whether each galaxy has at least `min_votes` on some root question, shape (G,)."""
        if self.voted is None:
            return np.zeros(len(self), dtype=bool)
        tree, votes = self.voted
        roots = [votes[:, tree.slices[root]].sum(axis=1) for root in tree.roots]
        # Fractions that are printed with few digits may sum to slightly less than all volunteers.
        return np.asarray(np.max(roots, axis=0) >= self.min_votes - 1e-3)

    def take(self, rows: ArrayLike) -> Catalogue:
        """Return the galaxies of the given row numbers (or of a mask of G booleans), in this order."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        return replace(
            self,
            ids=self.ids[rows],
            images=tuple(self.images[row] for row in rows),
            votes=None if self.votes is None else self.votes[rows],
            table=self.table.iloc[rows].reset_index(drop=True),
            field_crops=None if self.field_crops is None else self.field_crops[rows],
        )

    def select(self, ids: Iterable[str]) -> Catalogue:
        """Return the galaxies with the given ids, in this order; raise a CatalogueError for an unknown id."""
        row_of = {galaxy_id: row for row, galaxy_id in enumerate(self.ids)}
        rows = []
        for galaxy_id in ids:
            if galaxy_id not in row_of:
                near = did_you_mean(str(galaxy_id), row_of) if len(row_of) <= 100_000 else ""
                raise CatalogueError(f"{self.source} has no galaxy '{galaxy_id}'.{near or ' Check the ids'}")
            rows.append(row_of[galaxy_id])
        return self.take(np.array(rows, dtype=np.int64))

    def where(self, expression: str) -> Catalogue:
        """Return the galaxies for which a comparison is true, e.g. ``"mag_r < 17.7 and 0.01 < redshift"``.

        Parameters
        ----------
        expression : str
            A comparison of the table's columns, ``id`` and the tree's vote columns, as
            `zooactive.catalogue.where.rows_where` reads it. Write names that are not Python names in backticks. No
            comparison is true of a missing value.

        Raises
        ------
        CatalogueError
            If the expression cannot be understood, names an unknown column, or is not a comparison.
        """
        columns = [pd.DataFrame({"id": self.ids}), self.table]
        if self.voted is not None:
            columns.append(pd.DataFrame(self.voted.votes, columns=list(self.voted.tree.columns)))
        return self.take(rows_where(pd.concat(columns, axis=1), expression, self.source))

    def only(self, questions: Iterable[str]) -> Catalogue:
        """Return the same galaxies with the votes on some questions only (see `DecisionTree.only`).

        Raises
        ------
        CatalogueError
            If the catalogue has no votes.
        """
        whole, votes = self.require_votes()
        tree = whole.only(questions)
        return replace(self, tree=tree, votes=votes[:, [whole.columns.index(name) for name in tree.columns]])

    def in_memory(self) -> Catalogue:
        """Return the same galaxies with the images of Parquet files in memory, still encoded, to be read in any order."""
        images = list(self.images)
        for row in sorted(range(len(self)), key=lambda row: place_of(images[row])):
            image = images[row]
            images[row] = image.read() if isinstance(image, StoredImage) else image
        return replace(self, images=tuple(images))

    def without_votes(self) -> Catalogue:
        """Return the same galaxies as a pool, without their votes and the tree."""
        return replace(self, votes=None, tree=None)

    def rehearse(self, labelled: int, *, seed: int = 0) -> Catalogue:
        """Return the catalogue with the votes of only some labelled galaxies, to rehearse a survey.

        The galaxies that keep their votes are chosen by hashed id. The votes of all others are hidden.

        Parameters
        ----------
        labelled : int
            How many labelled galaxies keep their votes.
        seed : int

        Raises
        ------
        CatalogueError
            If there are fewer labelled galaxies.
        """
        rows = np.flatnonzero(self.labelled)
        if self.voted is None or not 0 < labelled <= len(rows):
            raise CatalogueError(
                f"{self.source}: you asked for a rehearsal with {labelled} labelled galaxies; there are {len(rows)}"
            )
        known = rows[np.argsort(uniform_from_ids(self.ids[rows], purpose="folds", seed=seed))[:labelled]]
        votes = np.zeros_like(self.voted.votes)
        votes[known] = self.voted.votes[known]
        return replace(self, votes=votes)

    def decoding_for(self, preprocessing: Preprocessing) -> Preprocessing:
        """Return the steps that still turn these images into what a model takes.

        Raises
        ------
        CatalogueError
            If the images were packed into shards for other pixels: at another scale, or with less of the sky.
        """
        stored = self.prepared
        if stored is None:
            return preprocessing
        if stored.channel_names != preprocessing.channel_names:
            has, sees = (", ".join(each.channel_names) for each in (stored, preprocessing))
            raise CatalogueError(
                f"{self.source} was packed with the channels {has}, and the network sees {sees}, in this order; use the "
                "original images, or pack them again for this model"
            )
        same_kind = stored.stretch == preprocessing.stretch
        same_scale = math.isclose(stored.size / stored.crop, preprocessing.size / preprocessing.crop)
        if not (same_kind and same_scale and stored.crop >= preprocessing.crop - 1e-9):
            raise CatalogueError(
                f"{self.source} was packed as {stored.to_dict()}, but the model takes {preprocessing.to_dict()}; "
                "use the original images, or pack them again for this model"
            )
        crop = min(1.0, preprocessing.crop / stored.crop)
        return replace(preprocessing, crop=crop, scales=(1.0,))

    def decode(
        self, preprocessing: Preprocessing, rows: NDArray[np.int64] | range | None = None, *, scale: float = 1.0
    ) -> tuple[NDArray[np.uint8], dict[int, Reason]]:
        """Read the images of some rows, or of all rows, as a model takes them.

        Parameters
        ----------
        preprocessing : Preprocessing
        rows : sequence of int, optional
        scale : float
            The width of the crop relative to the crop of `preprocessing`.

        Returns
        -------
        pixels : ndarray of uint8, shape (row, size, size, channels)
            Zeros for an image that could not be read.
        failures : dict of int to Reason
            Maps the position within these rows to the reason: a text that also has a kind.

        Raises
        ------
        CatalogueError
            The errors of `decoding_for`.
        """
        chosen = range(len(self)) if rows is None else rows
        decoding = self.decoding_for(preprocessing)
        return decode_many(
            [self.images[row] for row in chosen],
            replace(decoding, crop=min(1.0, decoding.crop * scale), scales=(1.0,)),
            names=[str(self.ids[row]) for row in chosen],
            crops=None if self.field_crops is None else [float(self.field_crops[row]) for row in chosen],
        )

    def split(self, ratios: Sequence[float] = (0.7, 0.2, 0.1), *, seed: int = 0) -> tuple[Catalogue, ...]:
        """Split by hashed id, so that a galaxy stays on its side when rows are added, removed or shuffled.

        Parameters
        ----------
        ratios : sequence of float
            Shares that sum to 1. The last share is the test set. It always comes from the top of the hash range, so a
            smaller test set is part of a larger one.
        seed : int

        Returns
        -------
        tuple of Catalogue
            One catalogue per ratio. The sizes are near the ratios, not exactly equal to them.

        Raises
        ------
        CatalogueError
            If a ratio is negative or the ratios do not sum to 1.

        Warns
        -----
        UserWarning
            If the table has columns ra and dec [degrees] and some galaxies lie within one arcsecond of each other. These are
            taken for one galaxy and go to one side together.
        """
        shares = np.asarray(ratios, dtype=float)
        if shares.ndim != 1 or not len(shares) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
            raise CatalogueError(f"the split ratios {tuple(ratios)} do not sum to 1; give shares such as 0.7, 0.2, 0.1")
        u = uniform_from_ids(self.ids, purpose="split", seed=seed)
        groups = same_place(self.table)
        if groups is not None and len(np.unique(groups)) < len(self):
            u = self._one_side(u, groups)
        # Counted from the top, so that the test set does not depend on the other ratios.
        edges = 1 - np.cumsum(shares[:0:-1])[::-1]
        side = np.searchsorted(edges, u, side="right")
        return tuple(self.take(side == part) for part in range(len(shares)))

    def _one_side(self, u: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give all galaxies at one place the hash of the smallest id there, and warn about it."""
        order = np.lexsort((self.ids.astype(str), groups))
        _, first = np.unique(groups[order], return_index=True)
        leaders = order[first]  # groups are numbered 0, 1, ..., so leaders[group] is its smallest id's row
        doubles = np.flatnonzero(leaders[groups] != np.arange(len(self)))
        warnings.warn(
            f"{self.source}: {len(doubles)} galaxies lie within one arcsecond of another (such as '{self.ids[doubles[0]]}' "
            f"and '{self.ids[leaders[groups[doubles[0]]]]}'); they go to the same side of the split",
            stacklevel=3,
        )
        return np.asarray(u[leaders[groups]])


def _where(image: ImageSource) -> str | None:
    """Return the location of an image as a text; an image in memory has no other location."""
    if image is None:
        return None
    return "in memory" if isinstance(image, bytes) else str(image)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
