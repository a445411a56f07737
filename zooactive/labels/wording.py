"""The wording of a decision tree's questions in a workflow of the Zooniverse: a TOML file.

::

    tree = "gz2"                                   # a name, or a .toml file next to this one

    [[workflow]]
    id = 4958
    versions = ["12.0", "14.99"]                   # first and last; default: all
    galaxy = ["#objid", "iauname"]                 # entries of the subject's metadata that hold the galaxy's id

    [workflow.questions.smooth-or-featured-gz2]
    task = "T0"
    answers = ["Smooth", "Features or disk", ["Star or artifact", "Star/artifact"]]

List the answers in the order of the tree's answers. Each is the workflow's wording, or a list of all its wordings. Without
``answers``, the tree's own names are used. Case, Markdown, pictures and white space are ignored.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from zooactive.catalogue.id_columns import ID_COLUMNS
from zooactive.foundation.errors import CatalogueError, TreeError, did_you_mean, explained
from zooactive.foundation.parsing import read_toml
from zooactive.tree import DecisionTree, load_tree

_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ENTRIES = {"id", "versions", "galaxy", "questions"}
Version = tuple[int, int]


@dataclass(frozen=True)
class WorkflowWording:
    """The wording of one workflow: its tasks and answers.

    Parameters
    ----------
    id : int
    versions : ((int, int), (int, int)) or None
        The first and the last version, each as major and minor number. None means all versions.
    galaxy : tuple of str
        Entries of the subject's metadata that may hold the galaxy's id. The first one that is present counts.
    tasks : mapping of str to int
        Task, such as T0 -> the number of its question in the tree.
    answers : mapping of (str, str) to int
        Task and plain wording of an answer -> the number of its column in the tree.
    """

    id: int
    versions: tuple[Version, Version] | None
    galaxy: tuple[str, ...]
    tasks: Mapping[str, int]
    answers: Mapping[tuple[str, str], int]

    def mark(self) -> str:
        """Return a hash of everything that decides how a classification is read."""
        words = sorted((task, text, column) for (task, text), column in self.answers.items())
        content = json.dumps([self.versions, self.galaxy, sorted(self.tasks.items()), words])
        return blake2b(content.encode(errors="surrogatepass"), digest_size=16).hexdigest()

    def takes(self, version: Version) -> bool:
        """Return whether classifications of this version are read."""
        return self.versions is None or self.versions[0] <= version <= self.versions[1]


@dataclass(frozen=True)
class Wording:
    """A tree, and the workflows that ask its questions."""

    tree: DecisionTree
    workflows: Mapping[int, WorkflowWording]
    source: str


@lru_cache(maxsize=10_000)  # an export words the same few answers millions of times
def plain(text: str) -> str:
    """Return a wording without the parts that are ignored.

    These are pictures, the URLs of links, Markdown's marks, case, hyphens, and white space around and inside the text.
    """
    text = unicodedata.normalize("NFKC", text)
    text = _LINK.sub(r"\1", _PICTURE.sub(" ", text))
    return " ".join(re.sub(r"[*_#`]+", " ", text).casefold().replace("-", " ").split())


def version_of(text: str) -> Version:
    """Return the major and minor number of a version such as 12.30; raise a ValueError for any other text."""
    major, _, minor = text.strip().partition(".")
    return int(major), int(minor or 0)


def load_wording(path: str | Path) -> Wording:
    """Read a wording from its file.

    Raises
    ------
    CatalogueError
        When the file is missing or is not TOML, when entries are unknown, missing or of the wrong type, when a question is
        unknown, or when a task or a wording occurs twice.
    """
    path = Path(path)
    values = read_toml(path, CatalogueError, give="the file that words the workflow")
    for key in values:
        if key not in ("tree", "workflow"):
            raise CatalogueError(f"{path}: the entry '{key}' is unknown.{did_you_mean(key, ('tree', 'workflow'))}")
    name, workflows = values.get("tree"), values.get("workflow")
    if not isinstance(name, str) or not isinstance(workflows, list) or not workflows:
        raise CatalogueError(f'{path}: write tree = "NAME" and at least one table [[workflow]]')
    tree = load_tree(path.parent / name if name.endswith(".toml") else name)
    read = [_workflow(entry, tree, f"{path}, workflow {number + 1}") for number, entry in enumerate(workflows)]
    by_id = {workflow.id: workflow for workflow in read}
    if len(by_id) < len(read):
        raise CatalogueError(f"{path} lists a workflow twice; keep one [[workflow]] for each id")
    return Wording(tree, by_id, str(path))


def _workflow(entry: Any, tree: DecisionTree, where: str) -> WorkflowWording:
    for key in entry if isinstance(entry, Mapping) else ("workflow",):
        if key not in _ENTRIES:
            raise CatalogueError(f"{where}: the entry '{key}' is unknown.{did_you_mean(key, _ENTRIES)}")
    identity, questions = entry.get("id"), entry.get("questions")
    if type(identity) is not int or not isinstance(questions, Mapping) or not questions:
        raise CatalogueError(f"{where}: write id = NUMBER and at least one table [workflow.questions.NAME]")
    galaxy = entry.get("galaxy", [prefix + name for name in ID_COLUMNS for prefix in ("", "#", "!")])
    if not isinstance(galaxy, list) or not galaxy or not all(isinstance(name, str) for name in galaxy):
        raise CatalogueError(f'{where}: galaxy = {galaxy!r}; give a list of metadata entries, such as ["#id"]')
    tasks: dict[str, int] = {}
    answers: dict[tuple[str, str], int] = {}
    for name, words in questions.items():
        with explained(CatalogueError, f"{where}: {{reason}}", TreeError):
            question = tree.question(name)
        task = words.get("task") if isinstance(words, Mapping) else None
        if not isinstance(task, str) or task in tasks:
            raise CatalogueError(f'{where}, {name}: task = {task!r}; give the workflow\'s own name, such as "T0", once')
        tasks[task] = tree.questions.index(question)
        worded = words.get("answers", list(question.answers))
        if not isinstance(worded, list) or len(worded) != len(question.answers):
            raise CatalogueError(
                f"{where}, {name}: answers = {worded!r}; give {len(question.answers)} wordings, for "
                f"{', '.join(question.answers)}"
            )
        for column, texts in zip(question.columns, worded, strict=True):
            for text in texts if isinstance(texts, list) else [texts]:
                key = (task, plain(str(text)))
                if key in answers:
                    raise CatalogueError(f"{where}, {name}: '{text}' is the wording of two answers; give it to one of them")
                answers[key] = tree.columns.index(column)
    return WorkflowWording(identity, _versions(entry.get("versions"), where), tuple(galaxy), tasks, answers)


def _versions(value: Any, where: str) -> tuple[Version, Version] | None:
    if value is None:
        return None
    mend = 'give the first and the last, such as ["12.0", "14.99"]'
    if isinstance(value, list) and not all(isinstance(version, str) for version in value):
        raise CatalogueError(
            f"{where}: versions = {value!r} are numbers, which cannot tell 12.30 from 12.3; {mend}, in quotation marks"
        )
    with explained(CatalogueError, f"{where}: versions = {value!r}; {mend}", TypeError, ValueError):
        first, last = map(version_of, value)
    if first > last:
        raise CatalogueError(f"{where}: versions = {value!r} are in the wrong order; {mend}")
    return first, last
