"""Votes from reductions: the totals that `panoptes-aggregation` counts, one row per subject and task.

The question reducer of that package writes subject_id, workflow_id, task, reducer and one column ``data.SLUG`` per answer,
which is blank if nobody gave the answer. In its streamed form and in the Zooniverse's batches, it writes one column ``data``
with {slug: number}. Next to the answers are ``aggregation_version`` and, on request, ``user_ids_SLUG``:
https://github.com/zooniverse/aggregation-for-caesar/blob/master/panoptes_aggregation/reducers/question_reducer.py
"""

from __future__ import annotations

import ast
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.foundation.parsing import from_json
from zooactive.labels.classifications import Dropped, Unusable
from zooactive.labels.rows import places_of, rows_of
from zooactive.labels.slugs import Slugs
from zooactive.labels.subject_export import SubjectExport
from zooactive.labels.totals import as_votes, drop_unreachable
from zooactive.labels.wording import Wording

COLUMNS = ("subject_id", "workflow_id", "task", "reducer")
_WHAT = "a reduction of the question reducer of panoptes-aggregation"
_REDUCER = "question_reducer"
_NO_ANSWER = re.compile(r"aggregation_version|user_ids_.*", re.DOTALL)
_WHOLE = re.compile(r"(\d{1,15})(?:\.0*)?")  # pandas writes 5.0 in a column with blanks
_LONGEST = 100_000  # characters of a cell; Python takes 250 bytes for each to read it as its own
_BLANK = ("", "nan", "NaN", "None")


