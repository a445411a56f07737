"""`zooactive demo`: the workspace that it makes, the commands that it types in it, and where a stop lets one go on.

The commands themselves are proved elsewhere (test_whole_path.py): here each only notes that it was called.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from small_survey import zooactive

from zooactive.cli import demo
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.workspace.file import find_settings

STEPS = ("prepare", "train", "predict", "acquire", "finetune", "report")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was called, in order."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name in STEPS:
        monkeypatch.setattr(getattr(demo, name), "command", lambda name=name, **given: found.append((name, given)))
    return found


@pytest.mark.filterwarnings("ignore:.*taken for rounding and kept")
def test_the_whole_workflow_is_called_on_a_workspace_of_real_galaxies(called, tmp_path):
    said = zooactive("demo", "here", "--epochs", 3, folder=tmp_path).stderr
    assert [name for name, _ in called] == list(STEPS)
    assert {str(given.pop("workspace")) for _, given in called} == {"here"}
    told = {name: given for name, given in called if given}
    assert told == {"acquire": {"n": 24}, "finetune": {"task": "rings", "policy": "head"}}
    # What is printed is what one would type.
    typed = re.findall(r"^\$ zooactive (.*)$", said, re.MULTILINE)
    assert typed == ["prepare", "train", "predict", "acquire --n 24", "finetune --task rings --policy head", "report"]
    assert f"Open {tmp_path / 'here' / 'report.html'}" in said.replace("\n", "")
    settings = find_settings(tmp_path / "here")
    assert settings.training.epochs == 3
    survey, rings = settings.read_survey(), pd.read_parquet(tmp_path / "here" / "rings.parquet", columns=["id"])
    assert (len(survey), int(survey.labelled.sum()), len(rings)) == (426, 300, 377)
    assert "426 galaxies of Galaxy Zoo 2, 300 with known and 126 with hidden votes, and 377 galaxies" in said
    shown = re.search(r"zooactive show (\d+)", said)
    assert shown is not None
    assert shown[1] in set(survey.ids)


def test_samples_come_along_byte_for_byte(called, tmp_path):
    zooactive("demo", folder=tmp_path)
    for name in demo.SAMPLES:
        expected = (catalogs_folder() / "samples" / name).read_bytes()
        assert (tmp_path / "zooactive-demo" / name).read_bytes() == expected


def test_a_folder_in_use_is_left_as_it_is(called, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.txt").write_text("mine")
    assert "here exists already" in zooactive("demo", "here", folder=tmp_path, code=1).stderr
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["mine.txt"]
    assert called == []


def test_a_stop_says_which_steps_are_kept_and_how_to_go_on(called, tmp_path, monkeypatch):
    def stopped(**given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.predict, "command", stopped)
    said = zooactive("demo", "here", folder=tmp_path, code=130).stderr
    assert [name for name, _ in called] == ["prepare", "train"]
    kept = "the earlier steps are kept in here; resume there with `zooactive predict`, or delete the folder to start again"
    assert said.endswith(f"zooactive: stopped; {kept}\n")
