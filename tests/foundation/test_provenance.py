"""What a result was made of: marks of all that went in and came out, written once."""

from __future__ import annotations

import json
import logging
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import Making, mark_of, sources_of, written_again
from zooactive.foundation.remote_folders import folder_here
from zooactive.foundation.writing import how_of, write_how


@pytest.fixture
def place(tmp_path) -> Path:
    (tmp_path / "in.csv").write_text("id\na\n")
    return tmp_path


def made(place: Path, text: str = "out", **sources: Path | None) -> dict[str, Any]:
    """Make a result of some sources, as a job does, and return what is written beside it."""
    making = Making("votes", sources or {"table": place / "in.csv"})
    (place / "out.csv").write_text(text)
    write_how(place / "out.csv", command="votes", options={}, inputs={})
    making.done(place / "out.csv", outputs=[place / "out.csv"], counts={"galaxies": 1}, worked=1, settings={"where": None})
    return how_of(place / "out.csv")


def test_a_file_is_marked_by_what_it_holds(place):
    content = (place / "in.csv").read_bytes()
    assert mark_of(place / "in.csv") == ("content", blake2b(content, digest_size=16).hexdigest())


@pytest.mark.parametrize(
    ("file", "by"),
    [
        ("model.json", "model.json"),
        ("model/model.json", "model.json"),
        ("journal.json", "journal.json"),
        ("how.json", "how.json"),
    ],
)
def test_a_folder_is_marked_by_the_file_that_has_marks_of_the_others(tmp_path, file, by):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("{}")
    (tmp_path / "other").write_text("x")
    before = mark_of(tmp_path)
    assert before == (by, blake2b(b"{}", digest_size=16).hexdigest())
    (tmp_path / "other").write_text("changed")
    assert mark_of(tmp_path) == before


def test_a_folder_of_images_is_marked_by_names_sizes_and_times(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"one")
    by, before = mark_of(tmp_path)
    assert by == "names, sizes and times"
    (tmp_path / ".part-1-a.jpg").write_bytes(b"on its way")
    assert mark_of(tmp_path) == (by, before)
    os.utime(tmp_path / "a.jpg", ns=(0, 1))
    assert mark_of(tmp_path)[1] != before


def test_what_went_in_and_came_out_is_written_with_when_and_where(place):
    how = made(place)
    (source,) = sources_of(how)
    assert (source.what, source.path, source.beside, source.by) == ("table", str(place / "in.csv"), "in.csv", "content")
    assert how["outputs"] == {"out.csv": {"bytes": 3, "blake2b": blake2b(b"out", digest_size=16).hexdigest()}}
    assert how["counts"] == {"galaxies": 1}
    assert how["settings"] == {"where": None}
    assert how["made"]["began"] <= how["made"]["ended"]


def test_of_a_folder_of_images_only_those_of_the_list_are_looked_at(place, monkeypatch):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (place / "images").mkdir(exist_ok=True)
        (place / "images" / name).write_bytes(name.encode())

    def walked(*_):
        raise AssertionError("the folder is walked")

    monkeypatch.setattr(os, "walk", walked)
    files = [place / "images" / "a.jpg", place / "images" / "b.jpg"]
    marks = {}
    for change in ("nothing", "another", "listed"):
        if change != "nothing":
            (place / "images" / ("c.jpg" if change == "another" else "b.jpg")).write_bytes(b"longer than before")
        making = Making("finetune", {"images": place / "images"}, unmarked=("images",))
        making.took("images", [*files, None])
        making.done(place / "in.csv", outputs=[], counts={"galaxies": len(marks)})
        (source,) = sources_of(how_of(place / "in.csv"))
        assert source.by == "files of a list"
        marks[change] = source.mark
        (place / "in.csv.how.json").unlink()
    assert marks["nothing"] == marks["another"] != marks["listed"]
    Making("predict", {"images": place / "images"}, unmarked=("images",)).done(place / "in.csv", outputs=[], counts={})
    (source,) = sources_of(how_of(place / "in.csv"))
    assert (source.by, source.mark) == ("not marked", None)


