"""Classification exports of the Zooniverse, read as answers of a decision tree; what cannot be used is counted.

Columns: https://help.zooniverse.org/next-steps/data-exports
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zooactive.foundation.ids import id_text, is_rounded
from zooactive.foundation.parsing import from_json
from zooactive.foundation.spelling import from_spreadsheet
from zooactive.labels.rows import places_of, rows_of
from zooactive.labels.wording import Wording, WorkflowWording, plain, version_of

COLUMNS = (
    "classification_id", "user_name", "user_ip", "workflow_id", "workflow_version", "created_at", "annotations",
    "subject_data",
)  # fmt: skip
"""The columns read from an export. An export has more columns; exports from before 2016 have fewer."""
NOT_LOGGED_IN = "not-logged-in-"
"""The start of the names of anonymous volunteers. The Zooniverse makes such a name from the volunteer's network address and
a random word for each export."""
EXPORT = "a classification export of the Zooniverse (Data exports)"


@dataclass(frozen=True, slots=True)
class Classification:
    """One volunteer's answers about one galaxy.

    Parameters
    ----------
    id : int
        The id of the classification.
    galaxy : str
    volunteer : str
        The volunteer's name. For an anonymous volunteer, it is a hash of the network address, or "" if that is unknown.
    at : int
        The time, in seconds since 1970.
    columns : tuple of int
        The answers, as columns of the tree, parents first.
    anonymous : bool
        Whether the volunteer was not logged in. An anonymous volunteer's name is different in each export.
    """

    id: int
    galaxy: str
    volunteer: str
    at: int
    columns: tuple[int, ...]
    anonymous: bool = False


@dataclass
class Dropped:
    """Counts of everything that was left out, by reason, each with the place of its first example.

    In exports, these are classifications and answers. In totals, these are votes, and entries (a row or a cell) whose number
    of votes is unknown.
    """

    classifications: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    votes: dict[str, float] = field(default_factory=dict)
    entries: Counter[str] = field(default_factory=Counter)
    listed: list[dict[str, object]] = field(default_factory=list)

    def classification(self, reason: str, where: object, number: int = 1) -> None:
        """Count one or more whole classifications; `where` names one of them."""
        self.classifications[reason] += number
        self.first.setdefault(reason, str(where))

    def answer(self, reason: str, where: object, number: int = 1) -> None:
        """Count one or more answers whose classifications are otherwise used."""
        self.answers[reason] += number
        self.first.setdefault(reason, str(where))

    def vote(self, reason: str, where: object, number: float) -> None:
        """Count a number of votes of totals; a number of 0 is ignored."""
        if number:
            self.votes[reason] = self.votes.get(reason, 0) + number
            self.first.setdefault(reason, str(where))

    def entry(self, reason: str, where: object) -> None:
        """Count a row or a cell of totals whose number of votes is unknown."""
        self.entries[reason] += 1
        self.first.setdefault(reason, str(where))

    def set_aside(self, rows: Iterable[tuple[int, str, str]], file: str) -> None:
        """List the rows of a table that contradict themselves: row number, id and reason."""
        for row, galaxy, reason in rows:
            self.entry("a row that contradicts itself", f"{file}, row {row} (id '{galaxy}'), {reason}")
            self.listed.append({"file": file, "row": row, "id": galaxy, "reason": reason})

    def rows(self) -> list[dict[str, object]]:
        """Return rows of kind, reason, number and first example, the most frequent first."""
        kinds: tuple[tuple[str, Mapping[str, float]], ...] = (
            ("classification", self.classifications),
            ("answer", self.answers),
            ("vote", self.votes),
            ("entry", self.entries),
        )
        return [
            {
                "dropped": kind,
                "reason": reason,
                "number": int(number) if number == int(number) else float(number),
                "first": self.first[reason],
            }
            for kind, counts in kinds
            for reason, number in sorted(counts.items(), key=lambda item: -item[1])
        ]


class Unusable(Exception):
    """The reason why something is left out."""


def read_export(path: str | Path, wording: Wording, dropped: Dropped) -> Iterator[Classification]:
    """Yield the classifications of an export, row by row; the file may be larger than memory.

    Parameters
    ----------
    path : path
        The CSV of the whole project or of one workflow.
    wording : Wording
    dropped : Dropped
        Counts what is left out.

    Raises
    ------
    CatalogueError
        When the file is missing, or lacks a column.
    """
    rows = rows_of(path, EXPORT, dropped.classification)
    _, header = next(rows)
    where = places_of(COLUMNS, header, path, EXPORT)
    for line, cells in rows:
        row = {name: cells[place] for name, place in where.items()}
        try:
            yield _classification(row, wording, dropped)
        except Unusable as reason:
            dropped.classification(str(reason), row["classification_id"] or f"line {line}")


def _classification(row: Mapping[str, str], wording: Wording, dropped: Dropped) -> Classification:
    try:
        identity, workflow_id = _number(row["classification_id"]), _number(row["workflow_id"])
        version = version_of(row["workflow_version"])
    except ValueError as error:
        raise Unusable("an id or a version that is not a number") from error
    if not 0 <= identity < 1 << 63:
        raise Unusable("an id or a version that is not a number")
    workflow = wording.workflows.get(workflow_id)
    if workflow is None:
        raise Unusable(f"workflow {workflow_id}, which the wording does not name")
    if not workflow.takes(version):
        raise Unusable("a version of the workflow that is not in the wording")
    try:
        said = datetime.fromisoformat(row["created_at"].removesuffix(" UTC"))
        at = int((said.replace(tzinfo=UTC) if said.tzinfo is None else said).timestamp())
    except (ValueError, OverflowError) as error:
        raise Unusable("created_at is not a time") from error
    galaxy = _galaxy(row["subject_data"], workflow)
    try:
        annotations = from_json(row["annotations"])
    except ValueError as error:
        raise Unusable("annotations that are not JSON") from error
    try:
        columns = _answers(annotations, workflow, wording, dropped, identity)
    except RecursionError as error:
        raise Unusable("annotations of an unknown shape") from error
    if not columns:
        raise Unusable("no answer to a question of the tree")
    name = row["user_name"]
    return Classification(identity, galaxy, name or row["user_ip"], at, columns, not name or name.startswith(NOT_LOGGED_IN))


def _number(text: str) -> int:
    """Return a number of the Zooniverse, which has digits only (Python would also read 1_000)."""
    if not (text.isdecimal() and text.isascii()):
        text = text.strip()
        if not (text.isdecimal() and text.isascii()):
            raise ValueError(text)
    return int(text)


def _galaxy(subject_data: str, workflow: WorkflowWording) -> str:
    """Return the galaxy's id from {SUBJECT: {entry: value, ...}}."""
    try:
        subjects = from_json(subject_data)
    except ValueError as error:
        raise Unusable("subject_data that is not JSON") from error
    if not isinstance(subjects, dict):
        raise Unusable("subject_data of an unknown shape")
    if len(subjects) != 1:
        raise Unusable("several subjects, or none, in one classification")
    return galaxy_in(next(iter(subjects.values())), workflow.galaxy)


