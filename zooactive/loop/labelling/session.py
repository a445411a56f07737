"""One labelling, with everybody who takes part: what is shown next, what was answered, and what was learnt from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError, did_you_mean
from zooactive.foundation.locking import held
from zooactive.foundation.vocabulary import Chosen, LabelNext
from zooactive.loop.labelling.answers import AGAIN, Answers, LabelsTable, Said
from zooactive.loop.labelling.background import Learning
from zooactive.loop.labelling.journal import Event, Journal
from zooactive.loop.labelling.learning import Learnt
from zooactive.loop.labelling.measures import Measures
from zooactive.loop.labelling.queues import Shown, at_random
from zooactive.tree import DecisionTree

ARM, AGAIN_ONE_IN = 10, 20
"""One galaxy in so many is drawn at random, whatever else is asked for, and one in so many is asked again."""

_AGO = 10
"""Answers of the same labeller before a galaxy may be asked again."""


@dataclass(frozen=True)
class Next:
    """A galaxy to look at: its place in the pool, how it was chosen, and the probability of the random arm."""

    row: int
    chosen: Chosen
    probability: float | None = None


class Session:
    """A pool, a question, and the answers so far; any number of pages may ask it at once.

    Parameters
    ----------
    ids : ndarray of str, shape (galaxy,)
    tree : DecisionTree
        Its questions are asked one after the other.
    folder : Path
        Gets ``answers.jsonl``, every event, and ``labels.csv``, what counts of them. It belongs to one process at a time.
    image_of : callable
        From the row of a galaxy to the path of its image, or "".
    seed : int
        Of the random arm.

    Raises
    ------
    OutputError
        When the folder cannot be written, or another process labels in it.
    CatalogueError
        When the answers there are of another question.
    """

    def __init__(
        self,
        ids: NDArray[np.object_],
        tree: DecisionTree,
        folder: Path,
        *,
        image_of: Callable[[int], str] = lambda row: "",
        seed: int = 0,
    ) -> None:
        self.ids, self.tree, self.folder, self.question = ids, tree, folder, tree.questions[tree.order[0]]
        self._index = pd.Index(ids, dtype=object)
        self._random = at_random(ids, seed)
        self._lock = threading.RLock()
        with ExitStack() as opening:  # what is refused lets go of the folder
            opening.enter_context(held(folder))
            self._journal = Journal(folder / "answers.jsonl")
            opening.callback(self._journal.close)
            self.answers = Answers(tree)
            for event in self._journal.events:
                self._refuse_unknown(event)
                self.answers.take(event)
            self._table = LabelsTable(folder / "labels.csv", self.answers, lambda galaxy: image_of(self.row_of(galaxy)))
            self._closing = opening.pop_all()
        self._without: Collection[int] = frozenset()
        self._seen: set[int] = set()
        """Rows of which all is said, or which were skipped."""
        for galaxy in {event.galaxy for event in self.answers.events}:
            self._note_seen(galaxy)
        self._shown, self._turn = Shown(), len(self.answers.events)
        self._learning = Learning(ids, tree, self.labels)

    def close(self) -> None:
        """End the fits and let go of the folder."""
        self._learning.stop()
        self._closing.close()

    # What is shown ---------------------------------------------------------------------------------------------------

    def next(
        self,
        page: str,
        labeller: str,
        *,
        mode: LabelNext = "informative",
        answer: str | None = None,
        but: Collection[int] = (),
    ) -> Next | None:
        """Return a galaxy to look at, and keep it for the page; None where everything was seen.

        Parameters
        ----------
        page : str
            Who asks: what it has been given and has not answered, it may get again.
        labeller : str
        mode : {"informative", "surest", "both", "random", "different"}
            Of the galaxies that are not due to the random arm or to be asked again. Before the first fit, all modes but
            "random" show galaxies that are unlike all seen, in turn with those that look like the ones found so far.
        answer : str, optional
            Whose surest galaxies are shown, or those that look like them; by default the first one.
        but : collection of int
            Rows that the page has already.
        """
        with self._lock:
            self._turn += 1
            for found in self._candidates(page, labeller, mode, answer):
                if found.row in but:
                    continue
                self._shown.keep(found.row, page)
                return found
            return None

    def grid(self, page: str, answer: str, number: int = 24) -> list[Next]:
        """Return galaxies of which one answer is expected, the surest first; before the first fit any."""
        with self._lock:
            place = self._place(answer)
            orders = self._learning.orders
            rows = self._random if orders is None else orders.surest[place]
            found = []
            for row in self._unseen(rows, page):
                self._shown.keep(row, page)
                found.append(Next(row, "grid"))
                if len(found) == number:
                    break
            return found

    def _candidates(self, page: str, labeller: str, mode: LabelNext, answer: str | None) -> Iterator[Next]:
        if self._turn % ARM == 0 or mode == "random":
            left = len(self.ids) - len(self.answers.galaxies)
            yield from (Next(row, "random", 1 / left) for row in self._unseen(self._random, page))
        if self._turn % AGAIN_ONE_IN == AGAIN_ONE_IN // 4:  # never when it is the random arm's turn
            yield from self._asked_again(labeller)
        orders, place, odd = self._learning.orders, self._place(answer), self._turn % 2 == 1
        if orders is not None and (mode == "informative" or (mode == "both" and odd)):
            yield from (Next(row, "informative") for row in self._unseen(orders.informative, page))
        if orders is not None and mode in ("surest", "both"):
            yield from (Next(row, "surest") for row in self._unseen(orders.surest[place], page))
        if orders is None and mode != "different" and odd and place in self._learning.similar:
            yield from (Next(row, "similar") for row in self._unseen(self._learning.similar[place], page))
        yield from (Next(row, "different") for row in self._unseen(self._learning.different, page))
        left = len(self.ids) - len(self.answers.galaxies)
        yield from (Next(row, "random", 1 / left) for row in self._unseen(self._random, page))

    def _unseen(self, rows: NDArray[np.int64], page: str) -> Iterator[int]:
        return self._shown.free((row for row in map(int, rows) if self._is_new(row)), page)

    def _is_new(self, row: int) -> bool:
        return row not in self._seen and row not in self._without

    def _asked_again(self, labeller: str) -> Iterator[Next]:
        """A galaxy that this labeller answered some time ago and was not asked again: the first such by hashed id."""
        own = [event for event in self.answers.events[:-_AGO] if event.labeller == labeller and event.answer]
        asked = {event.galaxy for event in self.answers.events if event.chosen == AGAIN}
        names = [event.galaxy for event in own if event.galaxy not in asked and event.undoes is None]
        if names:
            yield Next(self.row_of(names[len(names) // 2]), "again")

    # What is answered ------------------------------------------------------------------------------------------------

    def answer(
        self,
        galaxy: str,
        answer: str,
        labeller: str,
        *,
        question: str | None = None,
        chosen: Chosen = "named",
        probability: float | None = None,
    ) -> Event:
        """Take in an answer, "" where it is skipped; it is on the disk when this returns.

        The `question` is the first one by default.

        Raises
        ------
        CatalogueError
            For a galaxy that is not in the pool, or an answer that is none of the question's.
        OutputError
            When it cannot be written; then it does not count.
        """
        event = Event(galaxy, question or self.question.name, answer, labeller, _now(), chosen, probability)
        with self._lock:
            self._refuse_unknown(event)
            self._take(event)
        return event

    def undo(self, labeller: str) -> Event | None:
        """Take back this labeller's last answer, and return it; None where there is none."""
        with self._lock:
            number = self.answers.undoable(labeller)
            if number is None:
                return None
            before = self.answers.events[number]
            again = Event(before.galaxy, before.question, before.answer, labeller, _now(), before.chosen, undoes=number)
            self._take(again)
            return before

    def take_over(self, known: Mapping[str, Mapping[str, str]], labeller: str) -> tuple[int, int]:
        """Take in labels that were there before, galaxy -> question -> answer.

        They count as the labeller's, until somebody says something else. A galaxy of which anything was said already is left
        alone.

        Returns
        -------
        tuple of int
            Galaxies whose labels are new, and galaxies that are not in the pool.
        """
        with self._lock:
            events = [
                Event(galaxy, question, answer, labeller, _now(), "before")
                for galaxy, said in known.items()
                if galaxy in self._index and self.answers.nothing_said(galaxy)
                for question, answer in said.items()
            ]
            for event in events:
                self._refuse_unknown(event)
            self._journal.add(*events)
            for event in events:
                self.answers.take(event)
                self._note_seen(event.galaxy)
            self._table.write()
            self._learning.hear()
        absent = sum(galaxy not in self._index for galaxy in known)
        return len({event.galaxy for event in events}), absent

    def _take(self, event: Event) -> None:
        self._journal.add(event)
        self.answers.take(event)
        self._table.follow(event.galaxy)
        self._note_seen(event.galaxy)
        self._shown.let_go(self.row_of(event.galaxy))
        self._learning.hear()

    def _note_seen(self, galaxy: str) -> None:
        row = self.row_of(galaxy)
        (self._seen.add if self.answers.done(galaxy) else self._seen.discard)(row)

    # What is known ---------------------------------------------------------------------------------------------------

    def embedded(self, features: NDArray[np.float16], *, without: NDArray[np.int64] | None = None) -> None:
        """Take the features of the pool, float16 (galaxy, feature), once there are any; fits begin then.

        Galaxies `without` features, whose rows are 0, are neither shown nor learnt from.
        """
        with self._lock:
            self._without = frozenset(map(int, () if without is None else without))
        self._learning.embedded(features)

    @property
    def embedded_already(self) -> bool:
        """Whether the features are known."""
        return self._learning.features is not None

    @property
    def learnt(self) -> Learnt | None:
        """The last fit; None before there is one."""
        return self._learning.learnt

    def expected(self, galaxy: str) -> dict[str, float] | None:
        """Return the probability of each answer, a column of the tree, by the last fit; None before there is one."""
        learnt, features = self.learnt, self._learning.features
        if learnt is None or features is None:
            return None
        row = self.row_of(galaxy)
        told = learnt.probabilities(features[row : row + 1])[0]
        return dict(zip(self.tree.columns, map(float, told), strict=True))

    def measures(self) -> Measures:
        """Say how good the head is by now, and how much is left to find."""
        return self._learning.measures

    @property
    def failure(self) -> str:
        """Why the last fit failed, or ""."""
        return "" if self._learning.failure is None else str(self._learning.failure)

    def wait(self) -> None:
        """Wait until what was answered so far is learnt."""
        self._learning.wait()

    def row_of(self, galaxy: str) -> int:
        """Return the place of a galaxy in the pool; a CatalogueError when it is not there."""
        found = int(self._index.get_indexer(pd.Index([galaxy], dtype=object))[0])
        if found < 0:
            raise CatalogueError(f"there is no galaxy '{galaxy}' in the pool; give one of its ids")
        return found

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.float64], list[Said]]:
        """Return the rows of the labelled galaxies, 1 where they were given an answer (label, answer), and what counts."""
        with self._lock:
            all_said = [said for galaxy in self.answers.galaxies if (said := self.answers.counting(galaxy)) is not None]
        all_rows = self._index.get_indexer(pd.Index([said.last.galaxy for said in all_said], dtype=object))
        known = [place for place, row in enumerate(map(int, all_rows)) if row not in self._without]
        rows, counting = all_rows[known], [all_said[place] for place in known]
        place = {column: number for number, column in enumerate(self.tree.columns)}
        votes = np.zeros((len(counting), len(place)))
        for row, said in enumerate(counting):
            votes[row, [place[column] for column in said.columns]] = 1
        return np.asarray(rows, np.int64), votes, counting

    def _place(self, answer: str | None) -> int:
        names = list(self.question.answers)
        if answer is None:
            return 0
        if answer not in names:
            raise CatalogueError(
                f"'{answer}' is no answer to the question '{self.question.name}'.{did_you_mean(answer, names)}"
            )
        return names.index(answer)

    def _refuse_unknown(self, event: Event) -> None:
        self.row_of(event.galaxy)
        names = [question.name for question in self.tree.questions]
        if event.question not in names:
            raise CatalogueError(f"there is no question '{event.question}'.{did_you_mean(event.question, names)}")
        answers = self.tree.question(event.question).answers
        if event.answer and event.answer not in answers:
            raise CatalogueError(
                f"'{event.answer}' is no answer to the question '{event.question}'.{did_you_mean(event.answer, answers)}"
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def told_of(session: Session, galaxy: str) -> dict[str, Any]:
    """Return what is known of one galaxy, as plain values."""
    return {
        "said": {
            labeller: {event.question: event.answer for event in events}
            for labeller, events in session.answers.of(galaxy).items()
        },
        "expected": session.expected(galaxy),
    }
