"""Are a galaxy's neighbours among the embeddings galaxies like it, and is it worth to compress the embeddings for that?

    python tests/benchmarks/bench_similar.py

The share of the ten nearest galaxies that have the class of the one they were found for, on the tenth of zhu5/ that the
bundled encoder has never seen, averaged over classes; by the 64 principal components that `find_similar` keeps, and by
peers: the whole embeddings' cosine, the same less their mean, and Euclidean distance. Bound: drawing at random.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

import zooactive as za
from zooactive.prediction.similar import _index

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "zhu5" / "galaxies.parquet"
NEAREST = 10


def main() -> None:
    """Measure the index beside its peers."""
    from zooactive.training.finetuning.tasks import load_task

    labelled = load_task("zhu5").read(DATA)
    test = labelled.split((0.9, 0.1))[-1]
    assert test.votes is not None
    assert test.tree is not None
    with tempfile.TemporaryDirectory() as folder:
        predictions = za.predict(za.load_model("bundled"), test.without_votes(), out=folder)
        began = time.perf_counter()
        ids, vectors = _index(predictions)
        seconds = time.perf_counter() - began
        features = np.concatenate([part for _, part in predictions.embeddings()]).astype(np.float64)
    label = dict(zip(test.ids, test.votes.argmax(1), strict=True))
    labels = np.array([label[galaxy_id] for galaxy_id in ids])
    print(f"{len(ids)} test galaxies; the index took {seconds:.1f} s and {2 * vectors.shape[1]} bytes a galaxy")
    centred = features - features.mean(0)
    squares = (features**2).sum(1)
    likeness = {
        "64 principal components": vectors @ vectors.T,
        "cosine of the embeddings": _cosine(features),
        "cosine less the mean": _cosine(centred),
        "Euclidean distance": -(squares[:, None] + squares - 2 * features @ features.T),
        "64 whitened components": _cosine(PCA(64, whiten=True, random_state=0).fit_transform(features)),
        "at random": np.random.default_rng(0).random((len(ids), len(ids))),
    }
    for name, values in likeness.items():
        values = np.array(values, dtype=float)
        np.fill_diagonal(values, -np.inf)
        nearest = np.argpartition(values, -NEAREST, axis=1)[:, -NEAREST:]
        same = (labels[nearest] == labels[:, None]).mean(1)
        by_class = [same[labels == k].mean() for k in range(len(test.tree.columns))]
        print(f"{name:26} {np.mean(by_class):.3f} of ten; by class {' '.join(f'{share:.2f}' for share in by_class)}")


def _cosine(features: NDArray[np.float64]) -> NDArray[np.float64]:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit @ unit.T


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main()