def galaxy_in(metadata: Any, names: Sequence[str]) -> str:
    """Return the id of the galaxy that a subject shows: the first of these entries of its metadata that is not blank.

    Raises `Unusable` if all are blank, or if the id has lost digits.
    """
    if not isinstance(metadata, dict):
        raise Unusable("metadata of an unknown shape")
    for name in names:
        found = metadata.get(name)
        if found is not None and str(found).strip():
            break
    else:
        raise Unusable("a subject whose metadata has no galaxy id")
    text = id_text(from_spreadsheet(str(found).strip()))  # as the manifest was uploaded
    lost = is_rounded(found) if isinstance(found, int) else is_rounded(text)
    if isinstance(found, float) or lost:
        raise Unusable("a galaxy id that lost digits in a spreadsheet or as a number; upload ids as text")
    # Half of a surrogate pair is not printable text.
    if not isinstance(found, str | int) or isinstance(found, bool) or not text.isprintable():
        raise Unusable("a galaxy id that is not text")
    return text


def _flat(annotations: Any) -> Iterator[tuple[str, Any]]:
    """Yield the task and value of each annotation, including those in combined tasks, in the volunteer's order."""
    for entry in annotations if isinstance(annotations, list) else ():
        if isinstance(entry, dict):
            value = entry.get("value")
            if isinstance(value, list) and any(isinstance(part, dict) and "task" in part for part in value):
                yield from _flat(value)
            elif "task" in entry:
                yield str(entry["task"]), value


def _answers(annotations: Any, workflow: WorkflowWording, wording: Wording, dropped: Dropped, where: int) -> tuple[int, ...]:
    """Return the tree's columns that a volunteer chose: the last answer to each question that the earlier answers reach."""
    if not isinstance(annotations, list):
        raise Unusable("annotations of an unknown shape")
    chosen: dict[int, int] = {}
    for task, value in _flat(annotations):
        question = workflow.tasks.get(task)
        if question is None:
            dropped.answer(f"task {task}, which the wording does not name", where)
            continue
        chosen.pop(question, None)  # a volunteer who went back and skipped has no answer
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
            dropped.answer(f"an answer to {tree.questions[question].name} that earlier answers do not lead to", where)
            continue
        kept.append(chosen[question])
    return tuple(kept)
