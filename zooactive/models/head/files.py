"""Draws of the last layer on disk, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import ModelError
from zooactive.foundation.vocabulary import GONE
from zooactive.models.head.draws import LinearDraws, damaged, read_saved
from zooactive.models.head.dropout import LinearHead
from zooactive.models.head.laplace import LaplaceHead
from zooactive.models.head.scaled import ScaledDraws
from zooactive.tree import DecisionTree

KINDS: dict[str, Callable[..., LinearDraws]] = {
    LinearHead.kind: LinearHead.restored,
    LaplaceHead.kind: LaplaceHead.restored,
}
"""What makes draws from (arrays, settings, tree), by their kind."""


def load_draws(path: str | Path) -> LinearDraws:
    """Read draws of any kind that `LinearDraws.save` wrote.

    Raises
    ------
    ModelError
        When the file is missing, damaged or something else, or holds draws of a kind that is gone.
    """
    arrays, about, tree = read_saved(path)
    with damaged(path):
        return _restored(path, about.get("kind", LinearHead.kind), arrays, about, tree)


def _restored(path: str | Path, kind: str, arrays: dict[str, Any], about: dict[str, Any], tree: DecisionTree) -> LinearDraws:
    inner = about["scaled"] if kind == ScaledDraws.kind else kind
    if inner in GONE:
        raise ModelError(f"{path}: {GONE[inner]}")
    if kind != ScaledDraws.kind:
        return KINDS[kind](arrays, about, tree)
    factors = arrays.pop("factors")
    return ScaledDraws(KINDS[inner](arrays, about, tree), factors)
