"""`zooactive loop step` as it is typed, and as a method, on the stand-in of the Zooniverse."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import pytest
from typer.testing import CliRunner
from zooniverse_project import SETTINGS, project

import zooactive as za
from zooactive.cli import app
from zooactive.foundation.errors import UploadError, WorkspaceError
from zooactive.foundation.locking import held
from zooactive.loop.stepping.config import StepConfig
from zooactive.workspace.sections import Zooniverse

pytest.importorskip("panoptes_client", reason="the Zooniverse's client is an extra")


@pytest.fixture
def world(tmp_path, monkeypatch):
    with project(tmp_path / "survey", monkeypatch) as there:
        yield there


def typed(folder, *words: object, code: int = 0) -> str:
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, ["loop", "step", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.stderr


def changes(world) -> list[str]:
    return [call for call in world.calls if not call.startswith("GET")]


def test_a_dry_run_prints_what_the_step_then_does(world, tmp_path):
    folder = tmp_path / "survey"
    ahead = typed(folder, "--dry-run")
    assert changes(world) == []
    assert "would upload 12 subjects of round 0" in ahead
    assert "5 changes would be made" in ahead
    done = typed(folder)
    assert "waits: round 0: 0 of 12 subjects are done, 0 were classified" in done
    assert "link the set of round 0 to the workflow" in done
    assert len(world.linked) == 1
    assert {entry["metadata"]["credit"] for entry in world.subjects.values()} == {"a made-up survey"}
    with (folder / "images" / "g030.jpg").open("rb") as stream:
        assert stream.read(3) in {content[:3] for content in world.images.values()}
    assert "0 changes made" in typed(folder)


def test_a_change_that_fails_ends_in_1_so_that_cron_writes_a_mail(world, tmp_path):
    from zooniverse_stand_in import Fault

    world.faults.append(Fault(409, lambda method, path: path.endswith("links/subject_sets"), said="stale"))
    said = typed(tmp_path / "survey", code=1)
    assert "failed: link the set of round 0 to the workflow" in said
    assert "409: stale" in said
    assert "1 that failed; the next step resumes there" in said


def test_the_method_does_what_the_command_does(world, tmp_path):
    workspace = za.load_workspace(tmp_path / "survey", progress=None)
    assert [line.split(" ")[0] for line in workspace.loop_step(dry_run=True).done] == [
        "train", "make", "upload", "put", "link",
    ]  # fmt: skip
    assert workspace.loop_step(n=5).failed == ()
    assert world.uploaded == 5


def test_caesar_gets_its_rule_on_request_alone_and_once(world, tmp_path):
    folder = tmp_path / "survey"
    typed(folder)
    assert not any("caesar" in call for call in world.calls)
    ahead = typed(folder, "--caesar", "metadata", "--dry-run")
    assert "post to Caesar: the extractor 'T0'" in ahead
    assert world.caesar == {"extractors": [], "reducers": [], "subject_rules": []}
    assert "5 changes made" in typed(folder, "--caesar", "metadata")
    assert [entry["key"] for entry in world.caesar["reducers"]] == ["count", "stop_at"]
    assert "subject.#stop_at" in world.caesar["subject_rules"][0]["condition_string"]
    assert world.effects == [{"rule": "1", "action": "retire_subject", "config": {"reason": "other"}}]
    assert "Caesar has everything already" in typed(folder, "--caesar", "metadata")
    assert len(world.caesar["subject_rules"]) == 1
    world.effects.clear()  # a command that was killed between the rule and its effect
    assert "the rule's effect" in typed(folder, "--caesar", "metadata")
    assert (len(world.caesar["subject_rules"]), len(world.effects)) == (1, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("project = 7", ""), "names no project; write project = NUMBER"),
        (('wording = "wording.toml"', ""), "names no wording"),
        (("workflow = 77", "workflow = 78"), "does not word workflow 78"),
        (("ceiling = 8", "ceiling = 4"), "would ever be trained on; lower min_votes"),
    ],
)
def test_what_the_workspace_lacks_is_said(change, said, tmp_path, monkeypatch):
    with project(tmp_path / "survey", monkeypatch, SETTINGS.replace(*change)), pytest.raises(WorkspaceError, match=said):
        za.load_workspace(tmp_path / "survey", progress=None).loop_step()


def test_without_a_name_or_with_a_log_of_everything_nothing_is_asked(world, tmp_path, monkeypatch):
    workspace = za.load_workspace(tmp_path / "survey", progress=None)
    monkeypatch.setenv("PANOPTES_DEBUG", "1")
    with pytest.raises(UploadError, match="PANOPTES_DEBUG makes the client log links"):
        workspace.loop_step()
    monkeypatch.delenv("PANOPTES_DEBUG")
    monkeypatch.delenv("PANOPTES_CLIENT_SECRET")
    with pytest.raises(UploadError, match="set PANOPTES_USERNAME and PANOPTES_PASSWORD or"):
        workspace.loop_step()
    assert not world.calls


def test_two_loops_on_one_workflow_do_not_run_side_by_side_whatever_their_folders(world, tmp_path):
    other = tmp_path / "cache" / "zooactive" / "workflows" / "77"
    with ThreadPoolExecutor(1) as pool, held(other):
        said = pool.submit(typed, tmp_path / "survey", "--folder", "another", code=1).result()
    assert "is in use by process" in said
    assert changes(world) == []


def test_the_table_of_the_file_has_the_defaults_of_a_step():
    own, of_table = StepConfig(), Zooniverse()
    for entry in fields(StepConfig):
        if entry.name not in ("project", "workflow"):
            assert getattr(of_table, entry.name) == getattr(own, entry.name)
