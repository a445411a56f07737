"""What comes back from the Zooniverse: classification exports, subject exports, reductions, tables of counts, the ledger."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import as_json, damaged, fuzzed, misfilled, miswritten, read_or_refused
from hypothesis import given
from hypothesis import strategies as st

from zooactive.labels import Dropped, find_sources, kind_of
from zooactive.labels.classifications import Unusable, galaxy_in

WORDING = """\
tree = "tree.toml"
[[workflow]]
id = 77
versions = ["2.0", "3.99"]
galaxy = ["#id", "iauname"]
[workflow.questions.ring]
task = "T0"
answers = ["Yes", "No"]
"""
HEADER = (
    "classification_id", "user_name", "user_ip", "workflow_id", "workflow_version", "created_at", "annotations",
    "subject_data", "subject_ids",
)  # fmt: skip
ROW: dict[str, Any] = {
    "classification_id": "1",
    "user_name": "somebody",
    "user_ip": "f00",
    "workflow_id": "77",
    "workflow_version": "2.14",
    "created_at": "2026-01-02 03:04:05 UTC",
    "annotations": [{"task": "T0", "task_label": "A ring?", "value": "Yes"}, {"task": "T9", "value": ["No"]}],
    "subject_data": {"90000": {"retired": None, "#id": "587732578312454270", "iauname": "J0"}},
    "subject_ids": "90000",
}
COMBINED = ROW | {"annotations": [{"task": "T5", "value": [{"task": "T0", "value": 0}, {"task": "T1", "value": "No"}]}]}


def as_csv(*rows: list[Any]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def export(*rows: dict[str, Any]) -> str:
    cells = [[row[name] if isinstance(row[name], str) else as_json(row[name]) for name in HEADER] for row in rows]
    return as_csv(list(HEADER), *cells)


def subjects(metadata: Any) -> str:
    return as_csv(["subject_id", "metadata"], ["90000", as_json(metadata)], ["90001", '{"#id": "b"}'])


METADATA = {"#id": "587732578312454270", "iauname": "J0", "credit": "SDSS"}
NAMED = ["subject_id", "workflow_id", "task", "reducer"]
FLAT = as_csv(
    [*NAMED, "data.yes", "data.no", "data.aggregation_version"], [90000, 77, "T0", "question_reducer", "29.0", 5, "5.3"]
)
NESTED = as_csv([*NAMED, "data"], [90000, 77, "T0", "question_reducer", "{'yes': 3}"])
TABLE = "id,ring_yes,ring_no\ng1,3,4\ng2,0,9\n"
SOUND = {
    "export": export(ROW, ROW | {"classification_id": "2", "user_name": "", "annotations": COMBINED["annotations"]}),
    "anonymous": export(
        ROW | {"user_name": "not-logged-in-1"}, ROW | {"classification_id": "2", "user_name": "not-logged-in-2"}
    ),
    "flat": FLAT,
    "nested": NESTED,
    "table": TABLE,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tree.toml").write_text('name = "own"\n[[question]]\nname = "ring"\nanswers = ["yes", "no"]\n')
    (tmp_path / "wording.toml").write_text(WORDING)
    (tmp_path / "subjects.csv").write_text(subjects(METADATA))
    return tmp_path


def count(place: Path, content: bytes | str, kind: str, *, ledger: str = "ledger") -> int:
    """Number of galaxies with votes in a file of a kind."""
    path = place / f"{kind}.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    options: dict[str, Any] = {"tree": place / "tree.toml"} if kind == "table" else {"wording": place / "wording.toml"}
    options |= {"subjects": place / "subjects.csv"} if kind in ("flat", "nested") else {}
    votes, _ = find_sources([path], **options).count(place / ledger, Dropped())
    assert all(isinstance(galaxy_id, str) and galaxy_id.strip() for galaxy_id in votes["id"])
    assert (votes.drop(columns="id").to_numpy() >= 0).all()
    assert np.isfinite(votes.drop(columns="id").to_numpy(dtype=float)).all()
    return len(votes)


def forget(place: Path) -> None:
    (place / "ledger" / "classifications.parquet").unlink(missing_ok=True)


@pytest.mark.parametrize("kind", SOUND)
def test_what_is_damaged_here_is_sound(kind: str, place: Path):
    assert count(place, SOUND[kind], kind) == (2 if kind == "table" else 1)


@pytest.mark.parametrize("kind", SOUND)
@fuzzed(40)
@given(data=st.data())
def test_damaged_votes_are_counted_or_refused(kind: str, place: Path, data: st.DataObject):
    content = data.draw(damaged(SOUND[kind].encode()) | miswritten(SOUND[kind], ',":'))
    forget(place)
    with read_or_refused():
        count(place, content, kind)


@fuzzed(75)
@given(row=misfilled(ROW) | misfilled(COMBINED))
def test_classifications_with_odd_entries_are_counted_or_dropped(place: Path, row: Any):
    forget(place)
    whole = ROW | row if isinstance(row, dict) else ROW
    with read_or_refused():
        assert count(place, export(whole, ROW | {"classification_id": "99"}), "export") >= 1


@fuzzed(30)
@given(data=st.data())
def test_damaged_subject_exports_are_read_or_refused(place: Path, data: st.DataObject):
    sound = subjects(METADATA)
    content = data.draw(
        damaged(sound.encode())
        | miswritten(sound, ',":').map(lambda text: text.encode("utf-8", "surrogatepass"))
        | misfilled(METADATA).map(lambda metadata: subjects(metadata).encode())
    )
    (place / "subjects.csv").write_bytes(content)
    with read_or_refused():
        count(place, FLAT, "flat")


@fuzzed(50)
@given(data=misfilled({"yes": 3, "no": 4, "user_ids_yes": [1, None]}), python=st.booleans())
def test_reductions_of_odd_numbers_are_counted_or_dropped(place: Path, data: Any, python: bool):
    row = [90000, 77, "T0", "question_reducer", as_json(data) if not python or _too_long(data) else repr(data)]
    with read_or_refused():
        count(place, as_csv([*NAMED, "data"], row), "nested")


def _too_long(data: Any) -> bool:
    try:
        repr(data)
    except ValueError:
        return True
    return False


@pytest.fixture
def ledger(place: Path) -> tuple[Path, bytes]:
    """A ledger's file, and what stands in it."""
    count(place, SOUND["export"], "export")
    file = place / "ledger" / "classifications.parquet"
    return file, file.read_bytes()


@fuzzed(30)
@given(data=st.data())
def test_a_damaged_ledger_is_read_or_refused(place: Path, ledger: tuple[Path, bytes], data: st.DataObject):
    file, sound = ledger
    file.write_bytes(data.draw(damaged(sound)))
    with read_or_refused():
        count(place, SOUND["export"], "export")


@fuzzed(50)
@given(content=st.binary(max_size=300) | miswritten(SOUND["export"]).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_the_kind_of_any_file_is_told_or_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "votes.csv"
    path.write_bytes(content)
    with read_or_refused():
        kind_of(path)


def test_metadata_that_are_no_table_are_of_no_galaxy(place: Path):
    strange = ROW | {"classification_id": "99", "subject_data": {"90000": [1]}}
    assert count(place, export(ROW, strange), "export") == 1
    with pytest.raises(Unusable, match="metadata of an unknown shape"):
        galaxy_in([1], ["iauname"])
