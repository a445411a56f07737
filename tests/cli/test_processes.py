"""Commands in processes of their own: what they load, what goes to which stream, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_survey import write_survey, zooactive

COMMANDS = (
    "init", "demo", "show", "trees", "prepare", "train", "predict", "acquire", "finetune", "evaluate", "top", "similar",
    "export", "votes", "report",
)  # fmt: skip


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zooactive", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=120
    )


def test_the_help_of_every_command_loads_neither_keras_nor_tensorflow_nor_pandas(tmp_path):
    code = (
        "import sys, zooactive.cli\n"
        f"for command in ({COMMANDS!r}):\n"
        "    sys.argv = ['zooactive', command, '--help']\n"
        "    try:\n"
        "        zooactive.cli.main()\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, command\n"
        "print(*sorted({'keras', 'tensorflow', 'pandas', 'scipy', 'numba'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == []
    assert done.stdout.count("Usage:") == len(COMMANDS)


def test_every_command_is_listed_and_each_option_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    listed = zooactive("--help", folder=tmp_path).stdout
    for command in COMMANDS:
        assert command in listed
        assert "--help" in zooactive(command, "-h", folder=tmp_path).stdout


def test_a_failure_is_one_line_on_stderr_and_a_traceback_only_with_debug(tmp_path):
    plain, debug = run("trees", "gz3", folder=tmp_path), run("--debug", "trees", "gz3", folder=tmp_path)
    assert (plain.returncode, plain.stdout) == (1, "")
    assert len(plain.stderr.splitlines()) == 1
    assert plain.stderr.startswith("zooactive: there is no decision tree 'gz3'")
    assert (debug.returncode, debug.stdout) == (1, "")
    assert "Traceback" in debug.stderr
    assert "TreeError" in debug.stderr


def test_a_wrong_option_ends_with_two(tmp_path):
    done = run("acquire", "--number", 3, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option" in done.stderr


def test_a_table_as_json_can_be_piped_on(tmp_path):
    done = run("trees", "--json", folder=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert {"tree": "rings", "survey": "Rings, one question", "questions": 1, "answers": 2} in json.loads(done.stdout)


def test_a_reader_that_has_seen_enough_is_met_without_a_traceback(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m zooactive trees gz2 | head -1", shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "Galaxy Zoo 2"
    assert "Traceback" not in done.stderr


def test_an_unforeseen_failure_of_the_disk_is_a_line_too(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error", "survey.csv")

    monkeypatch.setattr("zooactive.tree.load_tree", fail)
    told = zooactive("trees", "gz2", folder=tmp_path, code=1).stderr
    assert "Input/output error: 'survey.csv'" in told
    assert "--debug" in told
    with pytest.raises(AssertionError, match="ended in a traceback"):
        zooactive("--debug", "trees", "gz2", folder=tmp_path, code=1)


def test_memory_that_is_used_up_is_a_line_with_a_mend(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("zooactive.tree.load_tree", fail)
    assert "--batch-size" in zooactive("trees", "gz2", folder=tmp_path, code=1).stderr


def test_warnings_come_once_and_in_one_line(tmp_path):
    folder = write_survey(tmp_path / "survey", 24)
    table = (folder / "survey.csv").read_text().splitlines()
    cells = table[1].split(",")
    cells[-3:] = [str(int(cells[-4]) + 1), "0", "0"]  # one vote more on the bar than volunteers who were asked
    (folder / "survey.csv").write_text("\n".join([table[0], ",".join(cells), *table[2:]]))
    named = ("--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images")
    done = run("prepare", *named, "--image-size", 32, folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("warning:") == 1
    assert "taken for rounding" in done.stderr
    assert len(done.stderr.splitlines()) == 3


def test_ctrl_c_ends_with_130_and_keeps_the_epochs_that_are_done(tmp_path):
    folder = write_survey(tmp_path / "survey", 24)
    words = ["train", "--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images", "--run-dir", "run"]
    words += ["--backbone", "small_cnn", "--image-size", "32", "--epochs", "5000", "--learning-rate", "1e-6"]
    (folder / "zooactive.toml").write_text("[training]\npatience = 5000\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "zooactive", *words],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that a shell runs in the background would hand down that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    told = ""
    until = time.monotonic() + 90
    while "epoch 2:" not in told and time.monotonic() < until and process.poll() is None:
        told += process.stderr.readline()
    os.kill(process.pid, signal.SIGINT)
    told += process.communicate(timeout=60)[1]
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert told.strip().splitlines()[-1].startswith("zooactive: stopped; what was finished is kept")
    epochs = json.loads((folder / "run" / "checkpoint" / "state.json").read_text())["epochs"]
    assert len(epochs) >= 2
    assert (folder / "run" / "model" / "model.json").exists()


def test_a_deterministic_run_that_was_killed_in_an_epoch_ends_as_one_that_was_not(tmp_path):
    folder = write_survey(tmp_path / "survey", 120)
    words = ["train", "--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images", "--backbone", "small_cnn"]
    words += ["--image-size", "32", "--epochs", "6", "--batch-size", "4", "--deterministic"]

    def told_of(run_dir: str) -> tuple[str, str]:
        assert run(*words, "--run-dir", run_dir, folder=folder).returncode == 0
        about = json.loads((folder / run_dir / "model" / "model.json").read_text())
        return (folder / run_dir / "history.csv").read_text(), about["fingerprint"]

    process = subprocess.Popen(
        [sys.executable, "-m", "zooactive", *words, "--run-dir", "killed"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told = ""
    while "epoch 3:" not in told and process.poll() is None:
        told += process.stderr.readline()
    process.kill()
    process.wait()
    process.stderr.close()
    done = len(json.loads((folder / "killed" / "checkpoint" / "state.json").read_text())["epochs"])
    assert 3 <= done < 6
    assert told_of("killed") == told_of("whole")
