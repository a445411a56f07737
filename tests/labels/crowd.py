"""Classifications in the Zooniverse's form, sound ones and others, and the wording of their workflow."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.labels.simulate.forms import HEADER, answers_given, export_row, own_words, wording_toml
from zooactive.tree import DecisionTree


def wording(tree_file: str, tree: DecisionTree, workflow: int = 77) -> str:
    """TOML of a workflow whose tasks are T0, T1, ... in the order of the tree."""
    return wording_toml(tree, tree_file, workflow, versions=("2.0", "3.99"))


def tree_toml(tree: DecisionTree) -> str:
    """A tree as its file."""
    lines = [f'name = "{tree.name}"']
    for question in tree.questions:
        entries = {"name": question.name, "answers": list(question.answers), "asked_after": list(question.asked_after)}
        lines += ["[[question]]", *(f"{key} = {json.dumps(value)}" for key, value in entries.items())]
    return "\n".join(lines) + "\n"


def one_answer_each(tree: DecisionTree, chances: NDArray[np.float64], rng: np.random.Generator) -> list[int]:
    """Columns that one volunteer chooses down the tree, with these chances of each answer."""
    chosen: list[int] = []
    for question in tree.order:
        if tree.parents[question] < 0 or any(tree.leads_to[question, column] for column in chosen):
            where = tree.slices[question]
            chosen.append(where.start + int(rng.choice(where.stop - where.start, p=chances[where])))
    return chosen


def annotated(tree: DecisionTree, columns: Sequence[int], *, nested: bool = False) -> list[dict[str, Any]]:
    """What the export holds of these answers: one task after the other, or all in one combined task."""
    return answers_given(columns, own_words(tree), nested=nested)


def row(identity: int, galaxy: str, volunteer: str, marks: Any, **other: object) -> dict[str, object]:
    """One classification; `other` takes the place of what a sound one holds."""
    metadata = {"#id": galaxy, "credit": "SDSS"}
    subject = 90000 + identity % 977
    sound = export_row(identity, volunteer, marks, subject, metadata, workflow=77, version="2.14", seconds=identity)
    return sound | ({"annotations": marks} if isinstance(marks, str) else {}) | other


def write(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Write an export."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.DictWriter(stream, HEADER)
        out.writeheader()
        out.writerows(rows)
    return path
