"""A crowd that writes a classification export in the Zooniverse's form, and the wording of its workflow."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.tree import DecisionTree

HEADER = (
    "classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name", "workflow_version", "created_at",
    "gold_standard", "expert", "metadata", "annotations", "subject_data", "subject_ids",
)  # fmt: skip


def wording(tree_file: str, tree: DecisionTree, workflow: int = 77) -> str:
    """TOML of a workflow whose tasks are T0, T1, ... in the order of the tree."""
    lines = [f'tree = "{tree_file}"', "[[workflow]]", f"id = {workflow}", 'versions = ["2.0", "3.99"]', 'galaxy = ["#id"]']
    for number, question in enumerate(tree.questions):
        answers = [words(answer) for answer in question.answers]
        lines += [f'[workflow.questions."{question.name}"]', f'task = "T{number}"', f"answers = {json.dumps(answers)}"]
    return "\n".join(lines) + "\n"


def tree_toml(tree: DecisionTree) -> str:
    """A tree as its file."""
    lines = [f'name = "{tree.name}"']
    for question in tree.questions:
        entries = {"name": question.name, "answers": list(question.answers), "asked_after": list(question.asked_after)}
        lines += ["[[question]]", *(f"{key} = {json.dumps(value)}" for key, value in entries.items())]
    return "\n".join(lines) + "\n"


def words(answer: str) -> str:
    """How the workflow words an answer."""
    return answer.replace("-", " ").capitalize()


def one_answer_each(tree: DecisionTree, chances: NDArray[np.float64], rng: np.random.Generator) -> list[int]:
    """Columns that one volunteer chooses down the tree, with these chances of each answer."""
    chosen: list[int] = []
    for question in tree.order:
        if tree.parents[question] < 0 or any(tree.leads_to[question, column] for column in chosen):
            where = tree.slices[question]
            chosen.append(where.start + int(rng.choice(where.stop - where.start, p=chances[where])))
    return chosen


def annotations(tree: DecisionTree, columns: Sequence[int], *, nested: bool = False) -> list[dict[str, Any]]:
    """What the export holds of these answers: one task after the other, or all in one combined task."""
    entries = []
    for column in columns:
        question = tree.question_of(tree.columns[column])
        answer = question.answers[question.columns.index(tree.columns[column])]
        task = f"T{tree.questions.index(question)}"
        picture = f"![{answer}.png](https://panoptes-uploads.zooniverse.org/{answer}.png) **{words(answer)}**"
        entries.append({"task": task, "task_label": question.name, "value": picture})
    return [{"task": "C0", "value": entries}] if nested else entries


def row(identity: int, galaxy: str, volunteer: str, marks: object, **other: object) -> dict[str, object]:
    """One classification; `other` takes the place of what a sound one holds."""
    return {
        "classification_id": identity,
        "user_name": volunteer,
        "user_id": "",
        "user_ip": "3f8a",
        "workflow_id": 77,
        "workflow_name": 'Galaxies, and "more"',
        "workflow_version": "2.14",
        "created_at": f"{datetime(2026, 1, 1) + timedelta(seconds=identity)} UTC",
        "gold_standard": "",
        "expert": "",
        "metadata": json.dumps({"session": "a" * 40, "viewport": {"width": 1200}}),
        "annotations": marks if isinstance(marks, str) else json.dumps(marks),
        "subject_data": json.dumps({str(90000 + identity % 977): {"retired": None, "#id": galaxy, "credit": "SDSS"}}),
        "subject_ids": 90000 + identity % 977,
        **other,
    }


def write(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Write an export."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.DictWriter(stream, HEADER)
        out.writeheader()
        out.writerows(rows)
    return path
