"""Tasks: questions to learn from a small table of labels, described as data.

A task's file names a tree, or contains its own question, and names the column of the labels. `task_of_column` makes a
task from any column of labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.set_aside import MAX_SET_ASIDE
from zooactive.catalogue.tables import read_table
from zooactive.catalogue.votes import MISSING, NO, YES, label_key, label_text
from zooactive.foundation.catalogs import NamedFiles
from zooactive.foundation.errors import CatalogueError, TrainingError, ZooactiveError, did_you_mean, explained
from zooactive.training.finetuning.number_tasks import REDSHIFTS, are_numbers
from zooactive.training.finetuning.number_tasks import NumberTask as NumberTask
from zooactive.training.finetuning.pixels import pixels_of_task
from zooactive.tree import DecisionTree, Question, load_tree

MOST_CLASSES = 20
"""The largest number of different labels in a column that are taken for classes."""

VOLUNTEERS = 40.0
"""The number of volunteers assumed for a fraction if the table does not say how many there were."""

_YES_OR_NO = {*YES, *NO}


@dataclass(frozen=True)
class Task:
    """A question to learn from a small table of labels.

    Parameters
    ----------
    name : str
    tree : str or DecisionTree
        The tree of the task: a name, a path, or the tree itself.
    label_column : str, optional
        The column with one label per galaxy. For a tree of fractions, the column with the fraction of the first of its two
        answers. Without it the table must hold the tree's vote columns.
    id_column, image_column : str, optional
        Columns of the table of labels; by default as `zooactive.read_catalogue` finds them.
    volunteers : float or str, optional
        The number of volunteers behind each fraction: a number, or a column.
    min_votes : float, optional
        The number of votes on a first question from which a galaxy is labelled; by default the tree's.
    crop : float, optional
        The central fraction of these images that shows galaxies about as large as in the encoder's training images.
    image_size : int, optional
        The number of pixels on a side for the network; by default the encoder's own.
    stretch : str or list of str, optional
        The stretch of FITS images; see `zooactive.Preprocessing`.
    bands : str or list of str, optional
        The bands of FITS images. A list gives the encoder a first layer for these bands: see
        `zooactive.models.backbones.stems`.
    """

    name: str
    tree: str | DecisionTree
    label_column: str | None = None
    id_column: str | None = None
    image_column: str | None = None
    volunteers: float | str | None = None
    min_votes: float | None = None
    crop: float | None = None
    image_size: int | None = None
    stretch: str | tuple[str, ...] | None = None
    bands: str | tuple[str, ...] | None = None

    def load_tree(self) -> DecisionTree:
        """Load the task's tree."""
        return load_tree(self.tree)

    def read(
        self, labels: Catalogue | str | Path, *, images: str | Path | None = None, max_set_aside: float = MAX_SET_ASIDE
    ) -> Catalogue:
        """Read a table of this task's labels, as `zooactive.read_catalogue` does; a catalogue is returned unchanged.

        Raises
        ------
        CatalogueError
            As in `zooactive.read_catalogue`; also for a catalogue that was read with another tree.
        """
        tree = self.load_tree()
        if isinstance(labels, Catalogue):
            if labels.voted is None or labels.voted.tree.columns != tree.columns:
                raise CatalogueError(
                    f"{labels.source} has no labels of task '{self.name}', which are {', '.join(tree.columns)}; give its "
                    "path, or read it with the task's `read`"
                )
            return labels
        return read_catalogue(
            labels,
            tree=tree,
            label_column=self.label_column,
            id_column=self.id_column,
            image_column=self.image_column,
            volunteers=self.volunteers,
            min_votes=self.min_votes,
            images=images,
            max_set_aside=max_set_aside,
        )

    def preprocessing(self, encoder: Preprocessing) -> Preprocessing:
        """Return the preprocessing of this task's images, for an encoder with preprocessing of its own."""
        return pixels_of_task(encoder, crop=self.crop, stretch=self.stretch, image_size=self.image_size, bands=self.bands)

    def to_dict(self) -> dict[str, Any]:
        """Return the task as plain values with the whole tree, the inverse of `from_dict`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.bands is None:
            values.pop("bands")
        return values | {"tree": self.load_tree().to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "the task", folder: Path | None = None) -> Task:
        """Make a task from plain values, as they are in its file.

        Raises
        ------
        TrainingError
            If an entry is unknown, missing or of the wrong type.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(values, Mapping):
            raise TrainingError(f"{where}: a task must be a table with the entries name and tree; received {values!r}")
        for key, value in values.items():
            if key not in known:
                raise TrainingError(f"{where}: the entry '{key}' is unknown.{did_you_mean(key, known)}")
            kind = _KINDS.get(key, (str,))
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
                raise TrainingError(f"{where}: {key} = {value!r}; give {_IN_WORDS[kind]}")
        if values.get("name") is None or values.get("tree") is None:
            raise TrainingError(f"{where}: a task needs the entries name and tree")
        tree = values["tree"]
        with explained(TrainingError, f"{where}: {{reason}}", ZooactiveError):
            if isinstance(tree, Mapping):
                tree = DecisionTree.from_dict({"name": values["name"], **tree}, where=where)
            elif tree.endswith(".toml") and folder is not None:
                tree = str(folder / tree)
            lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            task = cls(**{**values, **lists, "tree": tree})
            task.preprocessing(Preprocessing())
        return task


