"""Images, tables and shards at addresses, here in fsspec's file system in memory."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import Preprocessing, images, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.foundation import addresses
from zooactive.foundation.addresses import RemoteImage, address_of, from_folder, local_copy
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.writing import this_host

fsspec = pytest.importorskip("fsspec")
AbstractFileSystem = fsspec.AbstractFileSystem
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
    assert address_of("file:///data/shards") == address_of(Path("file:///data/shards")) == "file:///data/shards"
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


def stored_shards(files, folder, rows_per_shard=2):
    """Shards of the survey at memory://survey/shards, made in a folder here."""
    write_shards(read_catalogue("memory://survey/galaxies.csv"), folder, SMALL, rows_per_shard=rows_per_shard)
    for part in folder.glob("part-*"):
        files.pipe(f"/survey/shards/{part.name}", part.read_bytes())


def test_parts_deleted_at_the_address_are_no_longer_read(survey, tmp_path):
    files, _ = survey
    stored_shards(files, tmp_path / "shards")
    assert len(read_catalogue("memory://survey/shards")) == 4
    files.rm("/survey/shards/part-00001.parquet")
    about_it = "part-00001|1 of 2|shards.*2 parts|incomplete|lack"
    with pytest.raises(CatalogueError, match=about_it):  # a survey that is not whole does not look whole
        read_catalogue("memory://survey/shards")
    assert [path.name for path in sorted((tmp_path / "cache").rglob("part-*"))] == [
        "part-00000.parquet",
        "part-00000.parquet.origin",
    ]


def test_a_folder_packed_anew_in_fewer_parts_leaves_none_of_the_old_ones(survey, tmp_path):
    files, pixels = survey
    stored_shards(files, tmp_path / "many", rows_per_shard=1)
    assert len(read_catalogue("memory://survey/shards")) == 4
    files.rm("/survey/shards", recursive=True)
    stored_shards(files, tmp_path / "few", rows_per_shard=3)
    again = read_catalogue("memory://survey/shards/")
    assert list(again.ids) == ["J0", "J1", "J2", "J3"]
    assert np.array_equal(again.decode(SMALL)[0], pixels)


def test_a_table_in_place_of_one_of_another_name_leaves_none_of_the_old_one(survey, tmp_path):
    files, _ = survey
    for name, ids in (("a", ["J0", "J1"]), ("b", ["J2"])):
        pd.DataFrame({"id": ids, "mag_r": 1.0}).to_parquet(tmp_path / f"{name}.parquet")
        files.pipe(f"/survey/tables/{name}.parquet", (tmp_path / f"{name}.parquet").read_bytes())
    assert len(read_catalogue("memory://survey/tables")) == 3
    files.rm("/survey/tables/a.parquet")
    assert list(read_catalogue("memory://survey/tables").ids) == ["J2"]


def test_copies_on_their_way_and_other_addresses_stay_in_the_cache(survey, tmp_path):
    files, _ = survey
    stored_shards(files, tmp_path / "shards")
    files.pipe("/survey/other/galaxies.parquet", (tmp_path / "shards" / "part-00000.parquet").read_bytes())
    other = local_copy("memory://survey/other/galaxies.parquet")
    folder = local_copy("memory://survey/shards")
    (folder / f".part-{this_host()}-{os.getpid()}-0-part-00001.parquet").write_bytes(b"")
    assert local_copy("memory://survey/shards") == folder
    assert len(list(folder.glob(".part-*"))) == 1
    assert other.exists()


def test_an_image_there_is_read_up_to_a_bound(survey, monkeypatch):
    files, _ = survey
    monkeypatch.setattr(images, "LARGEST_BYTES", 1 << 20)
    files.pipe("/survey/images/J1.jpg", files.cat("/survey/images/J1.jpg") + bytes(1 << 20))
    found, failures = read_catalogue("memory://survey/galaxies.csv").decode(SMALL)
    assert list(failures) == [1]
    assert "has more than 1048576 bytes" in failures[1]
    assert found[0].any()


def test_an_image_without_an_end_at_a_web_server_is_read_up_to_a_bound(monkeypatch):
    asked, read = [], 0

    class Endless(io.RawIOBase):
        def read(self, size=-1):
            nonlocal read
            read += size
            return bytes(size)

    class Web(AbstractFileSystem):
        protocol = ("http", "https")

        def open(self, path, mode="rb", **options):
            asked.append(options)
            return Endless()

    monkeypatch.setattr(addresses, "_file_system", lambda address: (Web(), address))
    with pytest.raises(OSError, match="has more than 3000000 bytes"):
        RemoteImage("https://survey.org/J0.jpg").read(3_000_000)
    assert read == 3_000_001
    assert asked == [{"block_size": 0, "size": 1}]  # one request, for as much as comes


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
