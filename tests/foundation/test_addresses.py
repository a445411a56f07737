"""Images, tables and shards at addresses, here in fsspec's file system in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.addresses import address_of, from_folder
from zooactive.foundation.errors import CatalogueError

fsspec = pytest.importorskip("fsspec")
SMALL = Preprocessing(size=16)


@pytest.fixture
def survey(tmp_path, write_pictures, monkeypatch):
    """Four pictures at memory://survey/images, a table beside them, and a cache of one's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ids = ["J0", "J1", "J2", "J3"]
    local = write_pictures(ids)
    files = fsspec.filesystem("memory")
    for image in local.iterdir():
        files.pipe(f"/survey/images/{image.name}", image.read_bytes())
    table = pd.DataFrame({"id": ids, "file_loc": [f"images/{galaxy_id}.jpg" for galaxy_id in ids], "mag_r": [1.0, 2, 3, 4]})
    files.pipe("/survey/galaxies.csv", table.to_csv(index=False).encode())
    yield files, read_catalogue(local).decode(SMALL)[0]
    files.rm("/survey", recursive=True)


def test_an_address_is_known_by_its_name_and_survives_a_path():
    assert address_of(Path("s3://survey/shards")) == "s3://survey/shards"
    assert address_of("gs://survey") == "gs://survey"
    assert [address_of(path) for path in ("images/a.jpg", "/data/a.jpg", "C:/data", "C:\\data", ".")] == [None] * 5
    assert from_folder(Path("/home"), Path("s3://survey/x.csv")) == Path("s3://survey/x.csv")
    assert from_folder(Path("/home"), Path("x.csv")) == Path("/home/x.csv")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"images": "memory://survey"},
        {"where": "mag_r < 9"},
    ],
)
def test_a_table_at_an_address_finds_its_images_there(survey, options):
    _, pixels = survey
    catalogue = read_catalogue("memory://survey/galaxies.csv", **options)
    assert str(catalogue.images[2]) == "memory://survey/images/J2.jpg"
    found, failures = catalogue.decode(SMALL)
    assert not failures
    assert np.array_equal(found, pixels)


def test_a_table_here_names_images_there(survey, tmp_path):
    _, pixels = survey
    addresses = [f"memory://survey/images/J{row}.jpg" for row in range(3)]
    table = pd.DataFrame({"id": ["J0", "J1", "J2", "J9"], "file_loc": [*addresses, "memory://survey/images/J9.jpg"]})
    table.to_csv(tmp_path / "named.csv", index=False)
    table[["id"]].to_csv(tmp_path / "ids.csv", index=False)
    for catalogue in (
        read_catalogue(tmp_path / "named.csv"),
        read_catalogue(tmp_path / "ids.csv", images="memory://survey/images"),
    ):
        found, failures = catalogue.decode(SMALL)
        assert np.array_equal(found[:3], pixels[:3])
        assert list(failures) == [3]
    named, _ = read_catalogue(tmp_path / "named.csv"), None
    assert "memory://survey/images/J9.jpg of galaxy 'J9' does not exist" in named.decode(SMALL)[1][3]


def test_shards_at_an_address_are_copied_once_and_again_when_they_change(survey, tmp_path):
    files, pixels = survey
    write_shards(read_catalogue("memory://survey/galaxies.csv"), tmp_path / "shards", SMALL, rows_per_shard=3)
    for part in (tmp_path / "shards").glob("part-*"):
        files.pipe(f"/survey/shards/{part.name}", part.read_bytes())
    catalogue = read_catalogue("memory://survey/shards")
    assert np.array_equal(catalogue.decode(SMALL)[0], pixels)
    (first,) = (tmp_path / "cache").rglob("part-00000.parquet")
    before = first.stat().st_mtime_ns
    assert len(read_catalogue("memory://survey/shards")) == 4
    assert first.stat().st_mtime_ns == before
    files.pipe("/survey/shards/part-00000.parquet", (tmp_path / "shards" / "part-00000.parquet").read_bytes())
    read_catalogue("memory://survey/shards")
    assert first.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        ("memory://nowhere/galaxies.csv", {}, r"memory://nowhere/galaxies.csv cannot be read"),
        ("memory://survey/images", {}, r"memory://survey/images holds no Parquet files"),
        ("nosuch://survey/galaxies.csv", {}, r"nosuch://survey/galaxies.csv cannot be opened"),
        ("memory://survey/ids.csv", {"images": "memory://nowhere"}, r"memory://nowhere cannot be listed"),
    ],
)
def test_what_cannot_be_read_there_is_told(survey, address, options, said):
    survey[0].pipe("/survey/ids.csv", b"id\nJ0\n")
    with pytest.raises(CatalogueError, match=said):
        read_catalogue(address, **options)
