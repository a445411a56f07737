"""Every answer that somebody gave, in the order in which they came, on the disk before anybody is told that it counts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.reading import check_regular
from zooactive.foundation.writing import output_explained


@dataclass(frozen=True)
class Event:
    """One thing that a labeller did.

    Parameters
    ----------
    galaxy : str
    question : str
    answer : str
        One of the question's, or "" for a galaxy that was skipped, of the first question then.
    labeller : str
    time : str
        In UTC, ISO 8601.
    chosen : str
        How the galaxy was chosen: one of `zooactive.foundation.vocabulary.CHOSEN`.
    probability : float, optional
        Of the random arm: with which it was drawn, of the galaxies that nobody had answered.
    undoes : int, optional
        The number of the event, from 0, that this one takes back.
    """

    galaxy: str
    question: str
    answer: str
    labeller: str
    time: str
    chosen: str
    probability: float | None = None
    undoes: int | None = None


class Journal:
    """The file of all events, to which lines are added and in which none is ever changed.

    Parameters
    ----------
    file : Path
        Made where it is not there. What a power cut left of a line that was never acknowledged is cut off.

    Raises
    ------
    CatalogueError
        When a line is none of a journal's.
    OutputError
        When the file cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with output_explained(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            check_regular(file) if file.exists() else None
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            folder = os.open(file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        content = file.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)
        self.events = list(self._read(content[:whole]))
        self._length = whole

    def add(self, *events: Event) -> None:
        """Write events and have the disk keep them. A failure leaves the file as it was."""
        lines = "".join(json.dumps(_short(event), ensure_ascii=False) + "\n" for event in events).encode()
        with output_explained(self._file):
            try:
                written = 0
                while written < len(lines):
                    written += os.write(self._descriptor, lines[written:])
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, self._length)
                raise
        self._length += len(lines)
        self.events += events

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _read(self, content: bytes) -> Iterator[Event]:
        for number, line in enumerate(content.splitlines(), 1):
            said = f"{self._file}, line {number} is damaged ({{reason}}); delete it, and those after it if they are too"
            with explained(CatalogueError, said, Exception):
                yield _event(json.loads(line))


def _short(event: Event) -> dict[str, Any]:
    return {name: value for name, value in asdict(event).items() if value is not None}


def _event(values: Any) -> Event:
    event = Event(**values)
    texts = (event.galaxy, event.question, event.answer, event.labeller, event.time, event.chosen)
    if not all(isinstance(text, str) for text in texts) or not isinstance(event.undoes, int | None):
        raise ValueError("an entry has another type than it should")
    return event
