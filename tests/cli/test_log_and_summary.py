"""What programs hear of a command: a log of events, a summary, and an alarm that a script raises by both."""

from __future__ import annotations

import json
import logging
import runpy
import shutil
import signal
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import warm_interpreter
from small_survey import Begun, begun_workspace, change, read_json, zooactive
from warm_interpreter import AS_COMMAND

from zooactive.foundation.logs import ROOT

ALARM = Path(__file__).resolve().parents[2] / "examples" / "alarm.py"


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


@pytest.fixture
def home(begun, tmp_path) -> Path:
    return shutil.copytree(begun.home, tmp_path / "home")


@pytest.fixture
def pool(begun, tmp_path) -> tuple[object, ...]:
    """Options that predict galaxies of which three images cannot be read."""
    images = shutil.copytree(begun.survey / "images", tmp_path / "images")
    for number in range(3):
        (images / f"g{number:03d}.jpg").write_bytes(b"no image")
    return ("--catalogue", begun.survey / "survey.csv", "--images", images, "--draws", 4)


def events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def alarms(folder: Path, *options: str, monkeypatch, capsys) -> tuple[int, list[str]]:
    """Run the example that reads a log and a summary."""
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["alarm.py", str(folder / "run.log"), str(folder / "summary.json"), *options])
    code = runpy.run_path(str(ALARM), run_name="example")["main"]()
    return code, capsys.readouterr().out.splitlines()


@pytest.fixture
def raised(home, monkeypatch, capsys):
    return lambda *options: alarms(home, *options, monkeypatch=monkeypatch, capsys=capsys)


TOLD = ("--log", "run.log", "--summary", "summary.json")


def test_a_prediction_with_faults_is_told_by_kind_with_pace_memory_and_checksums(home, pool):
    done = zooactive("predict", *pool, *TOLD, "--quiet", folder=home)
    assert (done.stdout, done.stderr) == ("", "")
    found = read_json(home / "summary.json")
    assert (found["command"], found["exit_code"], found["outcome"], found["error"]) == ("predict", 0, "done", None)
    assert found["counts"] == {"galaxies": 64, "predicted": 61, "failed": 3}
    assert found["failures"] == {"permanent": 3}
    assert found["rates"]["per_second"] == pytest.approx(64 / found["jobs"][0]["seconds"], rel=0.01)
    assert found["peak_memory_bytes"] > 50e6
    predictions = home / "predictions"
    names = {Path(output["path"]).name for output in found["outputs"]}
    assert names == {"part-00000.parquet", "failures.parquet", "head.npz"}
    for output in found["outputs"]:
        content = (predictions / Path(output["path"]).name).read_bytes()
        assert output["blake2b"] == blake2b(content, digest_size=16).hexdigest()
        assert output["bytes"] == len(content)

    log = events(home / "run.log")
    assert [entry["event"] for entry in log if entry["event"] != "said"] == [
        "command begun", "part written", "images failed", "done", "command ended",
    ]  # fmt: skip
    failed = next(entry for entry in log if entry["event"] == "images failed")
    assert (failed["level"], failed["failures"]) == ("warning", {"permanent": 3})
    assert failed["first"]["id"] == "g000"


def test_alarms_are_raised_for_failures_and_pace_and_not_where_all_is_well(home, pool, raised):
    zooactive("predict", *pool, *TOLD, folder=home)
    assert raised("--least", "0", "--most-failed", "0.1") == (0, ["all is well"])
    code, said = raised("--least", "1e9")
    assert code == 2
    assert said[0] == "incomplete: 3 of 64 galaxies failed (3 permanent)"
    assert said[1].startswith("slow: ")
    again = events(home / "run.log")[0] | {"process": 0}  # of a second run, which was killed before it wrote a summary
    with (home / "run.log").open("a") as log:
        log.write(json.dumps(again) + "\n")
    code, said = raised("--least", "1e9")
    assert [line.partition(":")[0] for line in said] == ["lost", "incomplete", "slow"]
    assert code == 3


