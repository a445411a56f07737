"""What files of an older version, of a newer one and damaged ones get, of every kind that declares a number."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from file_kinds import (
    CASES,
    KNOWN,
    SAMPLES,
    TORN,
    copied,
    is_tried,
    old_rounds,
    old_selection,
    put,
    read_answers,
    table_lines,
)
from typer.testing import CliRunner

import zooactive as za
from zooactive.acquisition.selection_files import read_selection
from zooactive.cli import app
from zooactive.foundation.errors import CatalogueError, ZooactiveError
from zooactive.foundation.metadata import result_format
from zooactive.foundation.writing import how_of
from zooactive.labels.votes import count_votes
from zooactive.loop.labelling.session import Session
from zooactive.prediction import open_predictions

PAGE = Path(__file__).resolve().parents[1] / "docs" / "versions.md"

each = pytest.mark.parametrize("name", SAMPLES)


@each
@pytest.mark.filterwarnings("ignore:.*was begun before runs kept marks")
def test_a_file_of_an_older_version_is_read(name, tmp_path):
    assert SAMPLES[name].read(put(CASES[0], name, tmp_path)) is not None


@each
def test_a_file_of_a_newer_version_is_refused_with_what_to_install(name, tmp_path):
    place = put(CASES[1], name, tmp_path)
    with pytest.raises(ZooactiveError, match=rf"has format {KNOWN[SAMPLES[name].kind or name] + 90}, .*install"):
        SAMPLES[name].read(place)


@each
def test_a_number_that_is_none_is_refused_in_a_sentence(name, tmp_path):
    place = put(CASES[2], name, tmp_path)
    with pytest.raises(ZooactiveError, match=r"damaged|format three"):
        SAMPLES[name].read(place)


@pytest.mark.parametrize("name", [name for name in SAMPLES if is_tried(CASES[3], name) and name not in TORN])
def test_a_file_that_was_cut_off_is_refused_in_a_sentence(name, tmp_path):
    place = put(CASES[3], name, tmp_path)
    file = SAMPLES[name].file or place.name
    with pytest.raises(ZooactiveError, match=file.replace(".", r"\.") + "|no model|" + re.escape(str(place))):
        SAMPLES[name].read(place)


def test_what_is_written_now_declares_its_number(tmp_path):
    combined = za.combine(za.Posterior(np.ones((2, 1, 2), dtype=np.float32), ["a"], za.load_tree("rings")))
    for ending in (".parquet", ".fits", ".xml"):
        combined.write(tmp_path / f"catalogue{ending}")
    assert result_format(pq.read_schema(tmp_path / "catalogue.parquet")) == 1
    assert fits.getval(tmp_path / "catalogue.fits", "ZOOFORM", ext=1) == 1
    text = (tmp_path / "catalogue.xml").read_text()
    (tmp_path / "catalogue.xml").write_text(
        text.replace('name="zooactive_format" value="1"', 'name="zooactive_format" value="7"')
    )
    with pytest.raises(CatalogueError, match="has format 7"):
        za.read_catalogue(tmp_path / "catalogue.xml")
    counts = pd.DataFrame({"id": ["a"], **dict.fromkeys(za.load_tree("simulated").columns, 0)})
    counts.to_csv(tmp_path / "counts.csv", index=False)
    count_votes([tmp_path / "counts.csv"], tmp_path / "votes.parquet", tree="simulated")
    assert result_format(pq.read_schema(tmp_path / "votes.parquet")) == 1


def test_labels_of_before_go_on_without_a_number_and_new_ones_have_one(tmp_path):
    for folder, first in ((put(CASES[0], "labels of one's own", tmp_path), "a1"), (tmp_path / "new", None)):
        session = Session(["a1", "a2", "a3"], za.load_tree("rings"), folder)
        session.answer("a3", "no", "ann")
        session.close()
        begins = json.loads((folder / "answers.jsonl").read_text().splitlines()[0])
        assert begins.get("galaxy") == first
        assert begins.get("format") == (None if first else 1)
        assert read_answers(folder) == (3 if first else 1)


def test_the_page_says_what_each_gets():
    lines = PAGE.read_text().splitlines()
    written = table_lines()
    begin = lines.index(written[0])
    assert lines[begin : begin + len(written)] == written


def test_how_a_result_was_made_is_not_known_where_that_is_damaged(tmp_path):
    path = old_selection(tmp_path)
    path.with_name("selection.csv.how.json").write_text('{"command": ')
    assert how_of(path) == {}
    assert len(read_selection(path)) > 0  # which is whole


def test_the_page_has_each_kind_with_its_number():
    rows = [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in PAGE.read_text().splitlines()]
    said = {row[0]: row[2] for row in rows if len(row) > 4 and row[2].isdecimal()}
    assert said == {name: str(number) for name, number in KNOWN.items()}


# zooactive migrate ---------------------------------------------------------------------------------------------------


def test_what_lacks_a_number_alone_gets_one_and_says_what_it_said(tmp_path):
    for name in ("task", "predictions", "shards"):
        copied(name)(tmp_path)
    old_rounds(tmp_path)
    old_selection(tmp_path)
    for file in (tmp_path / "task" / "finetuned.json", tmp_path / "predictions" / "how.json"):
        values = {name: value for name, value in json.loads(file.read_text()).items() if name != "format"}
        file.write_text(json.dumps(values))
    before = {file: json.loads(file.read_text()) for file in tmp_path.rglob("*.json")}
    measured = za.load_finetuned(tmp_path / "task").evaluate()

    planned = za.migrate(tmp_path, write=False)
    assert {file: json.loads(file.read_text()) for file in tmp_path.rglob("*.json")} == before
    done = za.migrate(tmp_path)
    assert [one.file for one in done] == [one.file for one in planned]
    migrated = {one.file for one in done if one.said == "migrated"}
    assert {file.relative_to(tmp_path).as_posix() for file in migrated} == {
        "loop/loop.json", "predictions/how.json", "selection.csv.how.json", "shards/how.json", "task/finetuned.json",
    }  # fmt: skip
    for file in migrated:
        assert json.loads(file.read_text()) == before[file] | {"format": 1}
    assert za.load_finetuned(tmp_path / "task").evaluate() == measured
    assert {one.said for one in za.migrate(tmp_path) if one.file in migrated} == {"current"}


def test_the_command_says_what_it_would_do_and_does_it(tmp_path):
    old_selection(tmp_path)
    file = tmp_path / "selection.csv.how.json"
    before = file.read_bytes()
    for words, last in ((["--check"], "1 to migrate"), ([], "1 migrated"), ([], "0 migrated")):
        told = CliRunner().invoke(app, ["migrate", str(tmp_path), *words])
        assert told.exit_code == 0
        assert f"1 files that declare a format: {last}, 0 cannot be" in told.stderr
        assert (file.read_bytes() == before) == bool(words)
    (row,) = json.loads(CliRunner().invoke(app, ["migrate", str(tmp_path), "--json"]).stdout)
    assert (row["holds"], row["format"], row["latest"], row["said"]) == ("how a result was made", 1, 1, "current")


def test_what_cannot_be_migrated_says_why_and_stays(tmp_path):
    place = copied("predictions")(tmp_path)
    before = (place / "journal.json").read_bytes()
    (journal,) = (one for one in za.migrate(place) if one.file.name == "journal.json")
    assert journal.found < journal.known
    assert "no checksums of its images" in journal.said
    assert (place / "journal.json").read_bytes() == before
    assert len(open_predictions(place)) > 0


def test_what_is_newer_or_damaged_is_left_as_it_is(tmp_path):
    for name, text in (("a.csv.how.json", '{"format": 99}'), ("loop.json", "{"), ("finetuned.json", '{"format": "x"}')):
        (tmp_path / name).write_text(text)
    said = {one.file.name: one.said for one in za.migrate(tmp_path)}
    assert said["a.csv.how.json"] == "a newer version of zooactive wrote it; install that version"
    assert "damaged" in said["loop.json"]
    assert "is not the number of a format" in said["finetuned.json"]
    assert (tmp_path / "loop.json").read_text() == "{"


def test_nothing_to_migrate_is_told(tmp_path):
    with pytest.raises(ZooactiveError, match="does not exist"):
        za.migrate(tmp_path / "nowhere")
    assert za.migrate(tmp_path) == []
