"""A second run into a folder of predictions: finished, refused with what is other, or told that nobody can tell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_network import tiny_model

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import PosteriorError
from zooactive.models import GalaxyModel
from zooactive.prediction import PredictionConfig, Predictions, open_predictions
from zooactive.prediction.runs import write_predictions

PARTS = PredictionConfig(draws=2, batch_size=4, rows_per_part=5)


@pytest.fixture(scope="module")
def kept() -> dict[str, GalaxyModel]:
    return {}


@pytest.fixture
def model(tree, kept) -> GalaxyModel:
    """One model for the whole module: nothing here changes it."""
    if not kept:
        kept["small"] = tiny_model(tree, seed=3)
    return kept["small"]


@pytest.fixture
def run(model, tmp_path):
    """Predict into one folder, again and again."""

    def again(catalogue: Catalogue, **options) -> Predictions:
        return write_predictions(options.pop("model", model), catalogue, tmp_path / "out", config=PARTS, **options)

    return again


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("content", ["", "{}", "not json"])
def test_another_model_is_not_predicted_into_a_folder_whose_journal_is_damaged(run, galaxies, tree, tmp_path, content):
    catalogue = galaxies(6)
    run(catalogue)
    (tmp_path / "out" / "journal.json").write_text(content)
    before = files_of(tmp_path / "out")
    with pytest.raises(PosteriorError, match=r"journal\.json is damaged"):
        run(catalogue, model=tiny_model(tree, seed=4))
    with pytest.raises(PosteriorError, match=r"journal\.json is damaged"):
        open_predictions(tmp_path / "out")
    assert files_of(tmp_path / "out") == before


def test_a_stray_part_is_not_counted_among_the_galaxies(run, galaxies, tmp_path):
    stored = run(galaxies(10))
    assert len(stored) == 10
    shutil.copy(tmp_path / "out" / "part-00001.parquet", tmp_path / "out" / "part-00002.parquet")
    with pytest.raises(PosteriorError, match=r"part-00002\.parquet is no part of the run"):
        len(open_predictions(tmp_path / "out"))
    with pytest.raises(PosteriorError, match=r"part-00002\.parquet is no part of the run"):
        run(galaxies(10))
    (tmp_path / "out" / "part-00002.parquet").unlink()
    shutil.copy(tmp_path / "out" / "part-00000.parquet", tmp_path / "out" / "part-00001.parquet")
    with pytest.raises(PosteriorError, match=r"part-00001\.parquet is no part of the run"):
        len(open_predictions(tmp_path / "out"))


def test_a_part_that_was_deleted_is_missed_and_made_again(run, galaxies, tmp_path):
    run(galaxies(10))
    whole = files_of(tmp_path / "out")
    (tmp_path / "out" / "part-00000.parquet").unlink()
    with pytest.raises(PosteriorError, match=r"lacks part-00000\.parquet; run the same predict command again"):
        len(open_predictions(tmp_path / "out"))
    run(galaxies(10))
    assert files_of(tmp_path / "out") == whole


def test_predictions_of_a_newer_version_are_refused_as_such(run, galaxies, tmp_path):
    run(galaxies(6))
    journal = tmp_path / "out" / "journal.json"
    journal.write_text(json.dumps(json.loads(journal.read_text()) | {"format": 99}))
    with pytest.raises(PosteriorError, match="has format 99, and this version"):
        run(galaxies(6))
    with pytest.raises(PosteriorError, match="install a newer zooactive"):
        open_predictions(tmp_path / "out")