def test_an_alarm_is_raised_for_a_command_that_failed(home, raised):
    zooactive("predict", "--model", "nowhere", *TOLD, folder=home, code=1)
    code, said = raised()
    assert code == 1
    assert said[0].startswith("incomplete: predict ended with 1: nowhere")
    failed = [entry for entry in events(home / "run.log") if entry["event"] == "failed"]
    assert [(entry["level"], entry["kind"]) for entry in failed] == [("error", "ModelError")]


KILLED = """
import os, signal
from zooactive.foundation.parts_folder import Tally
Tally.count = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_alarm_is_raised_for_a_command_that_was_killed(home, pool, raised):
    from tiny_network import __file__ as tiny

    known = f"import sys; sys.path.append({str(Path(tiny).parent)!r}); import tiny_network; tiny_network.tiny_network()\n"
    done = warm_interpreter.run(known + KILLED + AS_COMMAND, "predict", *pool, *TOLD, folder=home)
    assert done.returncode == -signal.SIGKILL, done.stderr
    code, said = raised()
    assert code == 1
    assert said[0].startswith("lost: predict began at ")


def marks(outputs: list[dict[str, Any]]) -> list[str]:
    """Return what the files of a summary hold now."""
    return [blake2b(Path(output["path"]).read_bytes(), digest_size=16).hexdigest() for output in outputs]


def test_each_command_of_a_survey_sums_itself_up_with_its_table(home, begun, tmp_path):
    labels = (begun.survey / "rings.csv", "--task", "rings", "--images", begun.survey / "images", "--policy", "head")
    for words, counts, rows in [
        (("train",), {"galaxies", "set aside", "epochs"}, None),
        (("predict", "--draws", 4), {"galaxies", "predicted", "failed"}, None),
        (("acquire", "--n", 5), {"galaxies", "pool", "acquired", "excluded"}, 5),
        (("finetune", *labels), {"galaxies", "held out"}, 1),
        (("allocate", "--clicks", 100, "--ceiling", 6), {"galaxies", "get more", "volunteers"}, 64),
        (("votes", begun.survey / "survey.csv", "--tree", begun.survey / "tree.toml"), {"galaxies", "votes", "files"}, 0),
    ]:
        said = zooactive(*words, "--summary", "summary.json", "--json", folder=home).stdout
        found = read_json(home / "summary.json")
        table = None if rows is None else json.loads(said)["table"]
        assert json.loads(said) == (found if rows is None else found | {"table": table})
        assert table is None or len(table) == rows, words[0]
        assert (found["command"], found["outcome"], found["failures"]) == (words[0], "done", {})
        assert counts <= set(found["counts"]), words[0]
        assert (words[0] == "train") == (found["rates"] == {})  # that was over already
        assert min(found["seconds"], found["peak_memory_bytes"]) > 0
        assert found["outputs"], words[0]
        assert all(Path(output["path"]).is_absolute() for output in found["outputs"])
        assert [output["blake2b"] for output in found["outputs"]] == marks(found["outputs"])


@pytest.mark.filterwarnings("ignore:.* contradict themselves")
def test_what_was_left_out_of_labels_and_votes_is_counted_by_why(home, begun, tmp_path):
    labels = pd.read_csv(begun.survey / "rings.csv").assign(mass=np.linspace(9, 11, 64).round(3).astype(str))
    labels.loc[:2, "mass"] = ""
    labels.to_csv(tmp_path / "mass.csv", index=False)
    words = (tmp_path / "mass.csv", "--column", "mass", "--images", begun.survey / "images", "--policy", "head")
    found = json.loads(zooactive("finetune", *words, "--json", folder=home).stdout)
    assert (found["counts"]["galaxies"], found["failures"]) == (61, {"without a value": 3})

    change(
        shutil.copy(begun.survey / "survey.csv", tmp_path), lambda table: table.assign(bar_no=["1e6", *table["bar_no"][1:]])
    )
    words = (tmp_path / "survey.csv", "--tree", begun.survey / "tree.toml", "--max-set-aside", 0.1)
    found = json.loads(zooactive("votes", *words, "--json", folder=home).stdout)
    assert sum(found["failures"].values()) == 1
    assert found["table"][0]["reason"] in found["failures"]


def test_a_command_with_a_table_that_failed_says_why_in_its_json(home):
    found = json.loads(zooactive("acquire", "--predictions", "nowhere", "--json", folder=home, code=1).stdout)
    assert (found["outcome"], found["counts"], "table" in found) == ("failed", {}, False)
    assert found["error"]["said"].startswith("nowhere")


def test_training_that_is_over_has_no_pace(home):
    zooactive("train", "--summary", "summary.json", folder=home)
    found = read_json(home / "summary.json")
    assert found["counts"]["epochs"] == 2
    assert found["rates"] == {}


def test_the_summary_is_on_stdout_where_json_is_asked_for(home):
    for asked in (("--json",), ("--summary", "-")):
        assert json.loads(zooactive("predict", "--draws", 4, *asked, folder=home).stdout)["counts"]["galaxies"] == 64


STOPPED = """
import os, signal
from zooactive.foundation.parts_folder import Tally
Tally.count = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_command_that_was_ended_says_what_is_kept_in_its_summary_too(home, pool):
    from tiny_network import __file__ as tiny

    known = f"import sys; sys.path.append({str(Path(tiny).parent)!r}); import tiny_network; tiny_network.tiny_network()\n"
    done = warm_interpreter.run(known + STOPPED + AS_COMMAND, "predict", *pool, *TOLD, "--json", folder=home)
    assert done.returncode == 143, done.stderr
    found = read_json(home / "summary.json")
    assert found == json.loads(done.stdout)
    assert (found["outcome"], found["error"]["kind"]) == ("ended by SIGTERM", "Terminated")
    assert "run it again to start over" in found["error"]["said"]
    assert events(home / "run.log")[-1]["exit_code"] == 143


