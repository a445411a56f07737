from __future__ import annotations

import datetime
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tiny_network import tiny_model, tiny_network

from zooactive.acquisition import one_vote_information
from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import CatalogueError, ImageError, PosteriorError
from zooactive.foundation.writing import this_host
from zooactive.models import GalaxyModel
from zooactive.models.features import embed
from zooactive.prediction import PredictionConfig, open_predictions, predict, predict_chunks
from zooactive.prediction.part_files import columns_of
from zooactive.prediction.parts import own_columns
from zooactive.prediction.runs import write_predictions

PARTS = PredictionConfig(draws=4, batch_size=4, rows_per_part=5)


@pytest.fixture(scope="module")
def models() -> dict[str, GalaxyModel]:
    return {}


@pytest.fixture
def model(tree, models) -> GalaxyModel:
    """One model for the whole module: nothing here changes it."""
    if "small" not in models:
        models["small"] = tiny_model(tree, seed=3)
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


def test_a_report_reads_a_few_galaxies_of_a_large_pool(model, galaxies, tmp_path):
    catalogue = galaxies(12)
    stored = write_predictions(model, catalogue, tmp_path, config=PARTS)
    table, ids = stored.table().set_index("id"), catalogue.ids.tolist()
    best = stored.most_told(7)
    assert best["id"].tolist() == table["one_vote_information"].nlargest(7).index.tolist()
    assert best["score"].is_monotonic_decreasing
    means = stored.means_of([ids[9], ids[2], "elsewhere"]).set_index("id")
    assert means.index.tolist() == [ids[2], ids[9]]
    assert means.equals(table.loc[[ids[2], ids[9]], means.columns])
    whole, embeddings = stored.embeddings_of(ids)
    names, few = stored.embeddings_spread(4, with_ids=[ids[1]])
    assert names == [
        ids[row] for row in (0, 1, 3, 5, 8, 10)
    ]  # every third of each part of 5, 5 and 2, and the one asked for
    assert np.array_equal(few, embeddings[[whole.index(name) for name in names]])
    first_and_last, _ = stored.embeddings_spread(12, with_ids=[ids[6]], most_parts=2)
    assert first_and_last == [*ids[:5], *ids[10:]]  # the part in the middle is not read


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


def test_the_number_of_galaxies_that_are_summed_up_at_a_time_changes_no_byte(model, galaxies, tmp_path, monkeypatch):
    catalogue = galaxies(7)
    for number in (2, 1000):
        monkeypatch.setattr("zooactive.prediction.parts._SUMMED_UP", number)
        write_predictions(model, catalogue, tmp_path / str(number), config=PARTS)
    for part in sorted((tmp_path / "1000").glob("*.parquet")):
        assert part.read_bytes() == (tmp_path / "2" / part.name).read_bytes()


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
    with pytest.raises(PosteriorError, match=r"with another seed \(0 then, 1 now\)"):
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


@pytest.mark.parametrize(
    ("keep", "has"),
    [
        ("means", {"low": False, "embedding": False, "concentrations": False}),
        ("summaries", {"low": True, "embedding": False, "concentrations": False}),
        ("embeddings", {"low": True, "embedding": True, "concentrations": False}),
        ("draws", {"low": True, "embedding": True, "concentrations": True}),
    ],
)
def test_less_or_more_is_kept_on_request(model, galaxies, tmp_path, keep, has):
    catalogue = galaxies(7)
    live = predict(model, catalogue, draws=4, batch_size=4)
    stored = predict(model, catalogue, out=tmp_path, draws=4, batch_size=4, keep=keep)
    rows = pd.read_parquet(stored.parts[0])
    first = model.tree.columns[0]
    assert {"low": f"{first}_low" in rows, **{name: name in rows for name in ("embedding", "concentrations")}} == has
    assert np.allclose(rows[list(model.tree.columns)], live.mean(), atol=1e-6)
    (screening,) = stored.screenings("one_vote", artifacts=False)
    assert screening.scores == pytest.approx(one_vote_information(live))
    if has["concentrations"]:
        draws = np.stack(rows["concentrations"]).reshape(7, 4, -1)
        assert np.array_equal(np.moveaxis(draws, 1, 0), live.concentrations)
        assert "concentrations" not in stored.table()
    if has["embedding"]:
        assert np.array_equal(stored.posterior().concentrations, live.concentrations)
    else:
        with pytest.raises(PosteriorError, match="--keep embeddings"):
            stored.posterior()
        with pytest.raises(PosteriorError, match="--keep embeddings"):
            list(stored.posteriors(["g003"]))
    with pytest.raises(PosteriorError, match=r"keep = 'mean' is unknown\. Did you mean 'means'"):
        predict(model, catalogue, out=tmp_path, keep="mean")


