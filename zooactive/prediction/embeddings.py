"""Embeddings that any encoder gave, by galaxy: what stands for images and a network."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.catalogue.where import rows_where
from zooactive.foundation.errors import CatalogueError, PosteriorError
from zooactive.foundation.html import html_pairs
from zooactive.models.features import Batch
from zooactive.models.head.feature_scale import FeatureScale
from zooactive.prediction.marks import short_mark

if TYPE_CHECKING:
    from zooactive.models.loading import AnyModel

ROWS_PER_PART = 2048
"""Galaxies a part of what is predicted from embeddings."""


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """Features of galaxies by some encoder, (galaxy, feature), and what else their file says of them.

    Stands wherever stored predictions do: `zooactive.finetune`, `zooactive.predict`, `zooactive.prediction.find_similar`.

    Parameters
    ----------
    ids : array_like of str, shape (galaxy,)
        Each once; kept as an ndarray of object.
    features : array_like, shape (galaxy, feature)
        Finite; kept as an ndarray of float16 where they are, and of float32 otherwise.
    encoder : str, optional
        What made them, as far as anybody says: embeddings of two names do not go together.
    as_stored : bool
        Whether they are those of a zooactive encoder, whose fingerprint `encoder` then is, as predictions store them. Others
        are brought to a common scale first.
    table : DataFrame, optional
        Other columns, a row a galaxy.
    source : str
        Where they came from, for errors.

    Raises
    ------
    CatalogueError
        When shapes do not fit, an id is repeated, or a feature is not finite.

    Examples
    --------
    >>> known = Embeddings(np.array(["a", "b"], dtype=object), np.eye(2, 3, dtype=np.float32))
    >>> len(known), known.width
    (2, 3)
    """

    ids: NDArray[np.object_]
    features: NDArray[np.floating]
    encoder: str | None = None
    as_stored: bool = False
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    source: str = "the embeddings"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", np.asarray(self.ids, dtype=object))
        object.__setattr__(self, "features", _floats(np.asarray(self.features), self.source))
        if self.features.ndim != 2 or len(self.features) != len(self.ids) or not self.features.size:
            raise CatalogueError(
                f"{self.source} has features of shape {self.features.shape} for {len(self.ids)} ids; give one row of "
                "features for each galaxy"
            )
        repeated = pd.Series(self.ids, dtype=object).duplicated().to_numpy()
        if repeated.any():
            raise CatalogueError(f"{self.source} has the id '{self.ids[repeated][0]}' twice; keep one row of each galaxy")
        for start in range(0, len(self.ids), ROWS_PER_PART):
            bad = ~np.isfinite(self.features[start : start + ROWS_PER_PART]).all(1)
            if bad.any():
                raise CatalogueError(
                    f"{self.source}: the features of galaxy '{self.ids[start + int(np.argmax(bad))]}' are not all finite "
                    "numbers; leave that galaxy out, or compute them again"
                )
        if not len(self.table.columns):
            object.__setattr__(self, "table", pd.DataFrame(index=range(len(self.ids))))

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} galaxies, {self.width} features, encoder={self.encoder!r})"

    def _repr_html_(self) -> str:
        pairs = {
            "galaxies": f"{len(self):,}",
            "features": f"{self.width}, {self.features.dtype}",
            "encoder": self.encoder or "not said",
            "other columns": ", ".join(map(str, self.table.columns[:8])) or "none",
        }
        return html_pairs(f"Embeddings of {self.source}", pairs.items())

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.features.shape[1])

    def catalogue(self) -> Catalogue:
        """Return the galaxies, without images and votes, with the other columns."""
        return Catalogue(self.ids, (None,) * len(self), None, None, self.table, self.source)

    @cached_property
    def _index(self) -> pd.Index[Any]:
        return pd.Index(self.ids, dtype=object)

    def rows_of(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the row of each id, -1 where there is none."""
        names = np.fromiter(map(str, ids), dtype=object)
        return np.asarray(self._index.get_indexer(pd.Index(names, dtype=object)), dtype=np.int64)

    def scale(self) -> FeatureScale | None:
        """Return what brings the features to numbers about 0 and 1; None where they are taken as they are."""
        return None if self.as_stored else FeatureScale.of_features(self.features)

    def take(self, rows: NDArray[np.integer]) -> Embeddings:
        """Return the embeddings of some rows, in their order."""
        table = self.table.iloc[rows].reset_index(drop=True)
        return replace(self, ids=self.ids[rows], features=self.features[rows], table=table)

    def where(self, expression: str) -> Embeddings:
        """Return the galaxies of which an expression over the other columns holds, such as ``mag_r < 17.7``.

        Raises a CatalogueError for an expression that cannot be read, or of which no galaxy is left.
        """
        columns = pd.concat([pd.DataFrame({"id": self.ids}), self.table], axis=1)
        rows = np.flatnonzero(rows_where(columns.loc[:, ~columns.columns.duplicated()], expression, self.source))
        if not len(rows):
            raise CatalogueError(f"{self.source}: of no galaxy it holds that {expression}; ask for less")
        return self.take(rows)

    def of_galaxies(self, galaxies: Catalogue) -> Embeddings:
        """Return the embeddings of a catalogue's galaxies, with its columns.

        Galaxies without one are left out, with a warning that counts them. Raises a CatalogueError when none has one.
        """
        rows = only_of(self, galaxies.ids, galaxies.source)
        known = np.flatnonzero(rows >= 0)
        if len(known) < len(rows):
            first = galaxies.ids[int(np.argmax(rows < 0))]
            warnings.warn(
                f"{galaxies.source}: {len(rows) - len(known)} of {len(rows)} galaxies are left out, {self.source} has no "
                f"embedding of them, such as '{first}'",
                stacklevel=3,
            )
        table = galaxies.table.iloc[known].reset_index(drop=True)
        return replace(self, ids=self.ids[rows[known]], features=self.features[rows[known]], table=table)

    def chunks(self) -> Iterator[tuple[list[str], NDArray[np.floating]]]:
        """Yield ids and features of some thousand galaxies after the other."""
        for start in range(0, len(self), ROWS_PER_PART):
            rows = slice(start, start + ROWS_PER_PART)
            yield list(map(str, self.ids[rows])), self.features[rows]

    def refuse_another_encoder(self, model: AnyModel) -> None:
        """Raise a PosteriorError unless a model can take these embeddings."""
        from zooactive.models.embedding_model import EmbeddingModel

        if isinstance(model, EmbeddingModel):
            if None not in (self.encoder, model.encoder_name) and self.encoder != model.encoder_name:
                raise PosteriorError(
                    f"{self.source} holds embeddings of the encoder '{self.encoder}', and the model learnt from those of "
                    f"'{model.encoder_name}'; give the same encoder's"
                )
            if self.width != model.features:
                raise PosteriorError(
                    f"{self.source} holds {self.width} features a galaxy, and the model learnt from {model.features}; give "
                    "embeddings of the same encoder"
                )
        elif not self.as_stored or self.encoder != model.encoder_fingerprint():
            raise PosteriorError(
                f"{self.source} does not hold this model's own embeddings; learn a head on them (`zooactive finetune "
                "--embeddings`), or make the model's own with `zooactive embed`"
            )

    def seen_by(self, model: AnyModel) -> SeenEmbeddings:
        """Return them as a model's head sees them; a PosteriorError when they are of another encoder than its own."""
        from zooactive.models.embedding_model import EmbeddingModel

        self.refuse_another_encoder(model)
        features = model.of(self.features) if isinstance(model, EmbeddingModel) else self.features.astype(np.float16)
        return SeenEmbeddings(self, features)


