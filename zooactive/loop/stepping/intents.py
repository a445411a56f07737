"""The journal of a loop that runs by itself: each intended change is written before it is made, and its result after.

Every id that the Zooniverse gives is in the journal before the next call is made. A step that was killed leaves an intent
without a result; the next step finds out whether that change was made.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from zooactive.foundation.appended import AppendedLines
from zooactive.loop.stepping.facts import WORKFLOW


class Stopped(NamedTuple):
    """Why the loop asks for no more galaxies (a word and a line), the budget at that time, and when this was decided."""

    kind: str
    why: str
    budget: float | None
    at: datetime


@dataclass
class Book:
    """The state that follows from the lines of the journal.

    Parameters
    ----------
    mark : str
        A random word that marks the loop's subjects and sets, drawn when the loop began.
    began : datetime, optional
    chosen : dict
        Round -> the galaxies shown in it.
    subjects : dict
        Galaxy -> subject.
    unsure : set
        Galaxies whose subject may have been made, because no answer to the request arrived.
    ready : dict
        Round -> galaxy -> subject that has its image and the round's metadata.
    sets : dict
        Round -> id of its subject set.
    linked_at, unlinked : dict, set
        Round -> when its set was linked; and the rounds whose sets were unlinked.
    asked, heard : dict
        Export -> when the loop last asked for it; and whether an answer arrived.
    fetched, newest : dict
        Export -> the Zooniverse's time of the file fetched last; and the time of its last classification.
    quiet : bool
        Whether the last file of the workflow's export had no new classification.
    retiring : dict
        Subject -> when the loop last asked the Zooniverse to retire it.
    retired, met : set
        Subjects that are retired; and subjects that at least one volunteer has met.
    stopped : Stopped, optional
        Why the loop asks for no more galaxies.
    """

    mark: str = ""
    began: datetime | None = None
    chosen: dict[int, tuple[str, ...]] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    ready: dict[int, dict[str, str]] = field(default_factory=dict)
    sets: dict[int, str] = field(default_factory=dict)
    linked_at: dict[int, datetime] = field(default_factory=dict)
    unlinked: set[int] = field(default_factory=set)
    asked: dict[str, datetime] = field(default_factory=dict)
    heard: dict[str, bool] = field(default_factory=dict)
    fetched: dict[str, str] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    quiet: bool = False
    retiring: dict[str, datetime] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    stopped: Stopped | None = None

    def take(self, entry: Mapping[str, Any]) -> None:
        """Add a line of the journal."""
        at, done = datetime.fromisoformat(entry["at"]), entry["state"] == "done"
        match entry["do"]:
            case "begin":
                self.mark, self.began = entry["mark"], at
            case "choose" if done:
                self.chosen[entry["round"]] = tuple(entry["galaxies"])
            case "subject" if done:
                self.subjects[entry["galaxy"]] = entry["subject"]
                self.unsure.discard(entry["galaxy"])
            case "subject" if entry["state"] == "failed":
                self.unsure.discard(entry["galaxy"])
            case "subject":
                self.unsure.add(entry["galaxy"])
            case "image" if done:
                self.ready.setdefault(entry["round"], {})[entry["galaxy"]] = entry["subject"]
            case "set" if done:
                self.sets[entry["round"]] = entry["set"]
            case "link" if done:
                self.linked_at.setdefault(entry["round"], at)
            case "unlink" if done:
                self.unlinked.add(entry["round"])
            case "ask":
                self.heard[entry["of"]] = done
                self.asked[entry["of"]] = self.asked[entry["of"]] if done else at
            case "fetch" if done:
                self._fetched(entry["of"], entry["touched"], entry["newest"])
            case "retire":
                self.retiring |= dict.fromkeys(entry["subjects"], at)
            case "seen":
                self.retired |= set(entry["retired"])
                self.met |= set(entry["met"])
            case "stop":
                self.stopped = Stopped(entry["kind"], entry["why"], entry["budget"], at)

    def _fetched(self, of: str, touched: str, newest: str | None) -> None:
        last = None if newest is None else datetime.fromisoformat(newest)
        if of == WORKFLOW:
            self.quiet = last == self.newest.get(of)
        self.fetched[of] = touched
        if last is not None:
            self.newest[of] = last


class Intents:
    """The journal's file, ``journal.jsonl`` in a folder; see `Book`.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: str | Path) -> None:
        self.file = Path(folder) / "journal.jsonl"
        self.book = Book()
        self._lines: AppendedLines[dict[str, Any]] = AppendedLines(self.file, parse=self._parsed, values=dict)

    def _parsed(self, values: Any) -> dict[str, Any]:
        self.book.take(values)
        return dict(values)

    def write(self, now: datetime, do: str, state: str, **values: Any) -> None:
        """Write a line: the change ("subject", "set", ...), its state ("intent", "done", "failed"), and its values."""
        entry = {"at": now.isoformat(), "do": do, "state": state, **values}
        self._lines.add(entry)
        self.book.take(entry)

    def begin(self, now: datetime) -> None:
        """Draw the loop's mark if it has none."""
        if not self.book.mark:
            self.write(now, "begin", "done", mark=secrets.token_hex(4))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
