"""Programs are told of work by `logging`: events with values, no handler of the library's own."""

from __future__ import annotations

import ast
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import zooactive
from zooactive.foundation.logs import EVENTS, JsonLines, log
from zooactive.foundation.writing import write_json

PACKAGE = Path(zooactive.__file__).parent


def record(**values: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "zooactive.here", "levelname": "INFO", "levelno": 20, **values})


def test_a_record_is_one_line_of_json_with_its_values():
    said = JsonLines().format(record(event="epoch", values={"loss": 0.5, "ids": "a\nb", "file": Path("x")}))
    assert "\n" not in said
    entry = json.loads(said)
    assert {name: entry[name] for name in ("level", "event", "logger", "loss", "ids", "file")} == {
        "level": "info", "event": "epoch", "logger": "zooactive.here", "loss": 0.5, "ids": "a\nb", "file": "x",
    }  # fmt: skip
    assert entry["time"].endswith("+00:00")


def test_a_number_that_is_not_finite_is_no_invalid_json():
    entry = json.loads(JsonLines().format(record(event="epoch", values={"losses": [float("nan"), float("inf"), 1.0]})))
    assert entry["losses"] == [None, None, 1.0]


def test_a_record_of_anothers_is_a_message():
    entry = json.loads(JsonLines().format(record(msg="%d of them", args=(3,))))
    assert (entry["event"], entry["message"]) == ("message", "3 of them")


def test_events_reach_who_listens_and_say_what_plain_loggers_show(caplog):
    caplog.set_level(logging.DEBUG, logger="zooactive")
    log("zooactive.here", logging.WARNING, "images failed", part=3)
    assert [(entry.levelname, entry.getMessage()) for entry in caplog.records] == [("WARNING", "images failed: part 3")]
    assert caplog.records[0].filename == "test_logs.py"


def test_a_file_that_is_written_is_told(caplog, tmp_path):
    caplog.set_level(logging.DEBUG, logger="zooactive")
    write_json(tmp_path / "a.json", {})
    assert [entry.values for entry in caplog.records] == [{"file": str(tmp_path / "a.json")}]  # type: ignore[attr-defined]


def test_the_library_says_nothing_where_nobody_set_up_logging(tmp_path):
    code = (
        "import logging, zooactive.foundation.logs as logs\n"
        "logs.log('zooactive.here', logging.ERROR, 'failed', said='loud')\n"
        "root = logging.getLogger('zooactive')\n"
        "print([type(handler).__name__ for handler in root.handlers], root.level, logging.getLogger().handlers)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("['NullHandler'] 0 []\n", "")


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


def test_nothing_in_the_library_prints_but_what_shows_work():
    printing = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls(path))
    ]
    assert printing == ["foundation/showing.py"]


def test_each_event_is_one_that_programs_may_rely_on_and_each_of_these_occurs():
    found = {"message"}
    for path in PACKAGE.rglob("*.py"):
        for call in calls(path):
            if isinstance(call.func, ast.Name) and call.func.id == "log" and len(call.args) > 2:
                found |= {node.value for node in ast.walk(call.args[2]) if isinstance(node, ast.Constant)}
    assert found == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_the_page_says_what_each_event_is(event):
    page = PACKAGE.parent / "docs" / "pipelines.md"
    if not page.exists():
        pytest.skip("the pages are not here")
    assert f"| `{event}` |" in page.read_text(encoding="utf-8")
