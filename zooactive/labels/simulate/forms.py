"""Formats of the Zooniverse: a row of a classification export, and the wording of a workflow."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from zooactive.tree import DecisionTree

HEADER = (
    "classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name", "workflow_version", "created_at",
    "gold_standard", "expert", "metadata", "annotations", "subject_data", "subject_ids",
)  # fmt: skip
"""The columns of a classification export."""

Said: TypeAlias = Mapping[int, tuple[str, str]]
"""Column of the tree -> the task, such as T0, and the wording of the answer."""

_BEGAN = datetime(2026, 1, 1)


def own_words(tree: DecisionTree) -> dict[int, tuple[str, str]]:
    """Return a default wording: tasks T0, T1, ... in the order of the tree, and the answers' own names."""
    answers = [answer for question in tree.questions for answer in question.answers]
    tasks = tree.question_index.tolist()
    return {
        column: (f"T{task}", answer.replace("-", " ").capitalize())
        for column, (task, answer) in enumerate(zip(tasks, answers, strict=True))
    }


def wording_toml(tree: DecisionTree, name: str, workflow: int, *, versions: tuple[str, str] | None = None) -> str:
    """Return the wording of `own_words` as the text of a file that `zooactive.labels.wording` reads.

    `name` is the file's entry for the tree: a name, or a ``.toml`` file next to it. `versions` are the first and the last
    version of the workflow; the default is all.
    """
    said = own_words(tree)
    lines = [f"tree = {json.dumps(name)}", "", "[[workflow]]", f"id = {workflow}", 'galaxy = ["#id"]']
    if versions is not None:
        lines.append(f"versions = {json.dumps(list(versions))}")
    for question, where in zip(tree.questions, tree.slices, strict=True):
        answers = [said[column][1] for column in range(where.start, where.stop)]
        lines += ["", f"[workflow.questions.{json.dumps(question.name)}]", f'task = "{said[where.start][0]}"']
        lines.append(f"answers = {json.dumps(answers)}")
    return "\n".join(lines) + "\n"


def answers_given(columns: Iterable[int], said: Said, *, nested: bool = False) -> list[dict[str, Any]]:
    """Return the annotations that an export holds for these answers: a picture and a text each.

    `columns` are columns of the tree, in the order in which a volunteer answered. `said` has the form of `own_words`.
    `nested` says whether all answers lie within one combined task.
    """
    entries: list[dict[str, Any]] = []
    for column in columns:
        task, words = said[column]
        picture = f"![{words}.png](https://panoptes-uploads.zooniverse.org/{words.replace(' ', '-')}.png)"
        entries.append({"task": task, "task_label": f"Question {task}", "value": f"{picture} **{words}**"})
    return [{"task": "C0", "value": entries}] if nested else entries


def export_row(
    identity: int,
    volunteer: str,
    marks: Sequence[Mapping[str, Any]],
    subject: int,
    metadata: Mapping[str, object],
    *,
    workflow: int,
    version: str = "1.1",
    seconds: int = 0,
) -> dict[str, object]:
    """Return one classification as a row of an export.

    A volunteer whose name begins with ``not-logged-in`` has no user id. `marks` are annotations, as from `answers_given`.
    `subject` is the subject's id on the Zooniverse, `metadata` the manifest's row, and `version` the workflow's version.
    `seconds` count from the beginning of 2026.
    """
    return {
        "classification_id": identity,
        "user_name": volunteer,
        "user_id": "" if volunteer.startswith("not-logged-in") else zlib.crc32(volunteer.encode()),
        "user_ip": "3f8a",
        "workflow_id": workflow,
        "workflow_name": 'Galaxies, and "more"',  # a comma and quotes, to test readers
        "workflow_version": version,
        "created_at": f"{_BEGAN + timedelta(seconds=seconds)} UTC",
        "gold_standard": "",
        "expert": "",
        "metadata": '{"session": "0123456789abcdef", "viewport": {"width": 1200, "height": 800}}',
        "annotations": json.dumps(marks),
        "subject_data": json.dumps({str(subject): {"retired": None, **metadata}}),
        "subject_ids": subject,
    }