_TASKS = NamedFiles(
    "tasks",
    "task",
    TrainingError,
    "Known tasks are {known}; give your own task as a path that ends in .toml, or a column of labels (--column)",
)
_NUMBER = (int, float)
_KINDS: dict[str, tuple[type, ...]] = {
    "tree": (str, dict),
    "volunteers": (int, float, str),
    "min_votes": _NUMBER,
    "crop": _NUMBER,
    "image_size": (int,),
    "stretch": (str, list, tuple),
    "bands": (str, list, tuple),
}
_IN_WORDS: dict[tuple[type, ...], str] = {
    (str,): "a text",
    (str, dict): "the name of a tree, or a table [tree] with its questions",
    (int, float, str): "a number, or the name of a column",
    _NUMBER: "a number",
    (int,): "a whole number",
    (str, list, tuple): "a text or a list of texts",
}


def list_tasks() -> tuple[str, ...]:
    """Return the names of the tasks that come with zooactive, sorted."""
    return _TASKS.names()


def load_task(name: str | Path | Task) -> Task:
    """Load a task by its name, or your own task from a TOML file.

    Raises
    ------
    TrainingError
        If there is no such task, or its file has unknown or missing entries.
    """
    if isinstance(name, Task):
        return name
    path, values = _TASKS.read(name)
    return Task.from_dict(values, where=str(path), folder=path.parent)


def folder_name(task: str) -> str:
    """Return the name of a task's folder: the task's name, or the name of its file without the ending.

    In a name with anything but letters, digits, dots, hyphens and underscores, these become hyphens and the letters lower
    case.

    Examples
    --------
    >>> folder_name("catalogs/mergers.toml"), folder_name("p.merger"), folder_name("Is Ring?"), folder_name("edge-on/bulge")
    ('mergers', 'p.merger', 'is-ring', 'edge-on-bulge')
    """
    name = Path(task).stem if task.endswith(".toml") else task
    if re.fullmatch(r"\w[\w.-]*", name):
        return name
    return re.sub(r"[^\w.-]+", "-", name.lower()).strip("-.") or "task"


def folder_of(tasks: Path, task: str) -> Path:
    """Return a task's folder among others; a folder that an earlier version named differently is also found."""
    folder = tasks / folder_name(task)
    earlier = tasks / (Path(task).stem if task.endswith(".toml") else task.replace("/", "_"))
    there = not (folder / "finetuned.json").is_file() and (earlier / "finetuned.json").is_file()
    return earlier if there else folder