@dataclass(frozen=True, eq=False)
class SeenEmbeddings:
    """Embeddings as a head sees them, float16 (galaxy, feature), in the form in which stored predictions give theirs."""

    embeddings: Embeddings
    features: NDArray[np.float16]

    @property
    def rows_per_part(self) -> int:
        """Galaxies a part of what is predicted from them."""
        return ROWS_PER_PART

    @cached_property
    def image_marks(self) -> Sequence[str]:
        """A mark of each galaxy's features, which stand for its image."""
        return [short_mark(row.tobytes()) for row in self.features]

    def catalogue(self) -> Catalogue:
        """Return the galaxies."""
        return self.embeddings.catalogue()

    def stream_features(self, batches: Iterable[range]) -> Iterator[Batch]:
        """Yield the features of batches of rows; none ever failed."""
        for rows in batches:
            yield Batch(rows, self.features[rows.start : rows.stop], {})


def _floats(values: NDArray[Any], source: str) -> NDArray[np.floating]:
    """Return numbers as float16 where they are, else as float32; what does not fit becomes infinite, which is refused."""
    if values.dtype.kind not in "fiu":
        raise CatalogueError(f"{source} has features of the kind {values.dtype}; give numbers")
    with np.errstate(over="ignore"):
        return values if values.dtype in (np.float16, np.float32) else values.astype(np.float32)


def only_of(embeddings: Embeddings, ids: Collection[str], what: str) -> NDArray[np.int64]:
    """Return the rows of some galaxies in embeddings that have at least one of them; -1 where there is none.

    Raises a CatalogueError that says so when none has.
    """
    rows = embeddings.rows_of(ids)
    if not len(rows):
        raise CatalogueError(f"{what} has no galaxies; give at least one that is in {embeddings.source}")
    if (rows < 0).all():
        first = next(iter(ids))
        raise CatalogueError(
            f"none of the {len(rows)} galaxies of {what} is in {embeddings.source} ('{first}' in the one, "
            f"'{embeddings.ids[0]}' in the other); give ids that are written alike, or name their column with --id"
        )
    return rows
