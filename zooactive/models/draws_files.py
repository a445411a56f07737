"""Draws of the last layer on disk, of whatever kind."""

from __future__ import annotations

from pathlib import Path

from zooactive.errors import ZooactiveError
from zooactive.models.head_ensemble import HeadEnsemble
from zooactive.models.laplace_head import LaplaceHead
from zooactive.models.linear_draws import LinearDraws, damaged, read_saved
from zooactive.models.linear_head import LinearHead
from zooactive.models.scaled_draws import ScaledDraws

KINDS: dict[str, type[LinearDraws]] = {kind.kind: kind for kind in (LinearHead, LaplaceHead, HeadEnsemble, ScaledDraws)}


def load_draws(path: str | Path) -> LinearDraws:
    """Read draws of any kind that `LinearDraws.save` wrote.

    Raises
    ------
    ModelError
        When the file is missing, damaged or something else.
    """
    arrays, about, tree = read_saved(path)
    try:
        return KINDS[about.get("kind", LinearHead.kind)].restored(arrays, about, tree)
    except ZooactiveError:
        raise
    except Exception as error:  # of settings that are none, each fails in its own way
        raise damaged(path) from error
