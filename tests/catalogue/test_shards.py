from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import zooactive.catalogue.shards
from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.many_images import decode_many
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.tree import DecisionTree, Question

SMALL = Preprocessing(size=16, crop=0.8)


@pytest.fixture
def catalogue(tree: DecisionTree, draw_votes, write_pictures) -> Catalogue:
    ids = [f"J{i:02d}" for i in range(25)]
    folder = write_pictures(ids)
    table = pd.DataFrame({"ra": np.linspace(0, 200, 25), "name": [None, *"abcdefghijklmnopqrstuvwx"], "n": range(25)})
    images = tuple(folder / f"{galaxy_id}.jpg" for galaxy_id in ids)
    return Catalogue(np.array(ids, dtype=object), images, draw_votes(25), tree, table, "memory", min_votes=12)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_shards_read_back_are_the_same_catalogue(catalogue: Catalogue, tmp_path: Path) -> None:
    result = write_shards(catalogue, tmp_path / "shards", SMALL, rows_per_shard=10)
    assert (result.shards, result.galaxies, len(result.failures)) == (3, 25, 0)
    assert sorted(contents(result.folder)) == ["failures.parquet", *(f"part-0000{i}.parquet" for i in range(3))]
    back = read_catalogue(result.folder)
    assert back.ids.tolist() == catalogue.ids.tolist()
    assert np.array_equal(back.votes, catalogue.votes)
    assert back.tree == catalogue.tree
    assert back.min_votes == 12
    assert back.prepared == SMALL
    assert back.table["n"].tolist() == list(range(25))
    assert back.table["name"].isna().tolist() == [True] + [False] * 24


def test_prepared_pixels_are_read_back_unchanged(catalogue: Catalogue, tmp_path: Path) -> None:
    write_shards(catalogue, tmp_path / "shards", SMALL)
    back = read_catalogue(tmp_path / "shards")
    live, _ = decode_many(catalogue.images, SMALL, names=catalogue.ids)
    stored, failures = decode_many(back.images, back.decoding_for(SMALL), names=back.ids)
    assert not failures
    assert np.array_equal(stored, live)


def test_without_preprocessing_the_very_bytes_are_kept(catalogue: Catalogue, tmp_path: Path) -> None:
    write_shards(catalogue, tmp_path / "shards")
    back = read_catalogue(tmp_path / "shards")
    assert back.prepared is None
    assert back.in_memory().images == tuple(path.read_bytes() for path in catalogue.images)
    again = write_shards(back, tmp_path / "again")
    assert again.galaxies == 25
    assert read_catalogue(again.folder).in_memory().images == back.in_memory().images


def test_shards_are_plain_parquet_with_one_column_an_answer(catalogue: Catalogue, tmp_path: Path) -> None:
    write_shards(catalogue, tmp_path / "shards", SMALL)
    frame = pd.read_parquet(tmp_path / "shards" / "part-00000.parquet")
    assert list(frame.columns) == ["id", "image", *catalogue.tree.columns, "ra", "name", "n"]
    assert set(frame["image"][0]) == {"bytes", "path"}
    assert frame["image"][0]["path"] == "J00.png"


def test_fractions_and_labels_come_back_as_the_counts_that_they_were_read_as(write_pictures, tmp_path: Path) -> None:
    folder = write_pictures(["a", "b"])
    odd = Question("odd", ["yes", "no"], ["q_x"], scaled_by=["q_x"])
    tree = DecisionTree("t", [Question("q", ["x", "y"]), odd], votes="cumulative", volunteers=40)
    frame = pd.DataFrame({"id": ["a", "b"], "q_x": [0.5, 1], "q_y": [0.5, 0], "odd_yes": [0.5, 0], "odd_no": [0.5, 1]})
    frame.to_csv(tmp_path / "g.csv", index=False)
    catalogue = read_catalogue(tmp_path / "g.csv", tree=tree, images=folder)
    write_shards(catalogue, tmp_path / "shards", SMALL)
    back = read_catalogue(tmp_path / "shards", tree=tree)
    assert back.votes.tolist() == [[20, 20, 10, 10], [40, 0, 0, 40]]
    assert back.tree == tree
    with pytest.raises(CatalogueError, match="hold votes of tree 't', not of 'rings'"):
        read_catalogue(tmp_path / "shards", tree="rings")


def test_a_pool_without_votes_can_be_packed(catalogue: Catalogue, tmp_path: Path) -> None:
    write_shards(catalogue.without_votes(), tmp_path / "shards", SMALL)
    back = read_catalogue(tmp_path / "shards")
    assert back.votes is None
    assert back.tree is None
    assert list(back.table.columns) == ["ra", "name", "n"]


