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
    name: Annotated[str | None, typer.Argument(help="A tree to draw: a name or a .toml file.")] = None,
    json: JsonOption = False,
) -> None:
    """List the decision trees, or draw one in the terminal."""
    from zooactive.tree import load_tree

    if name is None:
        _list(as_json=json)
        return
    tree = load_tree(name)
    if json:
        import json as json_format

        typer.echo(json_format.dumps(tree.to_dict(), indent=1))
        return
    screen().print(_drawing(tree))
    last_line(
        f"{len(tree.questions)} questions, {len(tree.columns)} answers."
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
            f"{len(rows)} decision trees.", f"zooactive trees {rows[0]['tree']}", then="any other tree is drawn by its name"
        )


def _drawing(tree: DecisionTree) -> Tree:
    """Questions hang from the answers that lead to them; one that several answers lead to names them all."""
    from rich.text import Text
    from rich.tree import Tree

    drawing = Tree(Text(for_terminal(tree.title or tree.name), "bold"))
    places: dict[str, Tree] = {}
    for index in tree.order:
        question = tree.questions[index]
        leading = question.asked_after
        place = places[leading[-1]] if leading else drawing
        named = Text(for_terminal(question.name.removesuffix(tree.suffix)), "bold cyan")
        others = f" (after {' or '.join(_answer(tree, c) for c in leading)})" if len(leading) > 1 else ""
        branch = place.add(Text.assemble(named, (for_terminal(others), "dim")))
        for answer, column in zip(question.answers, question.columns, strict=True):
            places[column] = branch.add(words(answer))
    return drawing


def _answer(tree: DecisionTree, column: str) -> str:
    return column.removeprefix(tree.question_of(column).name + "_")
