from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zooactive.acquisition import one_vote_information
from zooactive.catalogue import read_catalogue
from zooactive.errors import CatalogueError, ImageError, PosteriorError
from zooactive.images import Preprocessing
from zooactive.models import GalaxyModel
from zooactive.prediction import open_predictions, predict
from zooactive.prediction.parts import PredictionConfig
from zooactive.prediction.runs import write_predictions
from zooactive.shards import write_shards

PARTS = PredictionConfig(draws=4, batch_size=4, rows_per_part=5)


@pytest.fixture(scope="module")
def models() -> dict[str, GalaxyModel]:
    return {}


@pytest.fixture
def model(tree, models) -> GalaxyModel:
    """One model for the whole module: nothing here changes it."""
    if "small" not in models:
        models["small"] = GalaxyModel(tree, backbone="small_cnn", image_size=16, seed=3)
    return models["small"]


def test_a_galaxys_posterior_does_not_depend_on_its_neighbours_or_its_place(model, galaxies):
    catalogue = galaxies(11)
    whole = predict(model, catalogue, draws=3, batch_size=4)
    shuffled = catalogue.take(np.random.default_rng(0).permutation(11))
    again = predict(model, shuffled, draws=3, batch_size=4).select(whole.ids)
    assert np.array_equal(whole.concentrations, again.concentrations)
    alone = predict(model, catalogue.take([7]), draws=3, batch_size=4)
    assert np.array_equal(whole.concentrations[:, [7]], alone.concentrations)


def test_another_batch_size_changes_no_more_than_rounding(model, galaxies):
    catalogue = galaxies(9)
    one, other = (predict(model, catalogue, draws=3, batch_size=size).concentrations for size in (2, 7))
    assert np.allclose(one, other, rtol=0.01)


def test_draws_differ_and_the_first_ones_do_not_depend_on_how_many_there_are(model, galaxies):
    catalogue = galaxies(4)
    few, many = (predict(model, catalogue, draws=draws).concentrations for draws in (2, 8))
    assert np.array_equal(few, many[:2])
    assert not np.array_equal(many[0], many[1])
    assert not np.array_equal(many, predict(model, catalogue, draws=8, seed=1).concentrations)


def test_stored_predictions_are_those_of_memory(model, galaxies, tmp_path):
    catalogue = galaxies(12)
    stored = write_predictions(model, catalogue, tmp_path, config=PARTS)
    live = predict(model, catalogue, draws=4, batch_size=4)
    assert len(stored.parts) == 3
    assert np.array_equal(stored.posterior().concentrations, live.concentrations)
    table = stored.table()
    assert list(table["id"]) == list(catalogue.ids)
    assert np.allclose(table[list(live.tree.columns)], live.mean(), atol=1e-6)
    assert np.allclose(table["one_vote_information"], one_vote_information(live), atol=1e-12)
    assert np.allclose(table["mag_r"], catalogue.table["mag_r"])


def test_an_interrupted_run_is_finished_by_the_same_call_to_the_same_bytes(model, galaxies, tmp_path):
    catalogue = galaxies(12)

    def stopped(done: int) -> None:
        if done >= 7:
            raise KeyboardInterrupt

    write_predictions(model, catalogue, tmp_path / "whole", config=PARTS)
    with pytest.raises(KeyboardInterrupt):
        write_predictions(model, catalogue, tmp_path / "stopped", config=PARTS, progress=stopped)
    with pytest.raises(PosteriorError, match="unfinished"):
        open_predictions(tmp_path / "stopped")
    write_predictions(model, catalogue, tmp_path / "stopped", config=PARTS)
    for part in sorted((tmp_path / "whole").glob("*.parquet")):
        assert part.read_bytes() == (tmp_path / "stopped" / part.name).read_bytes()


def test_unreadable_images_are_listed_and_the_others_predicted(model, galaxies, tmp_path):
    catalogue = galaxies(12)
    catalogue.images[3].write_bytes(b"no image")
    catalogue.images[8].unlink()
    stored = write_predictions(model, catalogue, tmp_path / "out", config=PARTS)
    failures = stored.failures()
    assert list(failures["id"]) == ["g003", "g008"]
    assert failures["reason"].str.len().min() > 10
    assert set(stored.posterior().ids) == set(catalogue.ids) - {"g003", "g008"}
    with pytest.raises(ImageError, match="2 of 12 images"):
        predict(model, catalogue)


def test_a_folder_with_predictions_of_something_else_is_refused(model, galaxies, tmp_path):
    write_predictions(model, galaxies(6), tmp_path, config=PARTS)
    with pytest.raises(PosteriorError, match="another model, catalogue, seed or kind of draws"):
        write_predictions(model, galaxies(6), tmp_path, config=replace(PARTS, seed=1))


def test_the_files_say_how_they_were_made(model, galaxies, tmp_path):
    import pyarrow.parquet as pq

    stored = write_predictions(model, galaxies(6), tmp_path, config=PARTS)
    about = json.loads(pq.read_schema(stored.parts[0]).metadata[b"zooactive"])
    assert (about["draws"], about["seed"], about["model"]) == (4, 0, model.fingerprint())
    assert json.loads((tmp_path / "how.json").read_text())["options"]["draws"] == 4
    assert pd.read_parquet(stored.parts[0])["embedding"].iloc[0].dtype == np.float16


def test_images_packed_at_the_models_size_give_the_same_posterior_and_others_are_refused(model, galaxies, tmp_path):
    catalogue = galaxies(6)
    write_shards(catalogue, tmp_path / "fitting", Preprocessing(size=16))
    packed = predict(model, read_catalogue(tmp_path / "fitting"), draws=2)
    assert np.array_equal(packed.concentrations, predict(model, catalogue, draws=2).concentrations)
    write_shards(catalogue, tmp_path / "other", Preprocessing(size=32))
    with pytest.raises(CatalogueError, match="was packed as"):
        predict(model, tmp_path / "other", draws=2)