def read_reductions(
    paths: Sequence[str | Path], wording: Wording, subjects: SubjectExport, dropped: Dropped
) -> pd.DataFrame:
    """Read the votes of reductions, row by row; if a subject and task has several rows, the last one counts.

    Parameters
    ----------
    paths : sequence of path
        CSV files, the newest last.
    wording : Wording
        Names the tasks and answers. Its versions are ignored, because reductions do not contain versions.
    subjects : SubjectExport
        Says which galaxy each subject shows. The votes of two subjects of one galaxy are added.
    dropped : Dropped
        Counts what is left out: votes of other workflows, tasks, answers and subjects, cells that are not counts, rows of
        other reducers, totals that a later row replaces, and questions with more votes than people who reached them.

    Returns
    -------
    DataFrame
        A table as from `Ledger.votes`. ``volunteers`` is the number of votes on the root question.

    Raises
    ------
    CatalogueError
        When a file is missing, or lacks a column.
    """
    totals = _Totals(len(wording.tree.columns))
    slugs = {identity: Slugs(workflow) for identity, workflow in wording.workflows.items()}
    for path in paths:
        for row in _rows(path, dropped):
            try:
                place = _place(row, wording, subjects)
            except Unusable as reason:
                dropped.vote(str(reason), row.where, sum(number for _, number in row.counts))
                continue
            answers = list[tuple[int, int]]()
            for name, number in row.counts:
                try:
                    answers.append((slugs[place.workflow].column(row.task, name), number))
                except Unusable as reason:
                    dropped.vote(str(reason), row.where, number)
            totals.add(place, answers)
    counts = totals.counts(dropped)
    drop_unreachable(counts, totals.galaxies, wording.tree, dropped)
    return as_votes(counts, totals.galaxies, wording.tree)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the file, with the answers that have a number."""

    workflow: str
    subject: str
    task: str
    counts: list[tuple[str, int]]
    where: str


@dataclass(frozen=True, slots=True)
class _Place:
    """What a row counts; a later row of the same workflow, question and subject replaces it."""

    workflow: int
    question: int
    subject: int
    galaxy: str


# From a file to rows --------------------------------------------------------------------------------------------------


def _rows(path: str | Path, dropped: Dropped) -> Iterator[_Row]:
    rows = rows_of(path, _WHAT, dropped.entry)
    _, header = next(rows)
    where = places_of(COLUMNS, header, path, _WHAT)
    nested = header.index("data") if "data" in header else None
    flat = [
        (place, name.removeprefix("data."))
        for place, name in enumerate(header)
        if name.startswith("data.") and not _NO_ANSWER.fullmatch(name.removeprefix("data."))
    ]
    for line, cells in rows:
        reducer = cells[where["reducer"]]
        if reducer != _REDUCER:  # the Zooniverse's batches count the same people again, as a consensus
            dropped.entry(f"a row of {reducer or 'no reducer'}, which does not count votes on questions", f"line {line}")
            continue
        found = [(name, cells[place]) for place, name in flat if cells[place]]
        if nested is not None:
            try:
                found += _nested(cells[nested])
            except ValueError:
                dropped.entry("a data cell that does not hold answers with numbers", f"line {line}")
        counts = list[tuple[str, int]]()
        for name, text in found:
            number = _votes_in(text)
            if number is None:
                dropped.entry("a count that is not a whole number from 0", f"line {line}")
            elif number:
                counts.append((name, number))
        subject = cells[where["subject_id"]]
        yield _Row(cells[where["workflow_id"]], subject, cells[where["task"]], counts, f"subject {subject}")


def _nested(text: str) -> list[tuple[str, str]]:
    """Return the answers and numbers of {slug: number}, written by Python or as JSON."""
    text = text.strip()
    if text in _BLANK:
        return []
    if len(text) > _LONGEST:
        raise ValueError(f"{len(text)} characters")
    if text.startswith("OrderedDict(") and text.endswith(")"):
        text = text.removeprefix("OrderedDict(")[:-1]
    try:
        values: Any = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        values = from_json(text)
    try:
        pairs = dict(values).items()
    except TypeError as error:
        raise ValueError(text) from error
    return [(str(name), str(number)) for name, number in pairs if not _NO_ANSWER.fullmatch(str(name))]


def _whole(text: str) -> int | None:
    """Return the number in a cell, 0 for a blank cell, None for anything that is not a whole number from 0."""
    text = text.strip()
    match = _WHOLE.fullmatch(text)
    return int(match[1]) if match else 0 if text in _BLANK else None


_votes_in = lru_cache(maxsize=10_000)(_whole)  # millions of cells hold the same few numbers


# From rows to galaxies ------------------------------------------------------------------------------------------------


def _place(row: _Row, wording: Wording, subjects: SubjectExport) -> _Place:
    identity, subject = _whole(row.workflow), _whole(row.subject)
    if not identity or not subject:
        raise Unusable("a workflow or a subject whose id is not a number")
    workflow = wording.workflows.get(identity)
    if workflow is None:
        raise Unusable(f"workflow {identity}, which the wording does not name")
    question = workflow.tasks.get(row.task)
    if question is None:
        raise Unusable(f"task {row.task}, which the wording does not name")
    return _Place(identity, question, subject, subjects.galaxy(subject, workflow.galaxy))


def _numbers() -> array[int]:
    return array("q")


@dataclass
class _Totals:
    """Rows of votes as arrays of numbers, so that a survey fits into memory: 0.3 kB per row at the peak."""

    width: int
    _galaxies: dict[str, int] = field(default_factory=dict)
    _questions: dict[tuple[int, int], int] = field(default_factory=dict)
    _question: array[int] = field(default_factory=_numbers)
    _subject: array[int] = field(default_factory=_numbers)
    _galaxy: array[int] = field(default_factory=_numbers)
    _row: array[int] = field(default_factory=_numbers)
    _column: array[int] = field(default_factory=_numbers)
    _votes: array[int] = field(default_factory=_numbers)

    @property
    def galaxies(self) -> list[str]:
        """The ids, in order of first appearance."""
        return list(self._galaxies)

    def add(self, place: _Place, answers: Sequence[tuple[int, int]]) -> None:
        """Add a row: columns of the tree and their votes."""
        for column, votes in answers:
            self._row.append(len(self._subject))
            self._column.append(column)
            self._votes.append(votes)
        asked = (place.workflow, place.question)
        self._question.append(self._questions.setdefault(asked, len(self._questions)))
        self._subject.append(place.subject)
        self._galaxy.append(self._galaxies.setdefault(place.galaxy, len(self._galaxies)))

    def counts(self, dropped: Dropped) -> NDArray[np.float64]:
        """Sum the last row of each subject and question, shape (G, answer)."""
        question, subject = np.array(self._question), np.array(self._subject)
        order = np.lexsort((subject, question))  # stable: rows of one subject and question stay in the order of the files
        last = np.ones(len(order), dtype=bool)
        again = (question[order[1:]] == question[order[:-1]]) & (subject[order[1:]] == subject[order[:-1]])
        last[order[:-1][again]] = False
        row, column, votes = np.array(self._row), np.array(self._column), np.array(self._votes)
        counted = last[row]
        if not counted.all():
            where = f"subject {subject[row[np.argmin(counted)]]}"
            dropped.vote("totals of a subject and task that a later row replaces", where, int(votes[~counted].sum()))
        counts = np.zeros((len(self._galaxies), self.width))
        np.add.at(counts, (np.array(self._galaxy)[row[counted]], column[counted]), votes[counted])
        return counts
