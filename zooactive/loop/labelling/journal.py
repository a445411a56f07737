"""Every answer that somebody gave, in the order in which they came, on the disk before anybody is told that it counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zooactive.foundation.appended import AppendedLines


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


FORMAT = 1
"""Of the journal; before it no number was written."""


class Journal(AppendedLines[Event]):
    """The file of all events, as `AppendedLines`."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, parse=_event, values=_short, number=FORMAT)

    @property
    def events(self) -> list[Event]:
        """All events, in the order in which they came."""
        return self.entries


def _short(event: Event) -> dict[str, Any]:
    return {name: value for name, value in asdict(event).items() if value is not None}


def _event(values: Any) -> Event:
    event = Event(**values)
    texts = (event.galaxy, event.question, event.answer, event.labeller, event.time, event.chosen)
    if not all(isinstance(text, str) for text in texts) or not isinstance(event.undoes, int | None):
        raise ValueError("an entry has another type than it should")
    return event
