"""What the model expects of each galaxy, short enough to stand below its picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zooactive.report.plots.style import MOSTLY_ASKED, short_name

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.posterior import Posterior
    from zooactive.tree import DecisionTree


class Expectation(NamedTuple):
    """The likeliest answer of one question, its expected fraction and its standard deviation (NaN where it is not known).

    ``first`` is the question's first answer and the fraction that is expected of it.
    """

    question: str
    answer: str
    fraction: float
    deviation: float
    first: tuple[str, float]

    def told(self) -> str:
        """Say it as in "smooth 0.76 ± 0.15"."""
        spread = f" ± {self.deviation:.2f}" if math.isfinite(self.deviation) else ""
        return f"{self.answer} {self.fraction:.2f}{spread}"


def expectations(posterior: Posterior) -> dict[str, tuple[Expectation, ...]]:
    """Return by id the likeliest answer of each question that at least half of the volunteers should reach.

    The deviation is that of the fraction's mixture density; a single label does not tell one.
    """
    deviation = np.sqrt(posterior.variance())
    if posterior.tree.votes == "class":
        deviation = np.full_like(deviation, math.nan)
    return _of_arrays(posterior.tree, posterior.ids.tolist(), posterior.mean(), posterior.asked(), deviation)


def stored_expectations(tree: DecisionTree, table: pd.DataFrame) -> dict[str, tuple[Expectation, ...]]:
    """Return the same of a table of stored predictions that kept means alone; the deviations are NaN."""
    mean = table[list(tree.columns)].to_numpy(dtype=float)
    asked = table[[f"asked_{question.name}" for question in tree.questions]].to_numpy(dtype=float)
    return _of_arrays(tree, table["id"].astype(str).tolist(), mean, asked, np.full_like(mean, math.nan))


def _of_arrays(
    tree: DecisionTree,
    ids: list[str],
    mean: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    asked: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    deviation: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> dict[str, tuple[Expectation, ...]]:
    found: dict[str, tuple[Expectation, ...]] = {}
    for g, galaxy in enumerate(ids):
        each = []
        for q, (question, where) in enumerate(zip(tree.questions, tree.slices, strict=True)):
            if asked[g, q] < MOSTLY_ASKED:
                continue
            best = where.start + int(mean[g, where].argmax())
            first = (question.answers[0], float(mean[g, where.start]))
            answer, name = question.answers[best - where.start], short_name(tree, question.name)
            each.append(Expectation(name, answer, float(mean[g, best]), float(deviation[g, best]), first))
        found[galaxy] = tuple(each)
    return found
