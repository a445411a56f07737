"""Draws of the last layer on disk, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zooactive.models.head.draws import LinearDraws, damaged, read_saved
from zooactive.models.head.dropout import LinearHead
from zooactive.models.head.ensemble import HeadEnsemble
from zooactive.models.head.laplace import LaplaceHead
from zooactive.models.head.scaled import ScaledDraws
from zooactive.tree import DecisionTree

KINDS: dict[str, Callable[..., LinearDraws]] = {
    LinearHead.kind: LinearHead.restored,
    LaplaceHead.kind: LaplaceHead.restored,
    HeadEnsemble.kind: HeadEnsemble.restored,
}
"""What makes draws from (arrays, settings, tree), by their kind."""


def load_draws(path: str | Path) -> LinearDraws:
    """Read draws of any kind that `LinearDraws.save` wrote.

    Raises
    ------
    ModelError
        When the file is missing, damaged or something else.
    """
    arrays, about, tree = read_saved(path)
    with damaged(path):
        return _restored(about.get("kind", LinearHead.kind), arrays, about, tree)


def _restored(kind: str, arrays: dict[str, Any], about: dict[str, Any], tree: DecisionTree) -> LinearDraws:
    if kind != ScaledDraws.kind:
        return KINDS[kind](arrays, about, tree)
    factors = arrays.pop("factors")
    return ScaledDraws(KINDS[about["scaled"]](arrays, about, tree), factors)
