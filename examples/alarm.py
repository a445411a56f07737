"""Read the log and the summary of a command, and raise an alarm on three conditions: `python alarm.py LOG SUMMARY`.

    zooactive predict --log run.log --summary summary.json --quiet; python alarm.py run.log summary.json

* lost: the summary is missing, or the log's last command has no end: killed, or still at work;
* incomplete: the command did not end well, or more galaxies failed than may fail;
* slow: fewer galaxies a second than expected.

Each alarm is a line on stdout, and the exit code is the number of alarms. Without files, a run with two damaged images of
twelve shows what an alarm looks like.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def lost(log: list[dict[str, Any]], summary: dict[str, Any] | None) -> str | None:
    """Say that a command has no end."""
    begun = [entry for entry in log if entry["event"] == "command begun"]
    if not begun:
        return "lost: the log has no command"
    last = begun[-1]
    same = [entry for entry in log if (entry["host"], entry["process"]) == (last["host"], last["process"])]
    if not any(entry["event"] == "command ended" for entry in same):
        heard = f"last heard of at {same[-1]['time']}"
        return f"lost: {last['command']} began at {last['time']} on {last['host']} and has no end, {heard}"
    return "lost: there is no summary" if summary is None else None


def incomplete(summary: dict[str, Any], most_failed: float) -> str | None:
    """Say that a command did not end well, or that too many galaxies failed."""
    if summary["exit_code"] not in (0, 3):
        why = (summary["error"] or {}).get("said", summary["outcome"])
        return f"incomplete: {summary['command']} ended with {summary['exit_code']}: {why}"
    counts = summary["counts"]
    share = counts.get("failed", 0) / max(counts.get("galaxies", 0), 1)
    if share > most_failed:
        kinds = ", ".join(f"{number} {kind}" for kind, number in summary["failures"].items())
        return f"incomplete: {counts['failed']} of {counts['galaxies']} galaxies failed ({kinds})"
    return None


def slow(summary: dict[str, Any], least: float) -> str | None:
    """Say that the pace was low; nothing of a command that had nothing left to do."""
    pace = summary["rates"].get("per_second")
    return None if pace is None or pace >= least else f"slow: {pace:g} galaxies a second, expected {least:g}"


def main() -> int:
    """Read both files, and print the alarms."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("log", type=Path, nargs="?")
    asked.add_argument("summary", type=Path, nargs="?")
    asked.add_argument("--most-failed", type=float, default=0.01, help="share of galaxies that may fail")
    asked.add_argument("--least", type=float, default=1.0, help="galaxies a second")
    given = asked.parse_args()
    if given.log is None:
        return demonstrate(given.most_failed, given.least)
    if given.summary is None:
        asked.error("give the log and the summary")
    raised = alarms(given.log, given.summary, given.most_failed, given.least)
    print("\n".join(raised) or "all is well")
    return len(raised)


def alarms(log_file: Path, summary_file: Path, most_failed: float, least: float) -> list[str]:
    """Return the alarms that a log and a summary raise."""
    log = [json.loads(line) for line in log_file.read_text(encoding="utf-8").splitlines()]
    summary = json.loads(summary_file.read_text(encoding="utf-8")) if summary_file.exists() else None
    found = [lost(log, summary)]
    if summary is not None:
        found += [incomplete(summary, most_failed), slow(summary, least)]
    return [alarm for alarm in found if alarm is not None]


def demonstrate(most_failed: float, least: float) -> int:
    """Predict twelve images, two of them damaged, and show the alarms."""
    with tempfile.TemporaryDirectory() as folder:
        images, log, summary = Path(folder) / "images", Path(folder) / "run.log", Path(folder) / "summary.json"
        images.mkdir()
        noise = np.random.default_rng(0)
        for number in range(10):
            Image.fromarray(noise.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(images / f"{number}.png")
        for number in (10, 11):
            (images / f"{number}.png").write_bytes(b"half an image")
        words = ["predict", "--model", "bundled", "--catalogue", str(images), "--out", f"{folder}/predictions", "--quiet"]
        words += ["--log", str(log), "--summary", str(summary), "--max-failed", "1"]
        subprocess.run([sys.executable, "-m", "zooactive", *words], cwd=folder, check=True)
        raised = alarms(log, summary, most_failed, least)
    print("\n".join(raised) or "all is well")
    return 0 if raised else 1


if __name__ == "__main__":
    sys.exit(main())