def test_quiet_leaves_warnings_and_failures(home, tmp_path):
    assert zooactive("trees", "rings", "--quiet", folder=home).stderr == ""
    assert "zooactive: there is no decision tree" in zooactive("trees", "gz3", "--quiet", folder=home, code=1).stderr
    (tmp_path / "some.csv").write_text("id\nnobody\n")
    zooactive("predict", "--draws", 4, "--quiet", folder=home)
    told = zooactive("acquire", "--n", 3, "--exclude", tmp_path / "some.csv", "--quiet", folder=home).stderr
    assert told.startswith("warning: none of the 1 galaxies in")
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("progress", ["none", "plain", "bar"])
def test_each_way_to_show_progress_is_taken(home, progress):
    zooactive("predict", "--draws", 4, "--out", f"by-{progress}", "--progress", progress, folder=home)
    assert "there is no progress 'bars'. Did you mean 'bar'?" in " ".join(
        zooactive("predict", "--progress", "bars", folder=home, code=2).stderr.replace("│", " ").split()
    )


def test_a_log_that_cannot_be_opened_is_a_failure_in_a_sentence(home):
    (home / "file").write_text("")
    told = zooactive("trees", "rings", "--log", "file/run.log", folder=home, code=1).stderr
    assert "cannot be written" in told


def test_a_summary_that_cannot_be_written_is_a_failure_in_a_sentence(home):
    told = zooactive("trees", "rings", "--summary", "zooactive.toml/summary.json", folder=home, code=1).stderr
    assert "zooactive: the summary cannot be written" in told


def test_logging_and_progress_are_afterwards_as_they_were(home):
    before = (list(ROOT.handlers), ROOT.level)
    zooactive("trees", "rings", *TOLD, "--quiet", folder=home)
    assert (list(ROOT.handlers), ROOT.level) == before
    assert "Then: " in zooactive("trees", "rings", folder=home).stderr


def test_debug_writes_files_into_the_log_too(home):
    zooactive("--debug", "predict", "--draws", 4, "--log", "run.log", folder=home)
    written = [entry for entry in events(home / "run.log") if entry["event"] == "file written"]
    assert any(entry["file"].endswith("part-00000.parquet") for entry in written)
    assert logging.getLogger("zooactive").level == logging.NOTSET
