"""What shards and predictions share: parts that are finished by the same call, and refused to another one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooactive.foundation.errors import CatalogueError, ImageError, PosteriorError
from zooactive.foundation.metadata import about_of
from zooactive.foundation.parts_folder import PartsFolder, Tally, parts_in, read_journal
from zooactive.foundation.writing import this_host

ANOTHER = CatalogueError("another run")
HOPELESS = "{failed} of {done}, {allowed} allowed: {first}"


@pytest.fixture
def folder(tmp_path: Path) -> PartsFolder:
    """Ten rows in parts of four."""
    return PartsFolder(tmp_path / "run", 10, 4, lambda part: about_of(pq.read_schema(part)))


def write(folder: PartsFolder, part: int, *failed: str) -> None:
    rows = [str(row) for row in folder.rows_of(part)]
    failures = [{"id": name, "path": f"{name}.png", "reason": f"{name} is empty"} for name in failed]
    table = pa.table({"id": [name for name in rows if name not in failed]})
    folder.write(part, table, {"fingerprint": "mine", "failures": failures})


def test_every_row_is_in_one_part(folder):
    assert folder.parts == 3
    assert [list(folder.rows_of(part)) for part in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_what_is_there_is_counted_and_the_rest_is_missing(folder):
    write(folder, 1, "5")
    done: list[int] = []
    tally = Tally(folder, None, done.append, HOPELESS)
    assert tally.missing() == [0, 2]
    assert (tally.done, tally.failed, tally.first) == (4, 1, "5 is empty")
    tally.count(4, ["no image"])
    assert done == [4, 8]
    assert tally.first == "5 is empty"


def test_a_run_stops_at_the_first_failure_too_many(folder):
    tally = Tally(folder, 1, None, HOPELESS)
    tally.count(4, ["{odd} name"])
    with pytest.raises(ImageError, match=r"2 of 6, 1 allowed: \{odd\} name"):
        tally.count(2, ["no image"])


def test_failures_of_all_parts_are_listed_in_the_order_of_the_rows(folder):
    write(folder, 2, "9")
    write(folder, 0, "1", "3")
    assert folder.write_failures()["id"].tolist() == ["1", "3", "9"]
    assert pq.read_table(folder.folder / "failures.parquet")["reason"].to_pylist()[2] == "9 is empty"
    assert [part.name for part in parts_in(folder.folder)] == ["part-00000.parquet", "part-00002.parquet"]


@pytest.mark.parametrize("journal", [True, False])
def test_another_run_is_refused_by_the_journal_or_by_the_parts(folder, journal):
    folder.enter("mine", ANOTHER)
    write(folder, 0)
    if journal:
        folder.write_journal({"fingerprint": "mine"})
    assert (read_journal(folder.folder) is not None) == journal
    folder.enter("mine", ANOTHER)
    with pytest.raises(CatalogueError, match="another run"):
        folder.enter("other", ANOTHER)


def test_what_this_process_writes_aside_is_left_to_it(folder):
    write(folder, 0)
    alive = folder.folder / f".part-{this_host()}-{os.getpid()}-01234567-part-00001.parquet"
    alive.write_bytes(b"PAR1")
    folder.enter("mine", ANOTHER)
    assert alive.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff", b'{"fingerprint": null}'])
def test_a_damaged_journal_is_refused_and_left_as_it_is(folder, content):
    write(folder, 0)
    journal = folder.folder / "journal.json"
    journal.write_bytes(content)
    with pytest.raises(PosteriorError, match=r"journal\.json is damaged .*restore it from a copy, or delete the folder"):
        folder.enter("mine", ANOTHER)
    assert journal.read_bytes() == content


def test_a_folder_that_a_newer_version_wrote_is_refused_as_such(folder):
    folder.write_journal({"fingerprint": "mine", "format": 99})
    with pytest.raises(PosteriorError, match="format 99, but this version of zooactive knows up to"):
        folder.enter("mine", ANOTHER)


@pytest.mark.parametrize("name", ["part-00003.parquet", "part-0000.parquet", "part-00000-copy.parquet"])
def test_a_part_that_the_run_has_not_is_refused_by_its_name(folder, name):
    write(folder, 0)
    folder.write_journal({"fingerprint": "mine"})
    shutil.copy(folder.path(0), folder.folder / name)
    with pytest.raises(CatalogueError, match=f"{name} does not belong to the run"):
        folder.enter("mine", ANOTHER)


def test_a_part_of_another_run_is_refused_though_the_journal_is_of_this_one(folder):
    write(folder, 0)
    folder.write_journal({"fingerprint": "other"})
    with pytest.raises(CatalogueError, match=r"part-00000\.parquet does not belong to the run"):
        folder.enter("other", ANOTHER)
    assert json.loads((folder.folder / "journal.json").read_text()) == {"fingerprint": "other"}
