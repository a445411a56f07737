"""Rows of a Zooniverse classification export as answers of a decision tree; what cannot be used is counted and named.

Columns: https://help.zooniverse.org/next-steps/data-exports
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zooactive.errors import CatalogueError
from zooactive.labels.wording import Wording, WorkflowWording, plain, version_of

COLUMNS = (
    "classification_id", "user_name", "user_ip", "workflow_id", "workflow_version", "created_at", "annotations",
    "subject_data", "subject_ids",
)  # fmt: skip
"""What is read of an export; it has more."""


@dataclass(frozen=True, slots=True)
class Classification:
    """What one volunteer said about one galaxy.

    Parameters
    ----------
    id : int
        Of the classification.
    galaxy : str
    volunteer : str
        A name, or a hash of where an anonymous one came from; "" when nothing is known.
    at : int
        Seconds since 1970.
    columns : tuple of int
        Answers, as columns of the tree, parents first.
    """

    id: int
    galaxy: str
    volunteer: str
    at: int
    columns: tuple[int, ...]


@dataclass
class Dropped:
    """Counts of what was left out, each reason with the first classification that it was met in."""

    classifications: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def classification(self, reason: str, where: object, number: int = 1) -> None:
        """Count a whole classification, or a number of them of which one is named."""
        self.classifications[reason] += number
        self.first.setdefault(reason, str(where))

    def answer(self, reason: str, where: object) -> None:
        """Count one answer of a classification that is used otherwise."""
        self.answers[reason] += 1
        self.first.setdefault(reason, str(where))

    def rows(self) -> list[dict[str, object]]:
        """Return what, reason, number and first example, the most frequent first."""
        kinds = (("classification", self.classifications), ("answer", self.answers))
        return [
            {"dropped": kind, "reason": reason, "number": number, "first": self.first[reason]}
            for kind, counts in kinds
            for reason, number in counts.most_common()
        ]


class _Unusable(Exception):
    """Why a row is left out."""


def read_export(path: str | Path, wording: Wording, dropped: Dropped) -> Iterator[Classification]:
    """Yield the classifications of an export, row by row; the file may be larger than memory.

    Parameters
    ----------
    path : path
        The CSV of the whole project or of one workflow.
    wording : Wording
    dropped : Dropped
        Takes what is left out.

    Raises
    ------
    CatalogueError
        When the file is missing, or lacks a column.
    """
    path = Path(path)
    csv.field_size_limit(min(sys.maxsize, 1 << 31 - 1))  # metadata may be longer than the 131072 characters of the default
    try:
        stream = path.open(newline="", encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise CatalogueError(f"{path} cannot be read: {error.strerror}; give a classification export") from error
    with stream:
        reader = csv.reader(stream)
        header = next(reader, [])
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise CatalogueError(
                f"{path} has no column {', '.join(missing)}; give a classification export of the Zooniverse (Data exports)"
            )
        where = {name: header.index(name) for name in COLUMNS}
        rows = iter(reader)
        while True:
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                dropped.classification(f"a row that is no CSV: {error}", f"line {reader.line_num}")
                continue
            if len(cells) != len(header):
                dropped.classification("a row of another length than the header", f"line {reader.line_num}")
                continue
            row = {name: cells[place] for name, place in where.items()}
            try:
                yield _classification(row, wording, dropped)
            except _Unusable as reason:
                dropped.classification(str(reason), row["classification_id"] or f"line {reader.line_num}")


def _classification(row: Mapping[str, str], wording: Wording, dropped: Dropped) -> Classification:
    try:
        identity, workflow_id = int(row["classification_id"]), int(row["workflow_id"])
        version = version_of(row["workflow_version"])
    except ValueError as error:
        raise _Unusable("an id or a version that is no number") from error
    workflow = wording.workflows.get(workflow_id)
    if workflow is None:
        raise _Unusable(f"workflow {workflow_id}, which the wording does not name")
    if not workflow.takes(version):
        raise _Unusable("a version of the workflow outside those of the wording")
    try:
        at = int(datetime.fromisoformat(row["created_at"].removesuffix(" UTC")).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise _Unusable("created_at is no time") from error
    galaxy = _galaxy(row["subject_data"], workflow)
    try:
        annotations = json.loads(row["annotations"])
    except ValueError as error:
        raise _Unusable("annotations are no JSON") from error
    columns = _answers(annotations, workflow, wording, dropped, identity)
    if not columns:
        raise _Unusable("no answer to a question of the tree")
    return Classification(identity, galaxy, row["user_name"] or row["user_ip"], at, columns)


def _galaxy(subject_data: str, workflow: WorkflowWording) -> str:
    """The galaxy's id: {SUBJECT: {entry: value, ...}}."""
    try:
        subjects = json.loads(subject_data)
        (metadata,) = subjects.values()
        found = next(metadata[name] for name in workflow.galaxy if metadata.get(name) not in (None, ""))
    except StopIteration as error:
        raise _Unusable("a subject whose metadata has no id of a galaxy") from error
    except ValueError as error:
        broken = isinstance(error, json.JSONDecodeError)
        raise _Unusable("subject_data is no JSON" if broken else "several subjects, or none, at once") from error
    except (AttributeError, TypeError) as error:
        raise _Unusable("subject_data of another shape") from error
    if isinstance(found, float):
        raise _Unusable("an id of a galaxy that was rounded; upload ids as text")
    return str(found).strip()


def _flat(annotations: Any) -> Iterator[tuple[str, Any]]:
    """Task and value of each annotation, those inside combined tasks too, in the order of the volunteer."""
    for entry in annotations if isinstance(annotations, list) else ():
        if isinstance(entry, Mapping):
            value = entry.get("value")
            if isinstance(value, list) and any(isinstance(part, Mapping) and "task" in part for part in value):
                yield from _flat(value)
            elif "task" in entry:
                yield str(entry["task"]), value


def _answers(annotations: Any, workflow: WorkflowWording, wording: Wording, dropped: Dropped, where: int) -> tuple[int, ...]:
    """Columns of the tree that a volunteer chose: the last word on each question, and only where its parents lead there."""
    if not isinstance(annotations, list):
        raise _Unusable("annotations of another shape")
    chosen: dict[int, int] = {}
    for task, value in _flat(annotations):
        question = workflow.tasks.get(task)
        if question is None:
            dropped.answer(f"task {task}, which the wording does not name", where)
            continue
        chosen.pop(question, None)  # who went back and skipped has no answer
        if isinstance(value, list):
            if len(value) > 1:
                dropped.answer(f"several answers to {task}", where)
                continue
            value = value[0] if value else None
        if value is None:
            continue
        column = workflow.answers.get((task, plain(str(value))))
        if column is None:
            dropped.answer(f"'{str(value)[:60]}', which the wording of {task} does not name", where)
            continue
        chosen[question] = column
    tree, kept = wording.tree, list[int]()
    reached = {tree.columns[column] for column in chosen.values()}
    for question in tree.order:
        if question not in chosen:
            continue
        after = tree.questions[question].asked_after
        if after and reached.isdisjoint(after):
            reached.discard(tree.columns[chosen[question]])
            dropped.answer(f"an answer to {tree.questions[question].name}, where the answers before do not lead", where)
            continue
        kept.append(chosen[question])
    return tuple(kept)
