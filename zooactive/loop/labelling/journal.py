"""Every answer that somebody gave, in order of arrival, written to disk before the answer is confirmed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zooactive.foundation.appended import AppendedLines


@dataclass(frozen=True)
class Event:
    """One action of a labeller.

    Parameters
    ----------
    galaxy : str
    question : str
    answer : str
        One of the question's answers. For a skipped galaxy it is "", and the question is the first one.
    labeller : str
    time : str
        The time in UTC, in ISO 8601.
    chosen : str
        How the galaxy was chosen: one of `zooactive.foundation.vocabulary.CHOSEN`.
    probability : float, optional
        For a galaxy of the random arm: the probability with which it was drawn from the galaxies that nobody had answered.
    undoes : int, optional
        The number, from 0, of the event that this one undoes.
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
    """The file of all events, a subclass of `AppendedLines`."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, parse=_event, values=_short, number=FORMAT)

    @property
    def events(self) -> list[Event]:
        """All events in order of arrival."""
        return self.entries


def _short(event: Event) -> dict[str, Any]:
    return {name: value for name, value in asdict(event).items() if value is not None}


def _event(values: Any) -> Event:
    event = Event(**values)
    texts = (event.galaxy, event.question, event.answer, event.labeller, event.time, event.chosen)
    if not all(isinstance(text, str) for text in texts) or not isinstance(event.undoes, int | None):
        raise ValueError("an entry has the wrong type")
    return event