def task_of_column(
    labels: str | Path,
    column: str,
    *,
    id_column: str | None = None,
    image_column: str | None = None,
    volunteers: float | str | None = None,
    number: bool | None = None,
    error_column: str | None = None,
    limit_column: str | None = None,
    missing: Sequence[float] = (),
    redshift: bool | None = None,
) -> Task | NumberTask:
    """Make a task from a column of labels: yes or no, some classes, fractions from 0 to 1, or other numbers.

    Parameters
    ----------
    labels : path
        The table of labels.
    column : str
        The name of the task, of its question and of the labels' column. Yes and no may be written as yes/no, true/false or
        1/0.
    id_column, image_column : str, optional
        Columns of the table; see `Task`.
    volunteers : float or str, optional
        The number of volunteers behind each fraction: a number, or a column; by default `VOLUNTEERS`.
    number : bool, optional
        Take the column for numbers, whatever it holds. By default it is taken for numbers if it has more than `MOST_CLASSES`
        different numbers that are not fractions, if its name is that of a redshift, or if one of the following is given.
    error_column : str, optional
        The column with the standard deviation of each number.
    limit_column : str, optional
        The column that says which numbers are limits; see `NumberTask`.
    missing : sequence of float
        Values that mean that there is no number.
    redshift : bool, optional
        Whether the numbers are redshifts. By default they are if the column is called z, redshift or photo_z.

    Raises
    ------
    CatalogueError
        If the column is missing, or holds neither labels nor fractions nor numbers.
    """
    frame = read_table(Path(labels), id_column=id_column, image_column=image_column).frame
    if column not in frame.columns:
        hint = did_you_mean(column, [str(name) for name in frame.columns])
        raise CatalogueError(f"column '{column}' is missing from {labels}.{hint or ' It has ' + ', '.join(frame.columns)}")
    asked = number or error_column is not None or limit_column is not None or len(missing) > 0 or bool(redshift)
    if number is False and asked:
        raise CatalogueError(
            f"column '{column}': errors, limits, missing values and redshifts are only for numbers; leave them out"
        )
    named = column.lower() in REDSHIFTS
    numbers = NumberTask(
        column,
        column,
        id_column=id_column,
        image_column=image_column,
        error_column=error_column,
        limit_column=limit_column,
        missing=tuple(map(float, missing)),
        redshift=named if redshift is None else redshift,
    )
    if asked:
        return numbers
    texts = frame[column].dropna().map(label_text).astype(object)
    keys = texts.map(label_key)
    said = (keys != "") & (keys != label_key(MISSING))
    texts, keys = texts[said], keys[said]
    known = set(keys)
    if not known - {"none"}:
        raise CatalogueError(f"{labels}, column '{column}' is blank in every row; give some galaxies a label")
    place: dict[str, Any] = {"label_column": column, "id_column": id_column, "image_column": image_column}
    if known - {"none"} <= _YES_OR_NO:  # next to yes and no, "none" is not an answer
        return Task(column, _tree(column, ("yes", "no"), "class"), **place)
    real = number is not False and are_numbers(texts)
    if real and named and len(known) > MOST_CLASSES:
        return numbers
    if _fractions(texts):
        crowd = VOLUNTEERS if volunteers is None else volunteers
        return Task(column, _tree(column, ("yes", "no"), "fractions"), volunteers=crowd, **place)
    spellings = texts.groupby(keys).agg(lambda same: same.mode().iloc[0])  # a class gets its most common spelling
    classes = tuple(sorted(spellings, key=_numbers_first))
    if len(classes) == 1:
        raise CatalogueError(
            f"{labels}, column '{column}': all {len(texts)} labels are '{classes[0]}', so there is nothing to tell apart"
        )
    if len(classes) > MOST_CLASSES and real:
        return numbers
    if len(classes) > MOST_CLASSES:
        raise CatalogueError(
            f"{labels}, column '{column}' holds {len(classes)} different values, such as '{classes[0]}' and '{classes[1]}'; "
            f"labels are yes or no, up to {MOST_CLASSES} classes, fractions from 0 to 1, or numbers"
        )
    return Task(column, _tree(column, classes, "class"), **place)


def _tree(column: str, answers: tuple[str, ...], votes: Any) -> DecisionTree:
    return DecisionTree(column, (Question(column, answers),), title=f"One question: {column}", votes=votes, min_votes=1)


def _fractions(texts: pd.Series[Any]) -> bool:
    """Return whether labels are numbers from 0 to 1, and not all of them whole."""
    values = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)
    return bool(np.isfinite(values).all() and ((values >= 0) & (values <= 1)).all() and (values % 1 != 0).any())


def _numbers_first(label: str) -> tuple[float, str]:
    return (float(label), label) if label.replace(".", "", 1).isdecimal() else (float("inf"), label)
