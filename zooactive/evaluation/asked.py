"""Each question on the galaxies of which it was really asked: what every measure of this folder is taken on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.tree import DecisionTree, Question


@dataclass(frozen=True, eq=False)
class Asked:
    """A question with the galaxies of which it was really asked, and what was answered there.

    `answers` says where its answers lie among the tree's columns, and `rows` which galaxies these are, rising. `votes`,
    shape (asked, answer), are on this question alone; `totals`, shape (asked,), are their sums, all above 0.
    """

    question: Question
    answers: slice
    rows: NDArray[np.int64]
    votes: NDArray[np.float64]
    totals: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def truth(self) -> NDArray[np.int64]:
        """The place of the answer with most votes (of equal ones, the first), shape (asked,)."""
        return np.asarray(self.votes.argmax(1), dtype=np.int64)

    @property
    def fractions(self) -> NDArray[np.float64]:
        """The observed fractions of the votes, shape (asked, answer)."""
        return np.asarray(self.votes / self.totals[:, None])

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Pick from values of all galaxies and columns, (galaxy, column) -> (asked, answer)."""
        return np.asarray(values[self.rows, self.answers])

    def take(self, some: NDArray[np.bool_]) -> Asked:
        """Return the question on some of these galaxies, a mask of shape (asked,)."""
        return replace(self, rows=self.rows[some], votes=self.votes[some], totals=self.totals[some])

    def row(self) -> dict[str, object]:
        """Begin this question's row of a table: ``question`` and ``galaxies``."""
        return {"question": self.question.name, "galaxies": len(self)}


def each_asked(votes: ArrayLike, tree: DecisionTree, *, min_share: float = 0.5) -> Iterator[Asked]:
    """Yield the questions of a tree in its order, each on the galaxies of which it was `really_asked`.

    With a `min_share` of 0 these are all galaxies that have votes on the question.
    """
    k = np.asarray(votes, dtype=np.float64)
    asked, totals = really_asked(k, tree, min_share=min_share), tree.question_sums(k)
    for q, (question, where) in enumerate(zip(tree.questions, tree.slices, strict=True)):
        rows = np.flatnonzero(asked[:, q])
        yield Asked(question, where, rows, k[rows, where], totals[rows, q])


def really_asked(votes: ArrayLike, tree: DecisionTree, *, min_share: float = 0.5) -> NDArray[np.bool_]:
    """Whether enough of a galaxy's volunteers reached each question, (galaxy, answer) -> (galaxy, question).

    The volunteers of a galaxy are those who answered the root above the question; at least `min_share` of them, and at
    least one, must have been asked.
    """
    asked = tree.question_sums(np.asarray(votes, dtype=float))
    volunteers = asked.copy()
    for q in tree.order:
        if tree.parents[q] >= 0:
            volunteers[:, q] = volunteers[:, tree.parents[q]]
    return np.asarray((asked > 0) & (asked >= min_share * volunteers))
