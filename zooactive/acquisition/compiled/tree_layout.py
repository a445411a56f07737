"""A decision tree as plain arrays, for compiled functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.tree import DecisionTree


class TreeLayout(NamedTuple):
    """A decision tree as plain arrays, for compiled code.

    ``bounds`` (question + 1): question q has the answers ``bounds[q]`` to ``bounds[q + 1]``. ``order``: the questions,
    parents first. ``parents`` (question): each question's parent, -1 for roots. ``leads_to`` (question, answer): which
    answers lead to each question.
    """

    bounds: NDArray[np.int64]
    order: NDArray[np.int64]
    parents: NDArray[np.int64]
    leads_to: NDArray[np.bool_]


def lay_out(tree: DecisionTree) -> TreeLayout:
    """Return a tree's structure as plain arrays."""
    return TreeLayout(
        bounds=np.append(tree.starts, len(tree.columns)).astype(np.int64),
        order=np.array(tree.order, dtype=np.int64),
        parents=np.array(tree.parents, dtype=np.int64),
        leads_to=np.ascontiguousarray(tree.leads_to),
    )
