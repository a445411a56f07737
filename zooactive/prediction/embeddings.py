"""Embeddings of galaxies by any encoder, which replace images and a network."""

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
"""The number of galaxies per part in predictions from embeddings."""


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """Features of galaxies by some encoder, (galaxy, feature), and the other columns of their file.

    Use them instead of stored predictions: `zooactive.finetune`, `zooactive.predict`, `zooactive.prediction.find_similar`.

    Parameters
    ----------
    ids : array_like of str, shape (galaxy,)
        Each id occurs once; stored as an ndarray of object.
    features : array_like, shape (galaxy, feature)
        Finite numbers; stored as an ndarray of float16 if they are float16, otherwise of float32.
    encoder : str, optional
        The name of the encoder, if it is known. Embeddings with different names cannot be combined.
    as_stored : bool
        Whether the embeddings come from a zooactive encoder and are stored as in predictions; `encoder` is then its
        fingerprint. Other embeddings are first brought to a common scale.
    table : DataFrame, optional
        Other columns, one row per galaxy.
    source : str
        Where they came from, for error messages.

    Raises
    ------
    CatalogueError
        If shapes do not fit, an id is repeated, or a feature is not finite.

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
                    "numbers; leave out that galaxy, or compute them again"
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
        """The number of features."""
        return int(self.features.shape[1])

    def catalogue(self) -> Catalogue:
        """Return the galaxies with the other columns, without images and votes."""
        return Catalogue(self.ids, (None,) * len(self), None, None, self.table, self.source)

    @cached_property
    def _index(self) -> pd.Index[Any]:
        return pd.Index(self.ids, dtype=object)

    def rows_of(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the row of each id, or -1 for an unknown id."""
        names = np.fromiter(map(str, ids), dtype=object)
        return np.asarray(self._index.get_indexer(pd.Index(names, dtype=object)), dtype=np.int64)

    def scale(self) -> FeatureScale | None:
        """Return the scale that brings the features to numbers about 0 and 1; None if they are used unchanged."""
        return None if self.as_stored else FeatureScale.of_features(self.features)

    def take(self, rows: NDArray[np.integer]) -> Embeddings:
        """Return the embeddings of some rows, in the given order."""
        table = self.table.iloc[rows].reset_index(drop=True)
        return replace(self, ids=self.ids[rows], features=self.features[rows], table=table)

    def where(self, expression: str) -> Embeddings:
        """Return the galaxies for which a comparison of the other columns is true, such as ``mag_r < 17.7``.

        Raise a CatalogueError if the expression cannot be read, or is true of no galaxy.
        """
        columns = pd.concat([pd.DataFrame({"id": self.ids}), self.table], axis=1)
        rows = np.flatnonzero(rows_where(columns.loc[:, ~columns.columns.duplicated()], expression, self.source))
        if not len(rows):
            raise CatalogueError(f"{self.source}: {expression} is true of no galaxy; widen the expression")
        return self.take(rows)

    def of_galaxies(self, galaxies: Catalogue) -> Embeddings:
        """Return the embeddings of a catalogue's galaxies, with its columns.

        Galaxies without an embedding are left out, with a warning that counts them. Raise a CatalogueError if none has one.
        """
        rows = only_of(self, galaxies.ids, galaxies.source)
        known = np.flatnonzero(rows >= 0)
        if len(known) < len(rows):
            first = galaxies.ids[int(np.argmax(rows < 0))]
            warnings.warn(
                f"{galaxies.source}: {len(rows) - len(known)} of {len(rows)} galaxies are left out because {self.source} "
                f"has no embedding of them, such as '{first}'",
                stacklevel=3,
            )
        table = galaxies.table.iloc[known].reset_index(drop=True)
        return replace(self, ids=self.ids[rows[known]], features=self.features[rows[known]], table=table)

    def chunks(self) -> Iterator[tuple[list[str], NDArray[np.floating]]]:
        """Yield ids and features of some thousand galaxies at a time."""
        for start in range(0, len(self), ROWS_PER_PART):
            rows = slice(start, start + ROWS_PER_PART)
            yield list(map(str, self.ids[rows])), self.features[rows]

    def refuse_another_encoder(self, model: AnyModel) -> None:
        """Raise a PosteriorError unless a model can take these embeddings."""
        from zooactive.models.embedding_model import EmbeddingModel

        if isinstance(model, EmbeddingModel):
            if None not in (self.encoder, model.encoder_name) and self.encoder != model.encoder_name:
                raise PosteriorError(
                    f"{self.source} holds embeddings of the encoder '{self.encoder}', but the model was trained on those of "
                    f"'{model.encoder_name}'; give embeddings of that encoder"
                )
            if self.width != model.features:
                raise PosteriorError(
                    f"{self.source} holds {self.width} features per galaxy, but the model was trained on {model.features}; "
                    "give embeddings of the same encoder"
                )
        elif not self.as_stored or self.encoder != model.encoder_fingerprint():
            raise PosteriorError(
                f"{self.source} does not hold this model's own embeddings; train a head on them (`zooactive finetune "
                "--embeddings`), or compute the model's own with `zooactive embed`"
            )

    def seen_by(self, model: AnyModel) -> SeenEmbeddings:
        """Return the embeddings as a model's head sees them; raise a PosteriorError if its encoder is another one."""
        from zooactive.models.embedding_model import EmbeddingModel

        self.refuse_another_encoder(model)
        features = model.of(self.features) if isinstance(model, EmbeddingModel) else self.features.astype(np.float16)
        return SeenEmbeddings(self, features)


@dataclass(frozen=True, eq=False)
class SeenEmbeddings:
    """Embeddings as a head sees them, float16 (galaxy, feature), with the interface of stored predictions."""

    embeddings: Embeddings
    features: NDArray[np.float16]

    @property
    def rows_per_part(self) -> int:
        """The number of galaxies per part in predictions from them."""
        return ROWS_PER_PART

    @cached_property
    def image_marks(self) -> Sequence[str]:
        """A mark of each galaxy's features, which replace its image."""
        return [short_mark(row.tobytes()) for row in self.features]

    def catalogue(self) -> Catalogue:
        """Return the galaxies."""
        return self.embeddings.catalogue()

    def stream_features(self, batches: Iterable[range]) -> Iterator[Batch]:
        """Yield the features of batches of rows; no row has failed."""
        for rows in batches:
            yield Batch(rows, self.features[rows.start : rows.stop], {})


def _floats(values: NDArray[Any], source: str) -> NDArray[np.floating]:
    """Return numbers as float16 if they are float16, otherwise as float32; too large values become infinite."""
    if values.dtype.kind not in "fiu":
        raise CatalogueError(f"{source} has features of the kind {values.dtype}; give numbers")
    with np.errstate(over="ignore"):
        return values if values.dtype in (np.float16, np.float32) else values.astype(np.float32)


def only_of(embeddings: Embeddings, ids: Collection[str], what: str) -> NDArray[np.int64]:
    """Return the rows of some galaxies in embeddings that have at least one of them; -1 for the others.

    Raise a CatalogueError if the embeddings have none of them.
    """
    rows = embeddings.rows_of(ids)
    if not len(rows):
        raise CatalogueError(f"{what} has no galaxies; give at least one that is in {embeddings.source}")
    if (rows < 0).all():
        first = next(iter(ids))
        raise CatalogueError(
            f"none of the {len(rows)} galaxies of {what} is in {embeddings.source} ('{first}' in the one, "
            f"'{embeddings.ids[0]}' in the other); give ids that are written in the same way, or name their column with --id"
        )
    return rows