def test_sources_are_marked_when_the_job_begins(place):
    making = Making("votes", {"table": place / "in.csv"})
    before = mark_of(place / "in.csv")
    (place / "in.csv").write_text("changed meanwhile")
    (place / "out.csv").write_text("out")
    making.done(place / "out.csv", outputs=[place / "out.csv"], counts={})
    assert (sources_of(how_of(place / "out.csv"))[0].by, sources_of(how_of(place / "out.csv"))[0].mark) == before


def test_a_table_at_an_address_is_named_by_it_and_marked_by_what_it_holds(place, tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address = f"file://{place / 'in.csv'}"
    how = made(place, table=Path(address), images=Path(f"file://{place}/images"))
    table, images = sources_of(how)
    assert (table.path, table.beside) == (address, address)
    assert (table.by, table.mark) == mark_of(place / "in.csv")
    assert (images.path, images.mark) == (f"file://{place}/images", None)
    assert "cache" not in json.dumps(how)


def test_a_result_at_an_address_names_no_copy(place, tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = folder_here(f"file://{place}/bucket/predictions")
    folder.mkdir(parents=True)
    (folder / "journal.json").write_text("{}")
    making = Making("acquire", {"predictions": folder})
    (place / "out.csv").write_text("out")
    write_how(place / "out.csv", command="acquire", options={"from": folder}, inputs={f"predictions {folder}": "0" * 32})
    making.done(place / "out.csv", outputs=[place / "out.csv"], counts={})
    how = how_of(place / "out.csv")
    assert sources_of(how)[0].path == f"file://{place}/bucket/predictions"
    assert list(how["inputs"]) == [f"predictions file://{place}/bucket/predictions"]
    assert "cache" not in json.dumps(how)


def test_what_is_made_again_alike_keeps_when_it_was_made_and_of_what(place):
    before = made(place)
    (place / "in.csv").write_text("changed")
    assert made(place) == before
    assert made(place, "another")["made"] != before["made"] or made(place, "another")["from"] != before["from"]


def test_a_source_that_is_not_there_or_cannot_be_read_stops_no_job(place):
    os.mkfifo(place / "pipe")
    how = made(place, gone=place / "nowhere", pipe=place / "pipe", none=None)
    assert [(source.what, source.mark) for source in sources_of(how)] == [("gone", None), ("pipe", None)]


def test_files_that_a_later_command_wrote_again_are_noted(place):
    how = made(place)
    written_again(place / "out.csv", by="calibrate")
    assert how_of(place / "out.csv") == how
    (place / "out.csv").write_text("calibrated")
    written_again(place / "out.csv", by="calibrate")
    now = how_of(place / "out.csv")
    assert now["written_again_by"] == "calibrate"
    assert now["outputs"]["out.csv"]["bytes"] == len("calibrated")
    assert now["made"] == how["made"]


def test_a_result_that_says_nothing_of_its_files_is_left_alone(place):
    write_how(place / "in.csv", command="match", options={}, inputs={})
    before = how_of(place / "in.csv")
    written_again(place / "in.csv", by="calibrate")
    assert how_of(place / "in.csv") == before


def test_programs_are_told_that_it_is_done(place, caplog):
    caplog.set_level(logging.INFO, logger="zooactive")
    made(place)
    (entry,) = caplog.records
    values = entry.values  # type: ignore[attr-defined]
    assert (values["command"], values["counts"], values["worked"]) == ("votes", {"galaxies": 1}, 1)
    assert [output["path"] for output in values["outputs"]] == [str(place / "out.csv")]


def test_how_a_newer_version_made_something_is_refused(place):
    made(place)
    file = place / "out.csv.how.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 9}))
    with pytest.raises(WorkspaceError, match="has format 9, but this version of zooactive knows up to 1"):
        how_of(place / "out.csv")
    assert made(place)["format"] == 1  # written over with its result
