"""A second run into a folder of predictions: finished, refused with what is other, or told that nobody can tell."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import picture
from PIL import Image
from tiny_network import tiny_model

from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import ImageError, PosteriorError
from zooactive.models import GalaxyModel, load_model
from zooactive.prediction import PredictionConfig, Predictions, find_similar, open_predictions
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
    with pytest.raises(PosteriorError, match=r"part-00002\.parquet does not belong to the run"):
        len(open_predictions(tmp_path / "out"))
    with pytest.raises(PosteriorError, match=r"part-00002\.parquet does not belong to the run"):
        run(galaxies(10))
    (tmp_path / "out" / "part-00002.parquet").unlink()
    shutil.copy(tmp_path / "out" / "part-00000.parquet", tmp_path / "out" / "part-00001.parquet")
    with pytest.raises(PosteriorError, match=r"part-00001\.parquet does not belong to the run"):
        len(open_predictions(tmp_path / "out"))


@pytest.mark.parametrize("rows", [[], [0, 1, 2], [0, 1, 2, 3, 4, 0]], ids=["none", "fewer", "more"])
def test_a_part_with_other_rows_than_it_was_made_of_is_neither_served_nor_kept_as_whole(run, galaxies, tmp_path, rows):
    catalogue, part = galaxies(10), tmp_path / "out" / "part-00001.parquet"
    run(catalogue)
    pq.write_table(pq.read_table(part).take(pa.array(rows, pa.int64())), part)
    said = rf"part-00001\.parquet is damaged \(it has {len(rows)} galaxies of 5\); delete it and run the same predict"
    with pytest.raises(PosteriorError, match=said):
        len(open_predictions(tmp_path / "out"))
    with pytest.raises(PosteriorError, match=said):
        run(catalogue)
    part.unlink()
    assert len(run(catalogue)) == 10


def test_neighbours_are_looked_for_anew_when_a_part_was_made_again_of_other_images(run, galaxies, tmp_path):
    catalogue = galaxies(10)
    before = find_similar(run(catalogue), "g007", n=3)
    for row in range(5, 10):
        paint(catalogue.images[row], 60 + row)
    (tmp_path / "out" / "part-00001.parquet").unlink()
    after = find_similar(run(catalogue), "g007", n=3)
    (tmp_path / "out" / "similar.parquet").unlink()
    assert after.equals(find_similar(open_predictions(tmp_path / "out"), "g007", n=3))
    assert not after.equals(before)


def test_a_part_of_another_runs_images_is_refused_though_everything_else_is_the_same(run, galaxies, model, tmp_path):
    catalogue = galaxies(10)
    run(catalogue)
    painted = {row: catalogue.images[row].read_bytes() for row in range(10)}
    for row in range(10):
        paint(catalogue.images[row], 60 + row)
    write_predictions(model, catalogue, tmp_path / "other", config=PARTS)
    for row, content in painted.items():
        catalogue.images[row].write_bytes(content)
    shutil.rmtree(tmp_path / "out")
    run(catalogue)
    shutil.copy(tmp_path / "other" / "part-00001.parquet", tmp_path / "out" / "part-00001.parquet")
    with pytest.raises(PosteriorError, match="predictions of other images: 5 of 10, such as that of galaxy 'g005'"):
        run(catalogue)


def test_a_model_put_in_the_place_of_another_is_another_model_by_the_same_name(run, galaxies, tree, tmp_path):
    catalogue = galaxies(6)
    tiny_model(tree, seed=3).save(tmp_path / "model")
    run(catalogue, model=load_model(tmp_path / "model"))
    tiny_model(tree, seed=4).save(tmp_path / "model")
    with pytest.raises(PosteriorError, match="made with another model;"):
        run(catalogue, model=load_model(tmp_path / "model"))


@pytest.mark.parametrize("changed", ["answers", "questions", "stretch"])
def test_a_tree_in_another_order_or_images_seen_otherwise_are_another_model(run, galaxies, tree, changed):
    catalogue = galaxies(6)
    run(catalogue)
    first, *others = tree.questions
    if changed == "answers":
        first = replace(first, answers=first.answers[::-1])
    if changed == "questions":
        others = [*others[:-1][::-1], others[-1]]
    seen = tiny_model(tree, seed=3).preprocessing
    seen = replace(seen, stretch="linear") if changed == "stretch" else seen
    model = tiny_model(replace(tree, questions=(first, *others)), seed=3).with_tree(
        replace(tree, questions=(first, *others)), preprocessing=seen
    )
    with pytest.raises(PosteriorError, match="made with another model;"):
        run(catalogue.without_votes(), model=model)


def test_a_default_that_changed_is_another_setting_by_its_name(run, galaxies, model, tmp_path):
    catalogue = galaxies(6)
    run(catalogue)
    with pytest.raises(PosteriorError, match=r"another batch_size \(4 then, 5 now\)|another draws \(2 then, 3 now\)"):
        write_predictions(model, catalogue, tmp_path / "out", config=replace(PARTS, draws=3, batch_size=5))


def test_a_part_that_was_deleted_is_missed_and_made_again(run, galaxies, tmp_path):
    catalogue = galaxies(10)
    run(catalogue)
    whole = files_of(tmp_path / "out")
    (tmp_path / "out" / "part-00000.parquet").unlink()
    with pytest.raises(PosteriorError, match=r"lacks part-00000\.parquet; run the same predict command again"):
        len(open_predictions(tmp_path / "out"))
    run(catalogue)
    assert files_of(tmp_path / "out") == whole


def test_predictions_of_a_newer_version_are_refused_as_such(run, galaxies, tmp_path):
    run(galaxies(6))
    journal = tmp_path / "out" / "journal.json"
    journal.write_text(json.dumps(json.loads(journal.read_text()) | {"format": 99}))
    with pytest.raises(PosteriorError, match="has format 99, but this version"):
        run(galaxies(6))
    with pytest.raises(PosteriorError, match="install a newer zooactive"):
        open_predictions(tmp_path / "out")


# What went in is what is served ---------------------------------------------------------------------------------------


def paint(path: Path, number: int) -> None:
    Image.fromarray(picture(number, 16)).save(path)


def with_another_size(catalogue: Catalogue) -> Catalogue:
    paint(catalogue.images[7], 91)
    catalogue.images[7].write_bytes(catalogue.images[7].read_bytes() + b"\0")
    return catalogue


def with_the_same_size_and_name(catalogue: Catalogue) -> Catalogue:
    content = catalogue.images[7].read_bytes()
    catalogue.images[7].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(catalogue.images[7], ns=(0, catalogue.images[7].stat().st_mtime_ns + 1_000))
    return catalogue


def in_another_survey(catalogue: Catalogue) -> Catalogue:
    for number, image in enumerate(catalogue.images):
        image.with_suffix("").mkdir()
        paint(image.with_suffix("") / image.name, 50 + number)
    return replace(catalogue, images=tuple(image.with_suffix("") / image.name for image in catalogue.images))


def without_an_image(catalogue: Catalogue) -> Catalogue:
    catalogue.images[7].unlink()
    return catalogue


@pytest.mark.parametrize("changed", [with_another_size, with_the_same_size_and_name, in_another_survey, without_an_image])
@pytest.mark.parametrize("finished", [True, False])
def test_other_images_are_refused_by_name_and_never_served_the_old_numbers(run, galaxies, tmp_path, changed, finished):
    catalogue, journal = galaxies(12), tmp_path / "out" / "journal.json"
    run(catalogue)
    if not finished:
        (tmp_path / "out" / "part-00000.parquet").unlink()
        journal.write_text(
            json.dumps({key: value for key, value in json.loads(journal.read_text()).items() if key != "finished"})
        )
    before = files_of(tmp_path / "out")
    changed_catalogue = changed(catalogue)
    with pytest.raises(PosteriorError, match=r"predictions of other images: \d+ of 12, such as that of galaxy 'g00\d'"):
        run(changed_catalogue)
    assert files_of(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda table: table.assign(redshift=0.05), r"other columns \('redshift' is new\)"),
        (lambda table: table.drop(columns="mag_r"), r"other columns \('mag_r' is gone\)"),
        (lambda table: table.assign(mag_r=table["mag_r"] + 1e-9), "other values of column 'mag_r'"),
        (lambda table: table.assign(mag_r=table["mag_r"].astype(str)), "other values of column 'mag_r'"),
    ],
)
def test_other_columns_are_named(run, galaxies, changed, told):
    catalogue = galaxies(6)
    run(catalogue)
    with pytest.raises(PosteriorError, match=told):
        run(replace(catalogue, table=changed(catalogue.table)))


def test_other_galaxies_models_and_fields_are_named(run, galaxies, tree):
    catalogue = galaxies(6)
    run(catalogue)
    for other, told in (
        (catalogue.take(range(4)), "made with other galaxies or another order of them; "),
        (catalogue.take(range(6)[::-1]), "made with other galaxies or another order of them; "),
        (replace(catalogue, field_crops=np.full(6, 0.5)), "other fields of the images"),
    ):
        with pytest.raises(PosteriorError, match=told):
            run(other)
    with pytest.raises(PosteriorError, match="made with another model;"):
        run(catalogue, model=tiny_model(tree, seed=4))


def test_votes_that_came_in_do_not_make_it_another_run(run, galaxies, tree, tmp_path):
    catalogue = galaxies(6).without_votes()
    votes = pd.DataFrame(np.ones((6, len(tree.columns))), columns=list(tree.columns))
    first = replace(catalogue, table=pd.concat([catalogue.table, votes], axis=1))
    run(first)
    before = files_of(tmp_path / "out")
    run(replace(first, table=pd.concat([catalogue.table, votes + 5], axis=1)))
    assert files_of(tmp_path / "out") == before


@pytest.mark.parametrize("kind", ["bytes", "shards"])
def test_images_in_a_table_are_told_apart(run, galaxies, tmp_path, kind):
    catalogue = galaxies(6)

    def stored() -> Catalogue:
        if kind == "bytes":
            return replace(catalogue, images=tuple(image.read_bytes() for image in catalogue.images))
        shutil.rmtree(tmp_path / "shards", ignore_errors=True)
        write_shards(catalogue, tmp_path / "shards", Preprocessing(size=16))
        return read_catalogue(tmp_path / "shards")

    first = stored()
    run(first)
    before = files_of(tmp_path / "out")
    run(first)
    assert files_of(tmp_path / "out") == before
    paint(catalogue.images[2], 77)
    with pytest.raises(PosteriorError, match="predictions of other images"):
        run(stored())


def test_images_that_failed_are_tried_again_and_the_folder_is_then_as_if_they_never_had(run, galaxies, tmp_path):
    catalogue = galaxies(12)
    whole = write_predictions(tiny_model(catalogue.tree, seed=3), catalogue, tmp_path / "whole", config=PARTS)
    held = {row: tmp_path / f"held-{row}.png" for row in (1, 8, 9)}
    for row, place in held.items():
        catalogue.images[row].rename(place)
    assert len(run(catalogue).failures()) == 3
    with pytest.raises(PosteriorError, match="has no galaxy 'g008'"):
        find_similar(open_predictions(tmp_path / "out"), "g008")
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    for row in (8, 9):
        held[row].rename(catalogue.images[row])
    again = run(catalogue)
    assert list(again.failures()["id"]) == ["g001"]
    assert set(find_similar(again, "g008", n=20)["id"]) == set(catalogue.ids) - {"g001", "g008"}
    changed = {path.name for path in (tmp_path / "out").glob("part-*") if path.stat().st_mtime_ns != times[path.name]}
    assert changed == {"part-00001.parquet"}
    held[1].rename(catalogue.images[1])
    run(catalogue)
    (tmp_path / "out" / "similar.parquet").unlink()
    assert files_of(tmp_path / "out") == files_of(whole.folder)


def test_a_folder_of_images_that_was_misnamed_is_given_again(run, galaxies, tmp_path):
    catalogue = galaxies(6)
    nowhere = tuple(image.parent / "nowhere" / image.name for image in catalogue.images)
    with pytest.raises(ImageError, match="none of the 6 images can be read"):
        run(replace(catalogue, images=nowhere))
    assert len(run(catalogue)) == 6
    assert open_predictions(tmp_path / "out").failures().empty


def test_a_task_does_not_serve_what_it_said_of_other_embeddings(run, galaxies, model, tmp_path):
    catalogue, task = galaxies(6), model.with_tree("rings")

    def embeddings() -> Predictions:
        shutil.rmtree(tmp_path / "first", ignore_errors=True)
        return write_predictions(model, catalogue, tmp_path / "first", config=PARTS)

    first = embeddings()
    run(first.catalogue(), model=task, stored=first)
    before = files_of(tmp_path / "out")
    again = embeddings()
    run(again.catalogue(), model=task, stored=again)
    assert files_of(tmp_path / "out") == before
    paint(catalogue.images[2], 77)
    other = embeddings()
    with pytest.raises(PosteriorError, match="predictions of other images: 1 of 6, such as that of galaxy 'g002'"):
        run(other.catalogue(), model=task, stored=other)


def as_before_marks(folder: Path, model: GalaxyModel, catalogue: Catalogue) -> None:
    """Make a folder into one that a version without marks wrote."""
    from zooactive.foundation.metadata import about_of, with_about
    from zooactive.prediction.runs import _fingerprint_before

    old = {"fingerprint": _fingerprint_before(model, model.scaled(model.linear_head()), catalogue, PARTS)}
    journal = json.loads((folder / "journal.json").read_text()) | old
    gone = ("format", "parts", "marks", "head", "images", "part")
    (folder / "journal.json").write_text(json.dumps({key: value for key, value in journal.items() if key not in gone}))
    for part in folder.glob("part-*"):
        table = pq.read_table(part)
        about = {key: value for key, value in (about_of(table.schema) | old).items() if key not in gone}
        pq.write_table(with_about(table, about), part)


@pytest.mark.parametrize("left", [3, 2])
def test_a_folder_of_before_marks_is_kept_and_it_is_said_that_nobody_can_tell(run, galaxies, model, tmp_path, left):
    catalogue = galaxies(12)
    run(catalogue)
    as_before_marks(tmp_path / "out", model, catalogue)
    assert len(open_predictions(tmp_path / "out")) == 12
    for part in range(left, 3):
        (tmp_path / "out" / f"part-{part:05d}.parquet").unlink()
    kept = {name: content for name, content in files_of(tmp_path / "out").items() if name.startswith("part-")}
    with pytest.warns(UserWarning, match="begun before predictions kept marks .* existing parts are kept"):
        stored = run(catalogue)
    assert len(stored) == 12
    assert kept.items() <= files_of(tmp_path / "out").items()
    with pytest.raises(PosteriorError, match=r"other galaxies or another order|other galaxies or draws"):
        run(catalogue.take(range(6)))