def test_unreadable_images_are_listed_and_left_out(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.images[3].write_bytes(b"")
    catalogue.images[12].unlink()
    images = list(catalogue.images)
    images[20] = None
    broken = replace(catalogue, images=tuple(images))
    result = write_shards(broken, tmp_path / "shards", SMALL, rows_per_shard=10)
    assert result.galaxies == 22
    assert result.failures["id"].tolist() == ["J03", "J12", "J20"]
    assert result.failures["path"].tolist() == [str(images[3]), str(images[12]), ""]
    assert "does not exist" in result.failures["reason"][1]
    assert pd.read_parquet(tmp_path / "shards" / "failures.parquet").equals(result.failures)
    back = read_catalogue(tmp_path / "shards")
    assert back.ids.tolist() == [i for i in catalogue.ids if i not in ("J03", "J12", "J20")]
    assert np.array_equal(back.votes, catalogue.select(back.ids).votes)
    with pytest.raises(ImageError, match="3 images cannot be read, more than the 2 allowed"):
        write_shards(broken, tmp_path / "other", SMALL, max_failures=2)


def test_no_readable_image_at_all_is_an_error(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="none of the 25 images can be read"):
        write_shards(replace(catalogue, images=(None,) * 25), tmp_path / "shards", SMALL)


def test_an_interrupted_run_is_finished_by_the_same_command_byte_by_byte(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.images[3].write_bytes(b"broken")
    write_shards(catalogue, tmp_path / "whole", SMALL, rows_per_shard=10)

    def interrupt(done: int) -> None:
        if done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(catalogue, tmp_path / "halves", SMALL, rows_per_shard=10, progress=interrupt)
    with pytest.raises(CatalogueError, match="holds 1 of 3 shards"):
        read_catalogue(tmp_path / "halves")
    packed = []
    original = zooactive.catalogue.shards._packed
    monkeypatch.setattr(zooactive.catalogue.shards, "_packed", lambda *args: (packed.append(args[2]), original(*args))[1])
    done: list[int] = []
    result = write_shards(catalogue, tmp_path / "halves", SMALL, rows_per_shard=10, progress=done.append)
    assert done == [10, 20, 25]
    assert sorted(packed) == ["J03", *(f"J{i:02d}" for i in range(10, 25))], "the damaged one is looked at again"
    assert result.failures["id"].tolist() == ["J03"]
    assert contents(tmp_path / "halves") == contents(tmp_path / "whole")


def test_a_folder_of_another_catalogue_or_other_settings_is_left_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    write_shards(catalogue, tmp_path / "shards", SMALL)
    before = contents(tmp_path / "shards")
    votes = catalogue.votes.copy()
    votes[0, 0] += 1
    others = [
        (replace(catalogue, votes=votes), SMALL, {}),
        (catalogue.take(range(24)), SMALL, {}),
        (replace(catalogue, table=catalogue.table.assign(n=0)), SMALL, {}),
        (replace(catalogue, min_votes=30), SMALL, {}),
        (catalogue, Preprocessing(size=24), {}),
        (catalogue, None, {}),
        (catalogue, SMALL, {"rows_per_shard": 100}),
    ]
    for other, preprocessing, options in others:
        with pytest.raises(
            CatalogueError, match="shards of another catalogue, or shards made with other settings; choose another"
        ):
            write_shards(other, tmp_path / "shards", preprocessing, **options)
    assert contents(tmp_path / "shards") == before
    Image.new("RGB", (30, 30)).save(catalogue.images[0])
    with pytest.raises(CatalogueError, match=r"other images: some images of part-00000\.parquet"):
        write_shards(catalogue, tmp_path / "shards", SMALL)


def test_a_damaged_part_is_named(catalogue: Catalogue, tmp_path: Path) -> None:
    write_shards(catalogue, tmp_path / "shards", SMALL)
    part = tmp_path / "shards" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(CatalogueError, match=r"part-00000.parquet is not a Parquet file .* remove it and run again"):
        write_shards(catalogue, tmp_path / "shards", SMALL)
    with pytest.raises(CatalogueError, match="cannot be read as a table"):
        read_catalogue(tmp_path / "shards")


@pytest.mark.parametrize("rows", [[], [0, 1], [*range(8), 0]], ids=["none", "fewer", "more"])
def test_a_part_that_lacks_rows_is_named_and_made_again(catalogue: Catalogue, tmp_path: Path, rows: list[int]) -> None:
    write_shards(catalogue, tmp_path / "shards", SMALL, rows_per_shard=8)
    part = tmp_path / "shards" / "part-00001.parquet"
    pq.write_table(pq.read_table(part).take(pa.array(rows, pa.int64())), part)
    said = rf"part-00001\.parquet is damaged: it has {len(rows)} galaxies of 8; delete it"
    with pytest.raises(CatalogueError, match=said):
        read_catalogue(tmp_path / "shards")
    part.unlink()
    write_shards(catalogue, tmp_path / "shards", SMALL, rows_per_shard=8)
    assert list(read_catalogue(tmp_path / "shards").ids) == list(catalogue.ids)


def test_shards_of_other_pixels_cannot_be_packed_again(catalogue: Catalogue, tmp_path: Path) -> None:
    write_shards(catalogue, tmp_path / "shards", SMALL)
    back = read_catalogue(tmp_path / "shards")
    with pytest.raises(CatalogueError, match="pack them again"):
        write_shards(back, tmp_path / "other", Preprocessing(size=24))
    same = write_shards(back, tmp_path / "same", SMALL)
    assert read_catalogue(same.folder).in_memory().images == back.in_memory().images


def test_columns_that_parquet_cannot_hold_and_empty_catalogues_are_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    mixed = pd.DataFrame({"n": pd.Series([1, "a", *[None] * 23], dtype=object)})
    with pytest.raises(CatalogueError, match=r"Parquet cannot hold a column of the table: .*n"):
        write_shards(replace(catalogue, table=mixed), tmp_path / "shards", SMALL)
    with pytest.raises(CatalogueError, match="no galaxies to write"):
        write_shards(catalogue.take([]), tmp_path / "shards", SMALL)
    with pytest.raises(CatalogueError, match="rows_per_shard = 0"):
        write_shards(catalogue, tmp_path / "shards", SMALL, rows_per_shard=0)
