"""Read files with draws of the last layer, of any kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from zooactive.foundation.errors import ModelError
from zooactive.foundation.vocabulary import GONE, DrawKind
from zooactive.models.head.draws import LinearDraws, damaged, read_saved
from zooactive.models.head.dropout import LinearHead
from zooactive.models.head.laplace import LaplaceHead, fit_laplace
from zooactive.models.head.scaled import ScaledDraws
from zooactive.tree import DecisionTree


class Kind(NamedTuple):
    """A kind of draws."""

    restored: Callable[..., LinearDraws]
    """Makes draws from the (arrays, settings, tree) of a file."""

    fitted: Callable[..., LinearDraws] | None
    """Fits draws from (head, features, votes, validation=) of galaxies; None if the trained head is enough."""


KINDS: dict[DrawKind, Kind] = {
    "dropout": Kind(LinearHead.restored, None),
    "laplace": Kind(LaplaceHead.restored, fit_laplace),
}


def load_draws(path: str | Path) -> LinearDraws:
    """Read draws of any kind that `LinearDraws.save` wrote.

    Raises
    ------
    ModelError
        If the file is missing, damaged or something different, or holds draws of a kind that no longer exists.
    """
    arrays, about, tree = read_saved(path)
    with damaged(path):
        return _restored(path, about.get("kind", LinearHead.kind), arrays, about, tree)


def _restored(path: str | Path, kind: str, arrays: dict[str, Any], about: dict[str, Any], tree: DecisionTree) -> LinearDraws:
    inner = cast("DrawKind", about["scaled"] if kind == ScaledDraws.kind else kind)
    if inner in GONE:
        raise ModelError(f"{path}: {GONE[inner]}")
    factors = arrays.pop("factors") if kind == ScaledDraws.kind else None
    draws = KINDS[inner].restored(arrays, about, tree)
    return draws if factors is None else ScaledDraws(draws, factors)
