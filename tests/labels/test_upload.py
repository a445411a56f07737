"""A subject set sent to a stand-in of the Zooniverse, over real HTTP: whole, once, and in spite of a kill half way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from stand_in import running
from test_round_trip import selection_of, typed

from zooactive.catalogue import read_catalogue
from zooactive.foundation.errors import CatalogueError, UploadError
from zooactive.labels.panoptes import upload_subjects
from zooactive.labels.subjects import write_subjects

pytest.importorskip("panoptes_client", reason="the Zooniverse's client is an extra")
UPLOAD = """
import sys
from zooactive.labels.panoptes import upload_subjects
upload_subjects(sys.argv[1], project=7, subject_set="first")
"""


@pytest.fixture
def zooniverse(monkeypatch):
    """The stand-in, with its address and credentials in the environment."""
    with running() as world:
        for name, value in (("ENDPOINT", world.address), ("CLIENT_ID", "me"), ("CLIENT_SECRET", "s3cret")):
            monkeypatch.setenv(f"PANOPTES_{name}", value)
        monkeypatch.setattr("redo.time.sleep", lambda seconds: None)  # what the client waits for between its tries
        yield world


@pytest.fixture
def written(galaxies, tmp_path):
    """Twenty-four subjects on disk."""
    galaxies(24)
    catalogue = read_catalogue(tmp_path / "images")
    write_subjects(selection_of(list(catalogue.ids)), catalogue, tmp_path / "subjects", credit="SDSS")
    return tmp_path / "subjects"


def test_every_subject_arrives_once_with_its_image_and_what_is_hidden(zooniverse, written):
    done: list[int] = []
    first = upload_subjects(written, project=7, subject_set="first", progress=done.append)
    assert (first.new, first.known, done) == (24, 0, [10, 20, 24])
    assert zooniverse.sets[first.subject_set]["display_name"] == "first"
    assert zooniverse.ids_in(first.subject_set) == [f"g{row:03d}" for row in range(24)]
    for number, subject in zooniverse.subjects.items():
        galaxy_id = subject["metadata"]["#id"]
        assert zooniverse.media[number] == (written.parent / "images" / f"{galaxy_id}.jpg").read_bytes()
        assert subject["metadata"]["credit"] == "SDSS"
        assert subject["metadata"]["#arm"] == "acquired"
    again = upload_subjects(written, project=7, subject_set="first")
    assert (again.new, again.known, again.subject_set) == (0, 24, first.subject_set)
    assert len(zooniverse.subjects) == 24
    other = upload_subjects(written, project=7, subject_set="second")
    assert (other.new, other.subject_set == first.subject_set) == (24, False)
    assert not [file for file in written.rglob("*") if file.is_file() and b"s3cret" in file.read_bytes()]


def test_an_upload_that_is_killed_half_way_goes_on_without_a_subject_twice(zooniverse, written):
    run = subprocess.Popen([sys.executable, "-c", UPLOAD, written], stderr=subprocess.DEVNULL)

    def kill(number: int) -> bool:
        if number == 14:  # made, and its maker never hears of it
            os.kill(run.pid, signal.SIGKILL)
            return False
        return True

    zooniverse.on_subject = kill
    assert run.wait() == -signal.SIGKILL
    (subject_set,) = zooniverse.sets
    assert len(zooniverse.ids_in(subject_set)) == 10
    zooniverse.on_subject = lambda number: True
    resumed = upload_subjects(written, project=7, subject_set="first")
    assert (resumed.new, resumed.known) == (14, 10)
    assert list(zooniverse.sets) == [subject_set]
    assert sorted(zooniverse.ids_in(subject_set)) == [f"g{row:03d}" for row in range(24)]


def test_the_command_writes_and_sends(zooniverse, written, tmp_path):
    catalogue = read_catalogue(tmp_path / "images")
    selection_of(list(catalogue.ids[:5])).to_csv(tmp_path / "selection.csv", index=False)
    words = (
        "export",
        "--selection",
        "selection.csv",
        "--catalogue",
        "images",
        "--out",
        "sent",
        "--credit",
        "SDSS",
        "--upload",
    )
    assert "needs --project" in typed(tmp_path, *words, code=2).stderr
    for said in ("5 subjects uploaded, 0 were there already", "0 subjects uploaded, 5 were there already"):
        assert said in typed(tmp_path, *words, "--project", 7).stderr
    (entry,) = zooniverse.sets.values()
    assert entry["display_name"] == "selection"
    assert zooniverse.ids_in(entry["id"]) == list(catalogue.ids[:5])


def test_what_keeps_an_upload_from_going_on_is_told(zooniverse, written, tmp_path, monkeypatch):
    zooniverse.on_subject = lambda number: False
    with pytest.raises(UploadError, match=r"did not take the subjects: .*run the same command again"):
        upload_subjects(written, project=7, subject_set="first")
    with pytest.raises(CatalogueError, match=r"holds no manifest\.csv"):
        upload_subjects(tmp_path / "images", project=7, subject_set="first")
    monkeypatch.delenv("PANOPTES_CLIENT_SECRET")
    with pytest.raises(UploadError, match="set PANOPTES_USERNAME and PANOPTES_PASSWORD or"):
        upload_subjects(written, project=7, subject_set="first")
