"""The question that a labeller is asked: a new question, a survey's tree, or a task and its earlier labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from zooactive.foundation.errors import TreeError, WorkspaceError
from zooactive.training.finetuning.tasks import NumberTask, Task, load_task
from zooactive.tree import DecisionTree, Question, list_trees, load_tree
from zooactive.workspace.finetuned import labels_of
from zooactive.workspace.labels_alone import task_home
from zooactive.workspace.settings import Settings


def tree_of(
    settings: Settings,
    question: str | None,
    classes: str | Sequence[str] | None,
    task: str | None,
    tree: str | Path | None,
) -> tuple[DecisionTree, str]:
    """Return the tree whose questions are asked, and how a file names it."""
    said = {"--question or --classes": (question, classes) != (None, None), "--task": task is not None}
    said["--tree"] = tree is not None
    if sum(said.values()) != 1:
        given = " and ".join(name for name, here in said.items() if here)
        raise WorkspaceError(
            f"exactly one question can be asked (given: {given or 'none'}); give one of --question ring, --classes "
            "merger,ring,neither, --task rings and --tree gz2"
        )
    if tree is not None:
        found = replace(load_tree(tree), min_votes=1, votes="counts")
        return found, str(tree if str(tree) in list_trees() else Path(tree).resolve())
    if task is not None:
        known = _task_of(settings, task)
        found = known.load_tree()
        return replace(found, votes="class" if len(found.questions) == 1 else "counts", min_votes=1), str(known.tree)
    names = [name.strip() for name in classes.split(",")] if isinstance(classes, str) else list(classes or ("yes", "no"))
    try:
        return DecisionTree("labels", (Question(question or "class", tuple(names)),), votes="class"), ""
    except TreeError as error:
        raise WorkspaceError(f"this question cannot be asked: {error}") from error


def _task_of(settings: Settings, name: str) -> Task:
    """Return a task from the workspace's file, from a model that was fine-tuned in it, or from the bundled tasks."""
    known: Task | NumberTask | None
    if name in settings.tasks:
        known = settings.tasks[name].load(name)
    elif (task_home(settings, name) / "finetuned.json").is_file():
        from zooactive.training.finetuning.finetuned_model import saved_task
        from zooactive.training.finetuning.finetuned_numbers import is_number_task

        folder = task_home(settings, name)
        known = None if is_number_task(folder) else saved_task(folder)
    else:
        known = load_task(name)
    if known is None or isinstance(known, NumberTask):
        raise WorkspaceError(f"the labels of task '{name}' are numbers, which cannot be given as answers; name another task")
    return known


def labels_before(settings: Settings, name: str) -> dict[str, dict[str, str]]:
    """Return each galaxy's majority answers, by question, from the table that a task names or was trained on."""
    named = settings.tasks.get(name)
    if named is not None and named.labels is not None:
        labels = _task_of(settings, name).read(named.labels, images=named.images, max_set_aside=named.max_set_aside)
    elif (task_home(settings, name) / "finetuned.json").is_file():
        labels = labels_of(task_home(settings, name))
    else:
        return {}
    from zooactive.loop.labelling.answers import by_most

    assert labels.voted is not None
    votes, tree = labels.voted.votes, labels.voted.tree
    said = {str(labels.ids[row]): by_most(votes[row], tree) for row in np.flatnonzero(labels.labelled)}
    return {galaxy: answers for galaxy, answers in said.items() if answers}
