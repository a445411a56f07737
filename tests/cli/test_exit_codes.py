"""Commands end with one of the codes of the table, and the page has the same table."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import warm_interpreter
from small_survey import write_survey, zooactive
from warm_interpreter import AS_COMMAND

from zooactive.cli.exit_codes import EXIT_CODES, NOT_WHOLE, OUTCOMES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pipelines.md"


def sent(name: str) -> str:
    """A command that is sent a signal while it works."""
    return (
        "import os, signal, zooactive.tree\n"
        f"zooactive.tree.load_tree = lambda *_: os.kill(os.getpid(), signal.{name}) or __import__('time').sleep(60)\n"
    )


CODES = {
    0: ("", ("trees", "rings")),
    1: ("", ("trees", "gz3")),
    2: ("", ("trees", "--nothing")),
    130: (sent("SIGINT"), ("trees", "rings")),
    143: (sent("SIGTERM"), ("trees", "rings")),
}


@pytest.mark.parametrize("code", CODES)
def test_a_command_ends_with_its_code(code, tmp_path):
    before, words = CODES[code]
    done = warm_interpreter.run(before + AS_COMMAND, *words, folder=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


CHANGED = """
import os, signal, sys, time, zooactive.tree

number = getattr(signal, sys.argv.pop(1))

def load_tree(*_):
    try:
        os.kill(os.getpid(), number)
        time.sleep(60)
    except KeyboardInterrupt:
        raise AttributeError("_type_spec") from None

zooactive.tree.load_tree = load_tree
"""


@pytest.mark.parametrize(("number", "code", "told"), [("SIGINT", 130, "stopped"), ("SIGTERM", 143, "ended by SIGTERM")])
def test_a_stop_that_a_library_made_an_error_of_its_own_is_told_as_the_stop(number, code, told, tmp_path):
    kept = f"zooactive: {told}; no file is half written; run the same command again to do the rest\n"
    done = warm_interpreter.run(CHANGED + AS_COMMAND, number, "trees", "rings", folder=tmp_path)
    assert (done.returncode, done.stderr) == (code, kept)
    done = warm_interpreter.run(CHANGED + AS_COMMAND, number, "--debug", "trees", "rings", folder=tmp_path)
    assert done.returncode == code
    assert done.stderr.endswith(f"AttributeError: _type_spec\n{kept}")


def test_a_survey_that_is_not_whole_has_a_code_of_its_own(tmp_path):
    survey = write_survey(tmp_path / "survey", 8)
    for number in range(4):
        (survey / "images" / f"g{number:03d}.jpg").write_bytes(b"no image")
    named = ("--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images", "--image-size", 16)
    done = zooactive("prepare", *named, folder=survey, code=NOT_WHOLE)
    assert done.exit_code == 3
    assert "4 of 8 galaxies (50%) failed" in done.stderr


def test_every_code_is_looked_at():
    assert {*CODES, NOT_WHOLE} == set(EXIT_CODES)
    assert set(OUTCOMES) < set(EXIT_CODES)


def test_the_page_has_the_same_table():
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {int(code): said for code, said in rows.items()} == EXIT_CODES


def test_no_command_ends_with_a_number_of_its_own():
    package = Path(sys.modules["zooactive"].__file__ or "").parent
    found = [
        f"{path.name}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"typer\.Exit\(\d+\)", line)
    ]
    assert found == []
