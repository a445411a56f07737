"""Images inside Parquet files stay there until they are looked at, and each row group is then read once."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooactive.catalogue import Preprocessing, images, many_images, read_catalogue, stored_images
from zooactive.catalogue.images import encode_png
from zooactive.foundation.errors import CatalogueError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
EXACT = Preprocessing(size=8)


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """Two files of ten images, in row groups of four."""
    for file, rows in (("a.parquet", range(10)), ("b.parquet", range(10, 20))):
        images = [{"bytes": encode_png(PIXELS[row]), "path": None} for row in rows]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({"id": [f"J{row}" for row in rows], "image": pa.array(images, kind), "z": [0.1] * 10})
        pq.write_table(table, tmp_path / file, row_group_size=4)
    return tmp_path


def test_any_order_gives_every_galaxy_its_own_image_and_reads_each_group_once(survey: Path, monkeypatch) -> None:
    catalogue = read_catalogue(survey)
    assert list(catalogue.table.columns) == ["z"]
    reads = []
    whole = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda file, group, **kw: reads.append(group) or whole(file, group, **kw)
    )
    order = np.random.default_rng(1).permutation(20)
    pixels, failures = catalogue.decode(EXACT, order)
    assert not failures
    np.testing.assert_array_equal(pixels, PIXELS[order])
    assert reads == [0, 1, 2, 0, 1, 2]
    assert catalogue.take(order).in_memory().images == tuple(encode_png(PIXELS[row]) for row in order)


def test_a_slow_thread_has_no_group_read_again(survey: Path, monkeypatch) -> None:
    catalogue, reads = read_catalogue(survey), []
    whole, decode = pq.ParquetFile.read_row_group, images.decode
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda file, group, **kw: reads.append(group) or whole(file, group, **kw)
    )

    def slow(source: images.ImageSource, *args, name: str, **kwargs) -> np.ndarray:
        time.sleep(0.2 if name == "J0" else 0)  # in the group that is the first to make room
        return decode(source, *args, name=name, **kwargs)

    monkeypatch.setattr(many_images, "decode", slow)
    pixels, failures = many_images.decode_many(catalogue.images, EXACT, names=list(catalogue.ids), workers=3)
    assert not failures
    np.testing.assert_array_equal(pixels, PIXELS)
    assert reads == [0, 1, 2, 0, 1, 2]


def test_a_group_that_cannot_be_read_stops_all_threads(survey: Path) -> None:
    catalogue = read_catalogue(survey)
    os.utime(survey / "b.parquet", ns=(1, 1))
    with pytest.raises(CatalogueError, match=r"b\.parquet has changed"):
        many_images.decode_many(catalogue.images, EXACT, names=list(catalogue.ids), workers=3)


def test_a_catalogue_travels_to_another_process(survey: Path) -> None:
    catalogue = pickle.loads(pickle.dumps(read_catalogue(survey)))
    np.testing.assert_array_equal(catalogue.decode(EXACT)[0], PIXELS)


def test_a_file_that_changed_meanwhile_or_vanished_is_an_error(survey: Path) -> None:
    catalogue = read_catalogue(survey)
    os.utime(survey / "a.parquet", ns=(1, 1))
    with pytest.raises(CatalogueError, match=r"a\.parquet has changed since its table was read"):
        catalogue.decode(EXACT)
    (survey / "b.parquet").unlink()
    with pytest.raises(CatalogueError, match=r"b\.parquet: its images cannot be read"):
        catalogue.decode(EXACT, range(10, 20))


def test_rows_with_a_path_alone_or_nothing_are_read_from_there(tmp_path: Path) -> None:
    (tmp_path / "2.png").write_bytes(encode_png(PIXELS[2]))
    images = [
        {"bytes": encode_png(PIXELS[0]), "path": "x"},
        {"bytes": None, "path": "/gone/2.png"},
        None,
        {"bytes": b"", "path": ""},
    ]
    pd.DataFrame({"id": list("abcd"), "image": images}).to_parquet(tmp_path / "mixed.parquet")
    pixels, failures = read_catalogue(tmp_path / "mixed.parquet").decode(EXACT)
    np.testing.assert_array_equal(pixels[:2], PIXELS[[0, 2]])
    assert "has no image" in failures[2]
    assert "is empty (0 bytes)" in failures[3]


def test_the_groups_kept_in_memory_are_few(survey: Path) -> None:
    stored_images._row_group.cache_clear()
    read_catalogue(survey).decode(EXACT)
    assert stored_images._row_group.cache_info().currsize == stored_images._GROUPS < 6
