"""Words that the whole report shares: what questions are called, how many galaxies are too few, labels or volunteers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.tree import DecisionTree

FEWEST = 10
"""Galaxies that a question needs to have a panel of its own: of fewer nothing can be seen."""


def counted(count: int) -> str:
    """Return how many galaxies there are, in words."""
    return f"{count:,} galax{'y' if count == 1 else 'ies'}"


def listed(names: Sequence[str]) -> str:
    """Return names as one says them: a, b and c."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def short_names(names: Iterable[str], tree: DecisionTree) -> list[str]:
    """Return questions' names as the whole report says them, without the survey's suffix."""
    return [str(name).removesuffix(tree.suffix) if isinstance(name, str) else "" for name in names]


def with_short_names(table: pd.DataFrame, tree: DecisionTree) -> pd.DataFrame:
    """Return a table whose column ``question`` says the names of `short_names`."""
    return table.assign(question=short_names(table["question"], tree)) if "question" in table else table


def too_few(counts: Iterable[tuple[str, int]]) -> str:
    """Return the line that stands in place of panels that would show next to nothing; blank where there are none."""
    few = [f"{name} ({count:,})" for name, count in counts]
    return f"Too few galaxies for a panel, so not drawn (fewer than {FEWEST}): {', '.join(few)}." if few else ""
