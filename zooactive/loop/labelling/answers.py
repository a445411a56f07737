"""The answers that count: each labeller's last answer to a question, and for each galaxy the last labeller to finish it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.spelling import for_spreadsheet
from zooactive.foundation.writing import aside, output_explained
from zooactive.loop.labelling.journal import Event
from zooactive.tree import DecisionTree, Question

_BEFORE, _BEHIND = ("id", "image"), ("labeller", "time", "chosen", "probability")
"""Columns of the table of labels other than the answers."""

AGAIN = "again"
"""The `chosen` value of a galaxy that its labeller has answered before."""


def next_question(tree: DecisionTree, given: Collection[str]) -> Question | None:
    """Return the question that follows these answers (columns of the tree), or None if all are answered.

    Examples
    --------
    >>> from zooactive.tree import load_tree
    >>> next_question(load_tree("rings"), []).name
    'ring'
    >>> next_question(load_tree("rings"), ["ring_yes"]) is None
    True
    """
    for place in tree.order:
        question = tree.questions[place]
        asked = not question.asked_after or any(column in given for column in question.asked_after)
        if asked and not any(column in given for column in question.columns):
            return question
    return None


def by_most(votes: NDArray[np.float64], tree: DecisionTree) -> dict[str, str]:
    """Return the majority answer of a galaxy's votes, (answer,), to each question on the path through the tree.

    The result is empty if the path does not reach its end: nobody was asked a question, or two answers have the same most
    votes.

    Examples
    --------
    >>> from zooactive.tree import load_tree
    >>> by_most(np.array([3.0, 1.0]), load_tree("rings"))
    {'ring': 'yes'}
    >>> by_most(np.array([2.0, 2.0]), load_tree("rings"))
    {}
    """
    found: dict[str, str] = {}
    given: list[str] = []
    while (question := next_question(tree, given)) is not None:
        own = votes[tree.slices[tree.questions.index(question)]]
        best = int(own.argmax())
        if (own == own[best]).sum() != 1:
            return {}
        found[question.name] = question.answers[best]
        given.append(question.columns[best])
    return found


@dataclass(frozen=True)
class Said:
    """The answers that count for a galaxy: one labeller's answers on the whole path through the tree."""

    events: tuple[Event, ...]
    last: Event

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the tree that were answered."""
        return tuple(column_of(event) for event in self.events)


def column_of(event: Event) -> str:
    """Return the tree's column of an answer."""
    return f"{event.question}_{event.answer}"


