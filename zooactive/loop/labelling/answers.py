"""What counts of all that was answered: of each labeller the last word on a galaxy, and of a galaxy the last word at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from zooactive.foundation.spelling import for_spreadsheet
from zooactive.foundation.writing import aside, output_explained
from zooactive.loop.labelling.journal import Event

AGAIN = "again"
"""How a galaxy was chosen that its labeller has answered before."""


@dataclass
class Answers:
    """The events so far, by galaxy and labeller."""

    events: list[Event] = field(default_factory=list)
    _undone: set[int] = field(default_factory=set)
    _last: dict[str, dict[str, int]] = field(default_factory=dict)
    """Galaxy -> labeller -> the number of this labeller's event that counts."""
    _counting: dict[str, int] = field(default_factory=dict)
    """Galaxy -> the number of the event that counts, in the order in which galaxies were answered first."""

    def take(self, event: Event) -> None:
        """Take in the next event."""
        number = len(self.events)
        self.events.append(event)
        if event.undoes is not None:
            self._undone.add(event.undoes)
            number = event.undoes
        galaxy, labeller = self.events[number].galaxy, self.events[number].labeller
        by = self._last.setdefault(galaxy, {})
        if event.undoes is None:
            by[labeller] = number
        else:
            before = self._before(number, galaxy, labeller)
            if before is None:
                by.pop(labeller, None)
            else:
                by[labeller] = before
        if not by:
            del self._last[galaxy]
        answered = [last for last in by.values() if self.events[last].answer]
        if answered:
            self._counting[galaxy] = max(answered)
        else:
            self._counting.pop(galaxy, None)

    def undoable(self, labeller: str) -> int | None:
        """Return the number of this labeller's last event that is not taken back, or None."""
        return next((number for number in reversed(range(len(self.events))) if self._stands(number, labeller)), None)

    @property
    def galaxies(self) -> Collection[str]:
        """The galaxies with an answer that counts."""
        return self._counting.keys()

    def counting(self, galaxy: str) -> Event | None:
        """Return the last answer that anybody gave of a galaxy; a skip is none."""
        number = self._counting.get(galaxy)
        return None if number is None else self.events[number]

    def of(self, galaxy: str) -> dict[str, Event]:
        """Return what each labeller has said last of a galaxy, skips with it."""
        return {labeller: self.events[number] for labeller, number in self._last.get(galaxy, {}).items()}

    def agreement(self) -> tuple[int, int]:
        """Return of how many galaxies all labellers say the same, and of how many several have given an answer."""
        said = [[self.events[number].answer for number in by.values()] for by in self._last.values() if len(by) > 1]
        several = [answers for given in said if len(answers := [answer for answer in given if answer]) > 1]
        return sum(len(set(answers)) == 1 for answers in several), len(several)

    def consistency(self, labeller: str) -> tuple[int, int]:
        """Return how often a labeller gave the same answer again, and how often one was asked again."""
        same = asked = 0
        before: dict[str, str] = {}
        for number, event in enumerate(self.events):
            if not self._stands(number, labeller) or not event.answer:
                continue
            if event.chosen == AGAIN and event.galaxy in before:
                asked += 1
                same += before[event.galaxy] == event.answer
            before[event.galaxy] = event.answer
        return same, asked

    def _before(self, number: int, galaxy: str, labeller: str) -> int | None:
        """Return the number of the last event of a labeller and a galaxy that stands, before another."""
        for earlier in range(number - 1, -1, -1):
            if self.events[earlier].galaxy == galaxy and self._stands(earlier, labeller):
                return earlier
        return None

    def _stands(self, number: int, labeller: str) -> bool:
        event = self.events[number]
        return event.labeller == labeller and event.undoes is None and number not in self._undone


class LabelsTable:
    """The table of what counts, ``labels.csv``, true after each event: a row is added, or all are written anew.

    Parameters
    ----------
    file : Path
    question : str
        The column of answers.
    answers : Answers
    image_of : callable
        From a galaxy to the path of its image, or "".
    """

    def __init__(self, file: Path, question: str, answers: Answers, image_of: Callable[[str], str]) -> None:
        self.file, self._question, self._answers, self._image_of = file, question, answers, image_of
        self._write()

    def follow(self, galaxy: str) -> None:
        """Bring the table to what counts now, where something was said of one galaxy."""
        event, before = self._answers.counting(galaxy), self._written.get(galaxy)
        if event is before:
            return
        if event is None or before is not None:
            self._write()
            return
        with output_explained(self.file), self.file.open("a", newline="", encoding="utf-8") as stream:
            stream.write(self._lines([event]))
        self._written[galaxy] = event

    def _write(self) -> None:
        events = [event for galaxy in self._answers.galaxies if (event := self._answers.counting(galaxy)) is not None]
        with aside(self.file) as temporary:
            temporary.write_text(self._lines(events, header=True), encoding="utf-8")
        self._written = {event.galaxy: event for event in events}

    def _lines(self, events: Iterable[Event], *, header: bool = False) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        if header:
            writer.writerow(["id", "image", self._question, "labeller", "time", "chosen", "probability"])
        for event in events:
            told = (event.galaxy, self._image_of(event.galaxy), event.answer, event.labeller, event.time, event.chosen)
            probability = "" if event.probability is None else repr(event.probability)
            writer.writerow([*map(for_spreadsheet, told), probability])
        return stream.getvalue()
