"""Find similar galaxies: neighbours among the stored embeddings, for finding more of a rare kind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import PosteriorError, did_you_mean
from zooactive.foundation.metadata import about_of
from zooactive.foundation.parts_folder import read_journal
from zooactive.foundation.reading import check_regular
from zooactive.foundation.writing import aside
from zooactive.models.head.feature_scale import FeatureScale
from zooactive.prediction.embeddings import Embeddings
from zooactive.prediction.stored import Predictions

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.decomposition import PCA

_COMPONENTS = 64
_LEARNT_FROM = 50_000  # the number of embeddings to which the principal components are fitted, spread over the run
_FILE = "similar.parquet"


def find_similar(predictions: Predictions | Embeddings, to: str | Iterable[str], *, n: int = 24) -> pd.DataFrame:
    """Find the galaxies whose embeddings are most similar to those of one galaxy, or of several together.

    Embeddings are compared by the cosine of the angle between them, after subtracting their mean, in their first 64
    principal components. These are 128 bytes per galaxy, which are kept in the folder of the predictions after the first
    search. The search compares every galaxy, so nothing is missed.

    Parameters
    ----------
    predictions : Predictions or Embeddings
        Predictions with embeddings, or the result of `zooactive.read_embeddings`, for which nothing is kept.
    to : str or iterable of str
        Ids of galaxies among them. For several ids, a galaxy's similarity is the mean of its similarities to each.
    n : int
        How many galaxies to return; fewer if there are not enough others.

    Returns
    -------
    DataFrame
        rank, id, similarity (-1 to 1), without the given galaxies; equal ones in the order of ids.

    Raises
    ------
    PosteriorError
        If an id is not among the predictions, or they hold no embeddings.
    """
    import pandas as pd

    asked = [to] if isinstance(to, str) else list(to)
    ids, vectors = _compared(predictions) if isinstance(predictions, Embeddings) else _index(predictions)
    row_of = {galaxy_id: row for row, galaxy_id in enumerate(ids)}
    for galaxy_id in asked:
        if galaxy_id not in row_of:
            near = did_you_mean(galaxy_id, row_of) if len(row_of) <= 100_000 else ""
            source = predictions.source if isinstance(predictions, Embeddings) else predictions.folder
            raise PosteriorError(f"{source} has no galaxy '{galaxy_id}'.{near or ' Check the ids'}")
    rows = [row_of[galaxy_id] for galaxy_id in dict.fromkeys(asked)]
    if not rows:
        raise PosteriorError("no galaxy was named to compare with; give at least one id")
    likeness = vectors @ vectors[rows].mean(0)
    likeness[rows] = -np.inf
    found = min(n, len(ids) - len(rows))
    nearest = np.flatnonzero(likeness >= np.partition(likeness, -found)[-found]) if found else np.empty(0, dtype=np.int64)
    table = pd.DataFrame({"id": [ids[row] for row in nearest], "similarity": likeness[nearest]})
    table = table.sort_values(["similarity", "id"], ascending=[False, True]).head(found).reset_index(drop=True)
    table.insert(0, "rank", table.index + 1)
    return table


def _compared(embeddings: Embeddings) -> tuple[list[str], NDArray[np.float32]]:
    """Return ids and unit vectors (galaxy, component) of embeddings in memory, each feature with a spread of 1."""
    if len(embeddings) < 2:
        raise PosteriorError(f"{embeddings.source} holds {len(embeddings)} galaxies; at least 2 are needed to compare")
    scale = FeatureScale.of_features(embeddings.features)
    pca = _components([scale.of(features) for _, features in embeddings.chunks()], len(embeddings))
    vectors = np.concatenate([_unit(pca, scale.of(features)) for _, features in embeddings.chunks()])
    return list(map(str, embeddings.ids)), vectors


def _components(chunks: Iterable[NDArray[np.floating]], galaxies: int) -> PCA:
    """Fit the principal components to galaxies that are spread evenly over all galaxies."""
    from sklearn.decomposition import PCA

    every = -(-galaxies // _LEARNT_FROM)
    sample = np.concatenate([features[::every] for features in chunks]).astype(np.float32)
    return PCA(min(_COMPONENTS, *sample.shape), random_state=0).fit(sample)


def _unit(pca: PCA, features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return unit vectors of features, rounded as they are stored."""
    vectors = pca.transform(features.astype(np.float32))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors.astype(np.float16).astype(np.float32))


def _index(predictions: Predictions) -> tuple[list[str], NDArray[np.float32]]:
    """Return ids and unit vectors (galaxy, component) of all galaxies, from the index in the folder if there is one."""
    file = predictions.folder / _FILE
    # A part may have been written again with other images, or with more readable ones, in the same run.
    images = blake2b("".join(predictions.image_marks).encode(), digest_size=16).hexdigest()
    run = f"{(read_journal(predictions.folder) or {}).get('fingerprint')}|{images}"
    found = _read_index(file, run)
    if found is None:
        _write_index(predictions, file, run)
        found = _read_index(file, run)
    if found is None:
        raise PosteriorError(f"{file} cannot be read as it was written; is the disk sound?")
    return found


def _read_index(file: Path, run: str) -> tuple[list[str], NDArray[np.float32]] | None:
    """Read the index in a folder; None if there is none, or if it is of another run or damaged and can be made again."""
    import pyarrow.parquet as pq

    try:
        check_regular(file)
        rows = pq.read_table(file)
        if about_of(rows.schema)["run"] != run:
            return None
        vectors = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        ids = rows["id"].to_pylist()
        if not np.isfinite(vectors).all() or not all(isinstance(galaxy_id, str) for galaxy_id in ids):
            return None
        return ids, vectors.reshape(len(ids), -1)
    except Exception:
        return None


def _write_index(predictions: Predictions, file: Path, run: str) -> None:
    """Compress the embeddings part by part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    galaxies = len(predictions)
    if galaxies < 2:
        raise PosteriorError(f"{predictions.folder} holds {galaxies} galaxies; at least 2 are needed to compare")
    pca = _components((features for _, features in predictions.embeddings()), galaxies)
    schema = pa.schema(
        [("id", pa.string()), ("vector", pa.list_(pa.float16(), pca.n_components_))],
        metadata={"zooactive": json.dumps({"run": run, "variance": float(pca.explained_variance_ratio_.sum())})},
    )
    with aside(file) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as out:
        for ids, features in predictions.embeddings():
            vectors = _unit(pca, features)
            flat = pa.array(vectors.astype(np.float16).ravel())
            column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
            out.write_table(pa.table([pa.array(ids, pa.string()), column], schema=schema))