@dataclass
class Answers:
    """All events so far, by galaxy, labeller and question."""

    tree: DecisionTree
    events: list[Event] = field(default_factory=list)
    _undone: set[int] = field(default_factory=set)
    _last: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """Galaxy -> labeller -> question -> the number of the event that counts now."""
    _counting: dict[str, Said] = field(default_factory=dict)
    """The answers that count, in the order in which galaxies were first answered."""

    def take(self, event: Event) -> None:
        """Add the next event."""
        number = len(self.events)
        self.events.append(event)
        if event.undoes is not None:
            self._undone.add(event.undoes)
            number = event.undoes
        galaxy, labeller, question = self._place(number)
        by = self._last.setdefault(galaxy, {}).setdefault(labeller, {})
        if event.undoes is None:
            by[question] = number
        else:
            before = self._before(number)
            if before is None:
                by.pop(question, None)
            else:
                by[question] = before
        if not by:
            del self._last[galaxy][labeller]
        if not self._last[galaxy]:
            del self._last[galaxy]
        said = self._said(galaxy)
        if said is None:
            self._counting.pop(galaxy, None)
        elif self._counting.get(galaxy) != said:
            self._counting[galaxy] = said

    def undoable(self, labeller: str) -> int | None:
        """Return the number of this labeller's last event that was not undone, or None."""
        return next((number for number in reversed(range(len(self.events))) if self._stands(number, labeller)), None)

    @property
    def galaxies(self) -> Collection[str]:
        """The galaxies whose questions are all answered."""
        return self._counting.keys()

    def counting(self, galaxy: str) -> Said | None:
        """Return the answers of the last labeller to answer all of a galaxy's questions, or None; skips do not count."""
        return self._counting.get(galaxy)

    def nothing_said(self, galaxy: str) -> bool:
        """Return whether a galaxy has no answer and no skip that still counts."""
        return galaxy not in self._last

    def given(self, galaxy: str, labeller: str) -> tuple[str, ...]:
        """Return the columns that a labeller has answered so far, on the path through the tree."""
        return tuple(column_of(event) for event in self._way(self._last.get(galaxy, {}).get(labeller, {})))

    def of(self, galaxy: str) -> dict[str, tuple[Event, ...]]:
        """Return the events of a galaxy that still count, by labeller, including skips."""
        return {
            labeller: tuple(self.events[number] for number in sorted(by.values()))
            for labeller, by in self._last.get(galaxy, {}).items()
        }

    def done(self, galaxy: str) -> bool:
        """Return whether a galaxy need not be shown again, because somebody has answered all of it or skipped it."""
        if galaxy in self._counting:
            return True
        return any(not self.events[number].answer for by in self._last.get(galaxy, {}).values() for number in by.values())

    def agreement(self) -> tuple[int, int]:
        """Return two numbers of galaxies: those with several first answers that all agree, and those with several."""
        first = self.tree.questions[self.tree.order[0]].name
        said = [[self.events[by[first]].answer for by in some.values() if first in by] for some in self._last.values()]
        several = [answers for given in said if len(answers := [answer for answer in given if answer]) > 1]
        return sum(len(set(answers)) == 1 for answers in several), len(several)

    def consistency(self, labeller: str) -> tuple[int, int]:
        """Return how often a labeller repeated an earlier answer, and how often the labeller was asked again."""
        same = asked = 0
        before: dict[tuple[str, str], str] = {}
        for number, event in enumerate(self.events):
            if not self._stands(number, labeller) or not event.answer:
                continue
            place = event.galaxy, event.question
            if event.chosen == AGAIN and place in before:
                asked += 1
                same += before[place] == event.answer
            before[place] = event.answer
        return same, asked

    def _said(self, galaxy: str) -> Said | None:
        by_labeller = self._last.get(galaxy, {}).values()
        for by in sorted(by_labeller, key=lambda numbers: max(numbers.values()), reverse=True):
            way = self._way(by)
            if way and next_question(self.tree, [column_of(event) for event in way]) is None:
                return Said(way, max(way, key=self._number_of(by)))
        return None

    def _number_of(self, by: Mapping[str, int]) -> Callable[[Event], int]:
        return lambda event: by[event.question]

    def _way(self, by: Mapping[str, int]) -> tuple[Event, ...]:
        """Return a labeller's events on the path through the tree."""
        way: list[Event] = []
        given: list[str] = []
        while (question := next_question(self.tree, given)) is not None and question.name in by:
            event = self.events[by[question.name]]
            if not event.answer:  # skipped
                return ()
            way.append(event)
            given.append(column_of(event))
        return tuple(way)

    def _place(self, number: int) -> tuple[str, str, str]:
        event = self.events[number]
        return event.galaxy, event.labeller, event.question

    def _before(self, number: int) -> int | None:
        """Return the previous event of the same galaxy, labeller and question that still counts, or None."""
        place = self._place(number)
        return next((n for n in range(number - 1, -1, -1) if self._place(n) == place and self._stands(n, place[1])), None)

    def _stands(self, number: int, labeller: str) -> bool:
        event = self.events[number]
        return event.labeller == labeller and event.undoes is None and number not in self._undone


class LabelsTable:
    """The table of the answers that count, ``labels.csv``, kept current: each event appends a row or rewrites the file.

    Parameters
    ----------
    file : Path
    answers : Answers
        The answers. With a single question, its name is the column that holds the answer. With a tree of several questions,
        each of the tree's columns holds a 1 where that answer was given.
    image_of : callable
        Takes a galaxy and returns the path of its image, or "".
    """

    def __init__(self, file: Path, answers: Answers, image_of: Callable[[str], str]) -> None:
        self.file, self._answers, self._image_of = file, answers, image_of
        questions = answers.tree.questions
        self._columns = (questions[0].name,) if len(questions) == 1 else answers.tree.columns
        if taken := set(self._columns) & {*_BEFORE, *_BEHIND}:
            raise CatalogueError(f"a question cannot be named '{taken.pop()}', a name that {file} uses; rename it")
        self.write()

    def follow(self, galaxy: str) -> None:
        """Update the table after an event of one galaxy."""
        said, before = self._answers.counting(galaxy), self._written.get(galaxy)
        if said is before:
            return
        if said is None or before is not None:
            self.write()
            return
        with output_explained(self.file), self.file.open("a", newline="", encoding="utf-8") as stream:
            stream.write(self._lines([said]))
        self._written[galaxy] = said

    def write(self) -> None:
        """Rewrite the whole table."""
        counting = [said for galaxy in self._answers.galaxies if (said := self._answers.counting(galaxy)) is not None]
        with aside(self.file) as temporary:
            temporary.write_text(self._lines(counting, header=True), encoding="utf-8")
        self._written = {said.last.galaxy: said for said in counting}

    def _lines(self, counting: Iterable[Said], *, header: bool = False) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        if header:
            writer.writerow([*_BEFORE, *self._columns, *_BEHIND])
        for said in counting:
            last, probability = said.last, said.events[0].probability
            answers = [said.events[0].answer]
            if len(self._columns) > 1:
                answers = [str(int(column in said.columns)) for column in self._columns]
            told = (last.galaxy, self._image_of(last.galaxy), *answers, last.labeller, last.time, said.events[0].chosen)
            writer.writerow([*map(for_spreadsheet, told), "" if probability is None else repr(probability)])
        return stream.getvalue()
