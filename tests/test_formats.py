"""What files of an older version, of a newer one and damaged ones get, of every kind that declares a number."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import zooactive as za
from zooactive.acquisition.allocation import look_files
from zooactive.acquisition.selection_files import read_selection
from zooactive.catalogue.cutouts import fetch
from zooactive.cli.run import SUMMARY_FORMAT
from zooactive.foundation import formats
from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.metadata import about_of, with_about
from zooactive.foundation.parts_folder import JOURNAL_FORMAT
from zooactive.foundation.writing import how_of
from zooactive.labels import Ledger, ledger
from zooactive.loop import rounds
from zooactive.models import load_draws, saved_form
from zooactive.models.head import draws
from zooactive.posterior import files as posterior_files
from zooactive.prediction import numbers, open_predictions
from zooactive.training import run_folder
from zooactive.training.finetuning import finetuned_model, finetuned_numbers

OLD = Path(__file__).parent / "old_files"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "versions.md"

KNOWN = {
    "model": saved_form.FORMAT,
    "model on embeddings": saved_form.EMBEDDINGS_FORMAT,
    "model of a number": saved_form.NUMBERS_FORMAT,
    "draws": draws.FORMAT,
    "training": run_folder._FORMAT,
    "task": finetuned_model._FORMAT,
    "task of a number": finetuned_numbers._FORMAT,
    "predictions": JOURNAL_FORMAT,
    "predictions of a number": numbers._FORMAT,
    "posterior": posterior_files.FORMAT,
    "shards": formats.SHARDS,
    "classifications": ledger._FORMAT,
    "rounds": rounds._FORMAT,
    "cutouts": fetch._FORMAT,
    "tables of results": formats.RESULTS,
    "looks of a plan": look_files.FORMAT,
    "summary": SUMMARY_FORMAT,
}


@dataclass(frozen=True)
class Sample:
    """A file as an older version wrote it, without a number or with its own, and what reads it."""

    old: Callable[[Path], Path]
    read: Callable[[Path], Any]
    declare: Callable[[Path, Any], None]
    """Writes another number into it."""
    file: str = ""
    """Which is damaged."""


def copied(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        target = folder / name
        (shutil.copytree if (OLD / name).is_dir() else shutil.copy)(OLD / name, target)
        return target

    return make


def in_json(name: str) -> Callable[[Path, Any], None]:
    def declare(place: Path, number: Any) -> None:
        file = place / name if place.is_dir() else place.with_name(name)
        file.write_text(json.dumps(json.loads(file.read_text()) | {"format": number}))

    return declare


def in_parquet(place: Path, number: Any) -> None:
    for file in [place] if place.is_file() else place.glob("part-*.parquet"):
        table = pq.read_table(file)
        pq.write_table(with_about(table, about_of(table.schema) | {"format": number}), file)


def in_ledger(place: Path, number: Any) -> None:
    table = pq.read_table(place / "classifications.parquet")
    about = {**table.schema.metadata, b"format": str(number).encode()}
    pq.write_table(table.replace_schema_metadata(about), place / "classifications.parquet")


def in_npz(place: Path, number: Any) -> None:
    arrays = dict(np.load(place))
    about = json.loads(str(arrays.pop("about"))) | {"format": number}
    np.savez(place, about=np.array(json.dumps(about)), **arrays)


def old_selection(folder: Path) -> Path:
    path = copied("selection.csv")(folder)
    (folder / "selection.csv.how.json").write_text(json.dumps({"command": "acquire", "options": {}, "inputs": {}}))
    return path


def old_posterior(folder: Path) -> Path:
    posterior = open_predictions(OLD / "predictions").posterior()
    za.write_posterior(posterior, folder / "posterior.parquet")
    table = pq.read_table(folder / "posterior.parquet")
    about = {name: value for name, value in about_of(table.schema).items() if name != "format"}
    pq.write_table(with_about(table, about), folder / "posterior.parquet")
    return folder / "posterior.parquet"


def old_head(folder: Path) -> Path:
    return Path(shutil.copy(OLD / "predictions" / "head.npz", folder / "head.npz"))


def old_training(folder: Path) -> Path:
    """A run that was begun before its state had a number."""
    state = {"fingerprint": "f", "start": "s", "finished": False, "epochs": [], "writes": 0}
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "state.json").write_text(json.dumps(state))
    return folder


def open_training(folder: Path) -> run_folder.TrainingRun:
    run = run_folder.TrainingRun(folder, "f", SimpleNamespace(), 1, lambda epochs: "f")  # type: ignore[arg-type]
    run.open(SimpleNamespace(fingerprint=lambda: "s"))  # type: ignore[arg-type]
    return run


def open_rounds(folder: Path) -> rounds.Loop:
    galaxies = za.read_catalogue(OLD / "shards")
    learner = SimpleNamespace(tree=galaxies.tree)
    return rounds.Loop(folder, learner, galaxies, config=rounds.LoopConfig())  # type: ignore[arg-type]


def old_rounds(folder: Path) -> Path:
    """Rounds of the tree of the old shards, begun before there was a number."""
    open_rounds(folder / "loop")
    file = folder / "loop" / "loop.json"
    file.write_text(json.dumps({name: value for name, value in json.loads(file.read_text()).items() if name != "format"}))
    return folder / "loop"


def read_ledger(place: Path) -> pd.DataFrame:
    return Ledger(place, za.load_tree("simulated")).votes()


SAMPLES = {
    "model": Sample(copied("model"), za.load_model, in_json("model.json"), "model.json"),
    "draws": Sample(old_head, load_draws, in_npz),
    "training": Sample(old_training, open_training, in_json("checkpoint/state.json"), "checkpoint/state.json"),
    "task": Sample(copied("task"), za.load_finetuned, in_json("finetuned.json"), "finetuned.json"),
    "predictions": Sample(copied("predictions"), open_predictions, in_json("journal.json"), "journal.json"),
    "posterior": Sample(old_posterior, za.read_posterior, in_parquet),
    "shards": Sample(copied("shards"), za.read_catalogue, in_parquet, "part-00000.parquet"),
    "classifications": Sample(copied("ledger"), read_ledger, in_ledger, "classifications.parquet"),
    "rounds": Sample(old_rounds, open_rounds, in_json("loop.json"), "loop.json"),
    "tables of results": Sample(old_selection, read_selection, in_json("selection.csv.how.json")),
}
each = pytest.mark.parametrize("name", SAMPLES)


@each
@pytest.mark.filterwarnings("ignore:.*was begun before runs kept marks")
def test_a_file_of_an_older_version_is_read(name, tmp_path):
    sample = SAMPLES[name]
    assert sample.read(sample.old(tmp_path)) is not None


@each
def test_a_file_of_a_newer_version_is_refused_with_what_to_install(name, tmp_path):
    sample = SAMPLES[name]
    place = sample.old(tmp_path)
    sample.declare(place, KNOWN[name] + 90)
    with pytest.raises(ZooactiveError, match=rf"has format {KNOWN[name] + 90}, .*install"):
        sample.read(place)


@each
def test_a_number_that_is_none_is_refused_in_a_sentence(name, tmp_path):
    sample = SAMPLES[name]
    place = sample.old(tmp_path)
    sample.declare(place, "-3" if name == "classifications" else "three")
    with pytest.raises(ZooactiveError, match=r"damaged|format three"):
        sample.read(place)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "tables of results"])
def test_a_file_that_was_cut_off_is_refused_in_a_sentence(name, tmp_path):
    sample = SAMPLES[name]
    place = sample.old(tmp_path)
    file = place / sample.file if place.is_dir() else place
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ZooactiveError, match=file.name.replace(".", r"\.") + "|no model|" + re.escape(str(place))):
        sample.read(place)


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
    with pytest.raises(ZooactiveError, match="is not there"):
        za.migrate(tmp_path / "nowhere")
    assert za.migrate(tmp_path) == []
