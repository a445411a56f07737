"""The same seeds give the same bits wherever a scheduler runs the work, and where it cannot run a sentence says so."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anywhere
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
from small_survey import write_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    return write_survey(tmp_path_factory.mktemp("anywhere") / "survey", 24)


def found_in(place: str, survey: Path) -> Any:
    """What a new interpreter came to: in this one other tests have worked before, and fits are not traced."""
    asked = [sys.executable, anywhere.__file__, str(survey), place]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=1800)  # a laden machine takes longer, not for ever
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(survey) -> dict[str, Any]:
    return dict(found_in("everywhere", survey))


def test_threads_at_once_come_to_the_bits_of_one(found):
    assert found["threads"] == [found["here"]] * anywhere.PLACES
    assert len(set(found["here"].values())) == 4  # each step has its own mark


def test_new_processes_come_to_the_bits_of_this_one(found):
    assert found["spawned"] == [found["here"]] * anywhere.PROCESSES


def test_a_fork_of_a_process_that_worked_is_told_so_at_once(found):
    said, seconds = found["fork"]
    assert said.startswith("EngineError: process ")
    assert "was forked from one in which a network had computed" in said
    assert 'get_context("spawn")' in said
    assert seconds < 30  # it neither hangs nor works


@pytest.mark.parametrize(
    ("place", "needed"),
    [
        ("Ray", "ray"),
        ("threads of Dask", "dask"),
        ("processes of Dask", "dask"),
        ("a cluster of Dask", "distributed"),
    ],
)
def test_workers_of_others_come_to_the_bits_of_this_process(found, survey, place, needed):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed; nox -s ray has it")
    assert found_in(place, survey) == [found["here"]] * 2
