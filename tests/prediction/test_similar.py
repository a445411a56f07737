"""Galaxies alike: the nearest by brute force, kept beside the predictions and made anew for others."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_network import tiny_model

from zooactive.foundation.errors import PosteriorError
from zooactive.prediction import PredictionConfig, find_similar, predict
from zooactive.prediction.runs import write_predictions

PARTS = PredictionConfig(draws=2, batch_size=8, rows_per_part=7)


@pytest.fixture
def stored(tree, galaxies, tmp_path):
    model = tiny_model(tree, seed=3)
    return write_predictions(model, galaxies(30), tmp_path / "out", config=PARTS)


def directions(stored) -> tuple[list[str], np.ndarray]:
    """Ids, and unit vectors of the embeddings less their mean, of all galaxies at once."""
    parts = list(stored.embeddings())
    features = np.concatenate([features for _, features in parts]).astype(np.float64)
    vectors = features - features.mean(0)
    return [galaxy_id for ids, _ in parts for galaxy_id in ids], vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_nearest_are_those_of_brute_force(stored):
    ids, vectors = directions(stored)
    found = find_similar(stored, "g004", n=29)
    expected = dict(zip(ids, vectors @ vectors[4], strict=True))
    assert set(found["id"]) == set(ids) - {"g004"}
    assert list(found["rank"]) == list(range(1, 30))
    assert found["similarity"].to_numpy() == pytest.approx([expected[galaxy_id] for galaxy_id in found["id"]], abs=5e-3)
    assert list(find_similar(stored, ["g004"], n=3)["id"]) == list(found["id"][:3])
    assert len(find_similar(stored, "g004", n=1000)) == 29


def test_likeness_to_several_is_the_mean_of_likeness_to_each(stored):
    asked = ["g001", "g002", "g003"]
    found = find_similar(stored, asked, n=27).set_index("id")["similarity"]
    each = [find_similar(stored, galaxy_id, n=29).set_index("id")["similarity"] for galaxy_id in asked]
    assert found.to_numpy() == pytest.approx(np.mean([one[found.index] for one in each], axis=0), abs=1e-5)


def test_an_image_twice_is_its_own_nearest_neighbour(tree, galaxies, tmp_path):
    catalogue = galaxies(20)
    catalogue.images[11].write_bytes(catalogue.images[5].read_bytes())
    model = tiny_model(tree, seed=3)
    found = find_similar(predict(model, catalogue, out=tmp_path / "out", draws=2), "g005")
    assert found["id"][0] == "g011"
    assert found["similarity"][0] == pytest.approx(1, abs=2e-3)


def test_the_index_is_kept_and_made_anew_for_another_run(stored, tree, galaxies, tmp_path):
    find_similar(stored, "g004")
    index = stored.folder / "similar.parquet"
    before = index.stat().st_mtime_ns
    find_similar(stored, "g005")
    assert index.stat().st_mtime_ns == before
    other = write_predictions(tiny_model(tree, seed=4), galaxies(30), tmp_path / "other", config=PARTS)
    (other.folder / "similar.parquet").write_bytes(index.read_bytes())
    anew, kept = (find_similar(run, "g004", n=29)["similarity"].tolist() for run in (other, stored))
    assert anew != kept


def test_what_cannot_be_compared_is_told(stored, tree, galaxies, tmp_path):
    with pytest.raises(PosteriorError, match=r"has no galaxy 'x004'\. Did you mean 'g004'"):
        find_similar(stored, "x004")
    with pytest.raises(PosteriorError, match="no galaxy was named"):
        find_similar(stored, [])
    model = tiny_model(tree, seed=3)
    with pytest.raises(PosteriorError, match="at least 2 are needed"):
        find_similar(predict(model, galaxies(1), out=tmp_path / "one", draws=2), "g000")
    with pytest.raises(PosteriorError, match="--keep embeddings"):
        find_similar(predict(model, galaxies(3), out=tmp_path / "summed", draws=2, keep="summaries"), "g000")
