"""`zooactive trees`: list the decision trees, or draw one."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import JsonOption, last_line, print_table, screen, words
from zooactive.foundation.spelling import for_terminal

if TYPE_CHECKING:
    from rich.tree import Tree

    from zooactive.tree import DecisionTree


def command(
    name: Annotated[str | None, typer.Argument(help="A tree or a task to draw: a name or a .toml file.")] = None,
    json: JsonOption = False,
) -> None:
    """List the decision trees, or draw one tree or the tree of a task in the terminal."""
    if name is None:
        _list(as_json=json)
        return
    tree = _tree_or_task(name)
    if json:
        import json as json_format

        typer.echo(json_format.dumps(tree.to_dict(), indent=1))
        return
    screen().print(_drawing(tree))
    last_line(
        f"{len(tree.questions)} question{'s' * (len(tree.questions) > 1)}, {len(tree.columns)} answers."
        + (f" Cite: {tree.citation}" if tree.citation else ""),
        then=f"zooactive init --tree {shlex.quote(name)} --catalogue TABLE, with a table of votes",
    )


def _list(*, as_json: bool) -> None:
    import pandas as pd

    from zooactive.tree import list_trees, load_tree

    rows = [
        {"tree": tree.name, "survey": tree.title, "questions": len(tree.questions), "answers": len(tree.columns)}
        for tree in map(load_tree, list_trees())
    ]
    print_table(pd.DataFrame(rows), as_json=as_json)
    if not as_json:
        last_line(
            f"{len(rows)} decision trees.",
            f"zooactive trees {rows[0]['tree']}",
            then="give the name of any other tree to draw it",
        )


def _drawing(tree: DecisionTree) -> Tree:
    """Draw a tree: each question hangs from the answer that leads to it, and names all of them if there are several."""
    from rich.text import Text
    from rich.tree import Tree

    from zooactive.tree.drawing import branches

    hanging = branches(tree)

    def hang(place: Tree, column: str | None) -> None:
        for branch in hanging.get(column, ()):
            named = Text.assemble((for_terminal(branch.name), "bold cyan"), (for_terminal(branch.after), "dim"))
            below = place.add(named)
            for answer, leading in zip(branch.question.answers, branch.question.columns, strict=True):
                hang(below.add(words(answer)), leading)

    drawing = Tree(Text(for_terminal(tree.title or tree.name), "bold"))
    hang(drawing, None)
    return drawing


def _tree_or_task(name: str) -> DecisionTree:
    """Return a tree by its name or file, or the tree of a task: a bundled task, a file, or a task trained here."""
    from zooactive.tree import list_trees, load_tree

    if name in list_trees():
        return load_tree(name)
    from zooactive.foundation.errors import TreeError, ZooactiveError, did_you_mean
    from zooactive.training.finetuning.tasks import list_tasks, load_task

    if name in list_tasks():
        return load_task(name).load_tree()
    try:
        return load_tree(name)
    except TreeError as error:
        if name.endswith(".toml"):
            try:
                return load_task(name).load_tree()
            except ZooactiveError:
                raise error from None
        learnt = _tasks_here()
        if name in learnt:
            return learnt[name]
        near = did_you_mean(name, [*list_trees(), *list_tasks(), *learnt])
        raise TreeError(
            f"there is no decision tree and no task '{name}'.{near} `zooactive trees` lists the bundled trees"
        ) from None


def _tasks_here() -> dict[str, DecisionTree]:
    """Return the trees of the tasks that were trained in this workspace, by task name and by folder name."""
    from zooactive.foundation.errors import ZooactiveError
    from zooactive.training.finetuning.finetuned_model import saved_task
    from zooactive.workspace import find_workspace

    try:
        folder = find_workspace(None).folder / "tasks"
    except ZooactiveError:
        return {}
    found: dict[str, DecisionTree] = {}
    for saved in sorted(folder.glob("*/")):
        try:
            task = saved_task(saved)
        except ZooactiveError:
            continue
        found |= {saved.name: task.load_tree(), task.name: task.load_tree()}
    return found
