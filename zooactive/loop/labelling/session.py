"""One labelling session, with all its labellers: the next galaxy, the answers so far, and the model fitted to them."""

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
"""One galaxy in `ARM` is drawn at random, whatever the mode, and one in `AGAIN_ONE_IN` is asked again."""

_AGO = 10
"""The number of answers, by anybody, after which a galaxy may be asked again."""


@dataclass(frozen=True)
class Next:
    """A galaxy to look at: its row in the pool, how it was chosen, and its probability if it is of the random arm."""

    row: int
    chosen: Chosen
    probability: float | None = None


class Session:
    """A pool, a question, and the answers so far; several pages may use it at once.

    Parameters
    ----------
    ids : ndarray of str, shape (galaxy,)
    tree : DecisionTree
        The tree whose questions are asked one after the other.
    folder : Path
        Receives ``answers.jsonl``, every event, and ``labels.csv``, the answers that count. One process at a time may use
        it.
    image_of : callable
        Takes the row of a galaxy and returns the path of its image, or "".
    seed : int
        The seed of the random arm.

    Raises
    ------
    OutputError
        When the folder cannot be written, or another process labels in it.
    CatalogueError
        When the answers in the folder belong to another question.
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
        with ExitStack() as opening:  # an error releases the folder
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
        """Rows of galaxies that are completely answered or skipped."""
        for galaxy in {event.galaxy for event in self.answers.events}:
            self._note_seen(galaxy)
        self._shown, self._turn = Shown(), len(self.answers.events)
        self._learning = Learning(ids, tree, self.labels)

    def close(self) -> None:
        """Stop the fits and release the folder."""
        self._learning.stop()
        self._closing.close()

    # Galaxies to show ------------------------------------------------------------------------------------------------

    def next(
        self,
        page: str,
        labeller: str,
        *,
        mode: LabelNext = "informative",
        answer: str | None = None,
        but: Collection[int] = (),
    ) -> Next | None:
        """Return a galaxy to look at and reserve it for the page, or return None if every galaxy has been seen.

        Parameters
        ----------
        page : str
            The page that asks. It may receive a galaxy again that it received before and did not answer.
        labeller : str
        mode : {"informative", "surest", "both", "random", "different"}
            How galaxies are chosen, except those of the random arm and those asked again. Before the first fit, all modes
            but "random" alternate between galaxies unlike all seen so far and galaxies similar to the labelled ones.
        answer : str, optional
            The answer whose most probable or most similar galaxies are shown. The default is the first answer.
        but : collection of int
            Rows that the page already has.
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
        """Return galaxies with one expected answer, the most probable first; before the first fit, any galaxies."""
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
        """Yield a galaxy that this labeller answered some time ago and was not asked again: the middle one of them."""
        own = [event for event in self.answers.events[:-_AGO] if event.labeller == labeller and event.answer]
        asked = {event.galaxy for event in self.answers.events if event.chosen == AGAIN}
        names = [event.galaxy for event in own if event.galaxy not in asked and event.undoes is None]
        if names:
            yield Next(self.row_of(names[len(names) // 2]), "again")

    # Answers ---------------------------------------------------------------------------------------------------------

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
        """Record an answer, or "" for a skip; the answer is on disk when this returns.

        The default of `question` is the first question.

        Raises
        ------
        CatalogueError
            For a galaxy that is not in the pool, or an answer that the question does not have.
        OutputError
            When the answer cannot be written; then it does not count.
        """
        event = Event(galaxy, question or self.question.name, answer, labeller, _now(), chosen, probability)
        with self._lock:
            self._refuse_unknown(event)
            self._take(event)
        return event

    def undo(self, labeller: str) -> Event | None:
        """Undo this labeller's last answer and return it, or return None if there is none."""
        with self._lock:
            number = self.answers.undoable(labeller)
            if number is None:
                return None
            before = self.answers.events[number]
            again = Event(before.galaxy, before.question, before.answer, labeller, _now(), before.chosen, undoes=number)
            self._take(again)
            return before

    def take_over(self, known: Mapping[str, Mapping[str, str]], labeller: str) -> tuple[int, int]:
        """Record labels that were made before, given as galaxy -> question -> answer.

        They count as the labeller's answers until somebody gives another answer. A galaxy that already has an answer or a
        skip is left unchanged.

        Returns
        -------
        tuple of int
            The number of galaxies whose labels are new, and of galaxies that are not in the pool.
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

    # The model -------------------------------------------------------------------------------------------------------

    def embedded(self, features: NDArray[np.float16], *, without: NDArray[np.int64] | None = None) -> None:
        """Receive the features of the pool, float16 (galaxy, feature), and begin the fits.

        Galaxies `without` features, whose rows are 0, are neither shown nor trained on.
        """
        with self._lock:
            self._without = frozenset(map(int, () if without is None else without))
        self._learning.embedded(features)

    @property
    def embedded_already(self) -> bool:
        """Whether the session has the features of the pool."""
        return self._learning.features is not None

    @property
    def learnt(self) -> Learnt | None:
        """The last fit, or None before the first one."""
        return self._learning.learnt

    def expected(self, galaxy: str) -> dict[str, float] | None:
        """Return the probability of each answer (column of the tree) by the last fit, or None before the first one."""
        learnt, features = self.learnt, self._learning.features
        if learnt is None or features is None:
            return None
        row = self.row_of(galaxy)
        told = learnt.probabilities(features[row : row + 1])[0]
        return dict(zip(self.tree.columns, map(float, told), strict=True))

    def measures(self) -> Measures:
        """Return the metrics of the head and the expected number of galaxies left to find."""
        return self._learning.measures

    @property
    def failure(self) -> str:
        """The reason why the last fit failed, or ""."""
        return "" if self._learning.failure is None else str(self._learning.failure)

    def wait(self) -> None:
        """Wait until the model is fitted to all answers so far."""
        self._learning.wait()

    def row_of(self, galaxy: str) -> int:
        """Return the row of a galaxy in the pool; raise a CatalogueError if it is not there."""
        found = int(self._index.get_indexer(pd.Index([galaxy], dtype=object))[0])
        if found < 0:
            raise CatalogueError(f"there is no galaxy '{galaxy}' in the pool; give one of its ids")
        return found

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.float64], list[Said]]:
        """Return the rows of the labelled galaxies, a 1 for each answer given (label, answer), and the counted answers."""
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
                f"'{answer}' is not an answer to the question '{self.question.name}'.{did_you_mean(answer, names)}"
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
                f"'{event.answer}' is not an answer to the question '{event.question}'.{did_you_mean(event.answer, answers)}"
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def told_of(session: Session, galaxy: str) -> dict[str, Any]:
    """Return everything known about one galaxy, as plain values."""
    return {
        "said": {
            labeller: {event.question: event.answer for event in events}
            for labeller, events in session.answers.of(galaxy).items()
        },
        "expected": session.expected(galaxy),
    }
