"""Commands in processes of their own: what they load, what goes to which stream, and how they end."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm_interpreter
from small_survey import read_json, write_survey, zooactive
from warm_interpreter import AS_COMMAND

COMMANDS = (
    "init", "demo", "show", "trees", "prepare", "train", "predict", "acquire", "finetune", "evaluate", "top", "similar",
    "export", "votes", "report",
)  # fmt: skip


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Type a command as users do, in an interpreter that is new."""
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
    plain, debug = (warm_interpreter.run(AS_COMMAND, *words, "trees", "gz3", folder=tmp_path) for words in ([], ["--debug"]))
    assert (plain.returncode, plain.stdout) == (1, "")
    assert len(plain.stderr.splitlines()) == 1
    assert plain.stderr.startswith("zooactive: there is no decision tree and no task 'gz3'")
    assert (debug.returncode, debug.stdout) == (1, "")
    assert "Traceback" in debug.stderr
    assert "TreeError" in debug.stderr


def test_a_wrong_option_ends_with_two(tmp_path):
    done = warm_interpreter.run(AS_COMMAND, "acquire", "--number", 3, folder=tmp_path)
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


TESTS = str(Path(__file__).resolve().parents[1])
SMALLER = f"""
import sys
sys.path.insert(0, {TESTS!r})
import tiny_network
from zooactive.models.backbones import register

register._BUILDERS["small_cnn"] = tiny_network._BUILDERS[1]
"""
"""The smallest network in the place of small_cnn: it is traced in half the time."""

PAUSED = """
import select, signal, socket, sys
import keras

epoch, fit = int(sys.argv.pop(1)), keras.Model.fit
heard, noted = socket.socketpair()
noted.setblocking(False)
signal.set_wakeup_fd(noted.fileno())

class Pause(keras.callbacks.Callback):
    def on_epoch_begin(self, begun, logs=None):
        self.here = begun + 1 == epoch
    def on_train_batch_end(self, batch, logs=None):
        select.select([heard], [], [], 120 * self.here)

def paused(self, *given, callbacks, **options):
    return fit(self, *given, callbacks=[Pause(), *callbacks], **options)

keras.Model.fit = paused
"""
"""A command whose training waits in the middle of an epoch, the first of its words, for the signal that the test sends."""


TRAIN = ["train", "--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images", "--backbone", "small_cnn"]
TRAIN += ["--image-size", "16", "--epochs", "5", "--batch-size", "8", "--deterministic", "--run-dir"]


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    """A survey, and the run `whole` that nobody disturbed."""
    folder = write_survey(tmp_path_factory.mktemp("processes") / "survey", 36)
    new = [sys.executable, "-c", SMALLER + AS_COMMAND]
    whole = subprocess.run([*new, *TRAIN, "whole"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout == ""
    return folder


def test_training_stopped_by_ctrl_c_and_then_killed_ends_as_a_deterministic_run_that_was_not(survey):
    folder, words = survey, TRAIN
    checkpoint = folder / "stopped" / "checkpoint" / "state.json"

    def ended_by(sent: signal.Signals, *, in_epoch: int) -> tuple[int | None, str]:
        process = warm_interpreter.start(SMALLER + PAUSED + AS_COMMAND, in_epoch, *words, "stopped", folder=folder)
        told = ""
        while f"epoch {in_epoch - 1}:" not in told and process.poll() is None:
            told += process.stderr.readline()
        process.send_signal(sent)
        told += process.communicate(timeout=60)[1]
        assert len(read_json(checkpoint)["epochs"]) == in_epoch - 1
        return process.returncode, told

    code, told = ended_by(signal.SIGINT, in_epoch=3)
    assert code == 130, told
    assert "Traceback" not in told
    assert told.strip().splitlines()[-1] == (
        "zooactive: stopped; epochs 1 to 2 are kept in stopped; run it again to resume with epoch 3"
    )
    assert (folder / "stopped" / "model" / "model.json").exists()

    assert ended_by(signal.SIGKILL, in_epoch=4)[0] == -signal.SIGKILL

    assert warm_interpreter.run(SMALLER + AS_COMMAND, *words, "stopped", folder=folder).returncode == 0
    stopped, whole = ((folder / name / "history.csv").read_text() for name in ("stopped", "whole"))
    assert stopped == whole
    stopped, whole = (read_json(folder / name / "model" / "model.json")["fingerprint"] for name in ("stopped", "whole"))
    assert stopped == whole


STOPPED = """
import os, signal, sys

sent = getattr(signal, sys.argv.pop(1))

def stop(*_, **__):
    os.kill(os.getpid(), sent)

"""
IN_THE_FIRST_EPOCH = """
from zooactive.training import keeper
keeper.seed_epoch = stop
"""
IN_THE_FEATURES = """
import zooactive.models.features
zooactive.models.features.forward = stop
"""
IN_PARTS_OF_8 = """
import functools, importlib
predict = importlib.import_module("zooactive.prediction.predict")
predict.PredictionConfig = functools.partial(predict.PredictionConfig, rows_per_part=8)
"""
IN_THE_FIRST_PART = """
from zooactive.foundation.parts_folder import Tally
Tally.count = stop
"""
IN_A_LATER_PART = """
from zooactive.foundation.parts_folder import PartsFolder
write = PartsFolder.write

def written(self, part, *given, **options):
    write(self, part, *given, **options)
    if part == 1:
        stop()

PartsFolder.write = written
"""


@pytest.mark.parametrize(
    ("where", "words", "kept"),
    [
        (
            IN_THE_FIRST_EPOCH,
            [*TRAIN, "first"],
            "nothing is kept in first before the first epoch is done; run it again to start over",
        ),
        (
            IN_THE_FEATURES,
            ["finetune", "rings.csv", "--task", "rings", "--images", "images", "--model", "whole", "--policy", "head"],
            "nothing is kept of a fine-tuning before its end; run it again to start over",
        ),
        (
            IN_THE_FIRST_PART,
            ["predict", "--catalogue", "survey.csv", "--images", "images", "--model", "whole", "--out", "none"],
            "nothing is kept in none before its first 36 galaxies; run it again to start over",
        ),
        (
            IN_PARTS_OF_8 + IN_A_LATER_PART,
            ["predict", "--catalogue", "survey.csv", "--images", "images", "--model", "whole", "--out", "some"],
            "{kept} of 36 galaxies are kept in some; run it again to resume",
        ),
    ],
    ids=["train", "finetune", "predict-first", "predict"],
)
@pytest.mark.parametrize(("sent", "code", "told"), [("SIGINT", 130, "stopped"), ("SIGTERM", 143, "ended by SIGTERM")])
def test_ctrl_c_and_sigterm_say_what_is_kept_and_what_is_done_again(survey, where, words, kept, sent, code, told):
    shutil.rmtree(survey / "some", ignore_errors=True)
    done = warm_interpreter.run(SMALLER + STOPPED + where + AS_COMMAND, sent, *words, folder=survey)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    parts = len(list((survey / "some").glob("part-*.parquet")))
    kept = kept.format(kept=min(36, 8 * parts))
    assert done.stderr.strip().splitlines()[-1] == f"zooactive: {told}; {kept}"
    assert "Traceback" not in done.stderr


def test_ctrl_c_where_nobody_knows_better_ends_in_a_true_sentence(tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zooactive.tree.load_tree", stop)
    told = zooactive("trees", "gz2", folder=tmp_path, code=130).stderr
    assert told == "zooactive: stopped; no file is half written; run the same command again to do the rest\n"
