"""Drawings of a decision tree, with each question below the answers that lead to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from zooactive.foundation.html import escaped
from zooactive.foundation.spelling import for_terminal


class _Asked(Protocol):
    """The parts of a `Question` that a drawing needs."""

    @property
    def name(self) -> str: ...
    @property
    def answers(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def asked_after(self) -> tuple[str, ...]: ...


class _Drawable(Protocol):
    """The parts of a `DecisionTree` that a drawing needs."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def order(self) -> tuple[int, ...]: ...
    @property
    def questions(self) -> Sequence[_Asked]: ...
    def question_of(self, column: str) -> _Asked: ...


class Branch(NamedTuple):
    """A question at its place in the drawing."""

    question: _Asked
    name: str
    """The name without the survey's suffix."""
    after: str
    """The names of all answers that lead to it, if there are several. The question is drawn below the last one."""


def branches(tree: _Drawable) -> dict[str | None, list[Branch]]:
    """Return the questions by the column below which they are drawn, with None for those that everybody is asked."""
    found: dict[str | None, list[Branch]] = {}
    for index in tree.order:
        question = tree.questions[index]
        leading = question.asked_after
        names = [column.removeprefix(f"{tree.question_of(column).name}_") for column in leading]
        after = f" (after {' or '.join(names)})" if len(leading) > 1 else ""
        branch = Branch(question, question.name.removesuffix(tree.suffix), after)
        found.setdefault(leading[-1] if leading else None, []).append(branch)
    return found


def tree_as_text(tree: _Drawable) -> str:
    """Draw a tree as lines of ASCII text."""
    hanging = branches(tree)

    def lines(column: str | None) -> Iterator[str]:
        for branch in hanging.get(column, ()):
            yield f"{branch.name}?{branch.after}"
            answers = list(zip(branch.question.answers, branch.question.columns, strict=True))
            for place, (answer, below) in enumerate(answers):
                last = place == len(answers) - 1
                yield f"{'`' if last else '|'}-- {answer}"
                yield from (f"{' ' if last else '|'}   {line}" for line in lines(below))

    return for_terminal("\n".join([tree.title or tree.name, *lines(None)]))


def tree_as_html(tree: _Drawable) -> str:
    """Draw a tree as nested HTML lists, with all names escaped."""
    hanging = branches(tree)

    def items(column: str | None) -> str:
        drawn = ""
        for branch in hanging.get(column, ()):
            answers = zip(branch.question.answers, branch.question.columns, strict=True)
            inner = "".join(f"<li>{escaped(answer)}{items(below)}</li>" for answer, below in answers)
            drawn += (
                f"<div><b>{escaped(branch.name)}</b><i>{escaped(branch.after)}</i><ul style='margin:0'>{inner}</ul></div>"
            )
        return drawn

    said = f"{len(tree.questions)} questions, {len(tree.columns)} answers"
    return f"<div><b>{escaped(tree.title or tree.name)}</b> ({escaped(tree.name)}: {said})</div>{items(None)}"
