"""Each question with the galaxies where enough volunteers reached it, the basis of all metrics in this package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.tree import DecisionTree, Question


@dataclass(frozen=True, eq=False)
class Asked:
    """A question with the galaxies where enough volunteers reached it, and their votes.

    `answers` is the slice of the question's answers among the tree's columns. `rows` are the galaxies, in ascending order.
    `votes`, shape (asked, answer), are on this question alone. `totals`, shape (asked,), are their sums, all above 0.
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
        """The index of the answer with the most votes (the first one in a tie), shape (asked,)."""
        return np.asarray(self.votes.argmax(1), dtype=np.int64)

    @property
    def fractions(self) -> NDArray[np.float64]:
        """The observed fractions of the votes, shape (asked, answer)."""
        return np.asarray(self.votes / self.totals[:, None])

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of this question, from all galaxies and columns: (galaxy, column) -> (asked, answer)."""
        return np.asarray(values[self.rows, self.answers])

    def take(self, some: NDArray[np.bool_]) -> Asked:
        """Return the question on a subset of these galaxies, given by a mask of shape (asked,)."""
        return replace(self, rows=self.rows[some], votes=self.votes[some], totals=self.totals[some])

    def row(self) -> dict[str, object]:
        """Return the start of this question's row in a table: ``question`` and ``galaxies``."""
        return {"question": self.question.name, "galaxies": len(self)}


def each_asked(votes: ArrayLike, tree: DecisionTree, *, min_share: float = 0.5) -> Iterator[Asked]:
    """Yield the questions of a tree in its order, each with the galaxies that `really_asked` selects.

    With a `min_share` of 0, these are all galaxies that have votes on the question.
    """
    k = np.asarray(votes, dtype=np.float64)
    asked, totals = really_asked(k, tree, min_share=min_share), tree.question_sums(k)
    for q, (question, where) in enumerate(zip(tree.questions, tree.slices, strict=True)):
        rows = np.flatnonzero(asked[:, q])
        yield Asked(question, where, rows, k[rows, where], totals[rows, q])


def really_asked(votes: ArrayLike, tree: DecisionTree, *, min_share: float = 0.5) -> NDArray[np.bool_]:
    """Return whether enough of a galaxy's volunteers reached each question, (galaxy, answer) -> (galaxy, question).

    The volunteers of a galaxy are those who answered the root above the question. At least `min_share` of them, and at least
    one, must have answered the question.
    """
    asked = tree.question_sums(np.asarray(votes, dtype=float))
    volunteers = asked.copy()
    for q in tree.order:
        if tree.parents[q] >= 0:
            volunteers[:, q] = volunteers[:, tree.parents[q]]
    return np.asarray((asked > 0) & (asked >= min_share * volunteers))