def test_a_hopeless_run_stops_and_keeps_what_it_finished(model, galaxies, tmp_path):
    catalogue = galaxies(12)
    for row in (6, 8, 9):
        catalogue.images[row].write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"2 of the first 9 images .*more than the 1 allowed, such as: .*g006"):
        write_predictions(model, catalogue, tmp_path / "out", config=PARTS, max_failures=1)
    assert [part.name for part in (tmp_path / "out").glob("part-*")] == ["part-00000.parquet"]
    stored = write_predictions(model, catalogue, tmp_path / "out", config=PARTS, max_failures=3)
    assert list(stored.failures()["id"]) == ["g006", "g008", "g009"]
    with pytest.raises(ImageError, match=r"3 of the first 10 images"):  # the parts that are there count as well
        write_predictions(model, catalogue, tmp_path / "out", config=PARTS, max_failures=2)
    for image in catalogue.images:
        image.write_bytes(b"")
    with pytest.raises(ImageError, match="none of the 12 images can be read"):
        write_predictions(model, catalogue, tmp_path / "nothing", config=PARTS)


def test_what_a_killed_run_left_half_written_is_cleared_and_what_a_living_one_writes_is_not(model, galaxies, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead = tmp_path / f".part-{this_host()}-{ended.stdout.strip()}-01234567-part-00001.parquet"
    alive = tmp_path / f".part-{this_host()}-{os.getppid()}-01234567-part-00001.parquet"
    for file in (dead, alive):
        file.write_bytes(b"PAR1")
    write_predictions(model, galaxies(6), tmp_path, config=PARTS)
    assert (dead.exists(), alive.exists()) == (False, True)
    assert len(open_predictions(tmp_path).parts) == 2


def test_a_new_head_speaks_of_stored_embeddings_without_pixels(model, galaxies, tmp_path):
    catalogue = galaxies(9)
    stored = predict(model, catalogue, out=tmp_path / "out", draws=4)
    other = model.with_tree("rings")
    other.head.kernel.assign(np.random.default_rng(0).normal(size=other.head.kernel.shape))
    live = predict(other, catalogue, draws=6, seed=2)
    for image in catalogue.images:
        image.unlink()
    redrawn = stored.redraw(other, draws=6, seed=2)
    assert redrawn.tree.name == "rings"
    assert np.array_equal(redrawn.posterior().concentrations, live.concentrations)
    screens = np.concatenate([screen.scores for screen in redrawn.screenings("mutual_information", artifacts=False)])
    assert np.array_equal(screens, one_vote_information(live))
    assert np.array_equal(predict(other, stored, draws=6, seed=2).concentrations, live.concentrations)
    other.encoder.set_weights([weight + 1 for weight in other.encoder.get_weights()])
    with pytest.raises(PosteriorError, match="another encoder"):
        stored.redraw(other)
    with pytest.raises(PosteriorError, match="another encoder"):
        predict(other, stored)


def test_predictions_of_a_new_task_are_written_from_stored_embeddings_as_from_pixels(model, galaxies, tmp_path):
    catalogue = galaxies(12)
    catalogue.images[6].write_bytes(b"no image")
    other = model.with_tree("rings")
    stored = write_predictions(model, catalogue, tmp_path / "first", config=PARTS)
    from_pixels = write_predictions(other, catalogue, tmp_path / "pixels", config=PARTS)
    for image in catalogue.images:
        image.unlink()
    known = stored.catalogue()
    assert list(known.ids) == [*catalogue.ids[:6], *catalogue.ids[7:10], "g006", *catalogue.ids[10:]]
    redrawn = write_predictions(other, known, tmp_path / "redrawn", config=PARTS, stored=stored)
    assert redrawn.table().equals(from_pixels.table())
    assert redrawn.failures().equals(from_pixels.failures())
    assert np.array_equal(redrawn.posterior().concentrations, from_pixels.posterior().concentrations)
    again = predict(other, stored, out=tmp_path / "again", draws=4)
    assert np.array_equal(again.posterior().concentrations, from_pixels.posterior().concentrations)
    summed = predict(model, galaxies(3), out=tmp_path / "summed", draws=4, keep="summaries")
    with pytest.raises(PosteriorError, match="--keep embeddings"):
        predict(other, summed, out=tmp_path / "nothing", draws=4)


def test_a_model_travels_to_another_process(model, galaxies):
    catalogue = galaxies(3)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.fingerprint() == model.fingerprint()
    assert np.array_equal(predict(copy, catalogue).concentrations, predict(model, catalogue).concentrations)


def test_posteriors_come_batch_by_batch_for_a_loop_of_ones_own(model, galaxies):
    catalogue = galaxies(10)
    whole = predict(model, catalogue, draws=3, batch_size=4)
    chunks = list(predict_chunks(model, catalogue, draws=3, batch_size=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert np.array_equal(np.concatenate([chunk.concentrations for chunk in chunks], axis=1), whole.concentrations)
    for row in (1, 8, 9):
        catalogue.images[row].write_bytes(b"")
    with pytest.raises(ImageError, match="'g001' is empty"):
        list(predict_chunks(model, catalogue, draws=3, batch_size=4))
    failures: dict[str, str] = {}
    chunks = list(predict_chunks(model, catalogue, draws=3, batch_size=4, failures=failures))
    assert [len(chunk) for chunk in chunks] == [3, 4]
    assert list(failures) == ["g001", "g008", "g009"]


def test_scales_are_averaged_over_crops_of_their_widths(tree, galaxies):
    catalogue, crop, scales = galaxies(6), 0.6, (0.8, 1.25)
    model = GalaxyModel(tree, backbone=tiny_network(), preprocessing=Preprocessing(size=16, crop=crop, scales=scales))
    parts = []
    for scale in scales:
        one = model.with_tree(tree, preprocessing=Preprocessing(size=16, crop=crop * scale))
        parts.append(embed(one, catalogue)[0].astype(np.float64))
    assert np.abs(parts[0] - parts[1]).max() > 0.01
    np.testing.assert_allclose(embed(model, catalogue)[0], np.mean(parts, axis=0), atol=2e-3)


@pytest.mark.parametrize("keep", ["means", "summaries", "embeddings", "draws"])
def test_the_columns_that_predictions_have_of_their_own_are_known(model, galaxies, tmp_path, keep):
    catalogue = galaxies(3)
    stored = write_predictions(model, catalogue, tmp_path, config=replace(PARTS, keep=keep))
    columns = set(columns_of(stored.parts[0])) - {*catalogue.table.columns}
    assert columns <= own_columns(model.tree)
    assert keep != "draws" or columns == own_columns(model.tree)


@pytest.mark.parametrize("keep", ["means", "embeddings", "draws"])
def test_a_column_that_is_called_as_one_of_the_predictions_keeps_its_cells_under_another_name(
    model, galaxies, tmp_path, keep
):
    names = ["embedding", "concentrations", "one_vote_information", "bar_weak", "asked_bar", "bar_no_low"]
    catalogue = galaxies(7)
    plain = write_predictions(model, catalogue, tmp_path / "plain", config=replace(PARTS, keep=keep))
    table = catalogue.table.assign(**{name: np.arange(7) + i for i, name in enumerate(names)})
    stored = write_predictions(model, replace(catalogue, table=table), tmp_path / "own", config=replace(PARTS, keep=keep))
    assert stored.table().drop(columns=[f"original_{name}" for name in names]).equals(plain.table())
    for i, name in enumerate(names):
        assert stored.table()[f"original_{name}"].tolist() == list(range(i, i + 7))
        assert stored.catalogue().table[f"original_{name}"].tolist() == list(range(i, i + 7))
        twice = replace(catalogue, table=catalogue.table.assign(**{name: 0, f"original_{name}": 1}))
        with pytest.raises(CatalogueError, match=f"has both '{name}' and 'original_{name}'; rename"):
            write_predictions(model, twice, tmp_path / "twice", config=PARTS)
    assert not (tmp_path / "twice").exists()
    if keep != "means":
        assert np.array_equal(stored.posterior().concentrations, plain.posterior().concentrations)


def test_columns_that_go_along_are_of_one_kind_in_all_parts_and_what_parquet_cannot_hold_is_refused_at_once(
    model, galaxies, tmp_path
):
    catalogue = galaxies(11)
    gaps = np.arange(11) < 5  # the first part has nothing in them, the others everything
    table = catalogue.table.assign(
        flag=pd.array([pd.NA if gap else True for gap in gaps], dtype="boolean"),
        number=pd.array([pd.NA if gap else 1 << 60 for gap in gaps], dtype="Int64"),
        word=[None if gap else "x" for gap in gaps],
        day=[None if gap else datetime.date(2024, 5, 1) for gap in gaps],
        price=[None if gap else Decimal("1.50") for gap in gaps],
        pair=[None if gap else {"a": 1} for gap in gaps],
    )
    stored = write_predictions(model, replace(catalogue, table=table), tmp_path / "out", config=PARTS)
    schemas = [pq.read_schema(part).remove_metadata() for part in stored.parts]
    assert schemas[1:] == schemas[:1] * (len(schemas) - 1)
    found = stored.table()
    for name in ("flag", "number", "word", "day", "price", "pair"):
        assert found[name].isna().tolist() == gaps.tolist()
        assert found[name][10] == table[name][10]
    mixed = replace(catalogue, table=catalogue.table.assign(mixed=[1, "a", *range(9)]))
    with pytest.raises(CatalogueError, match=r"Parquet cannot hold a column of the table.*mixed"):
        write_predictions(model, mixed, tmp_path / "mixed", config=PARTS)
    assert not (tmp_path / "mixed").exists()
