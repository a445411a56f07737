"""Galaxies whose images the bundled encoder has learnt from, so that benchmarks leave them out."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "long"))
from train_encoder import OTHERS, SPLIT, both_sets, without_those

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def learnt() -> tuple[Catalogue, Catalogue]:
    """Return the galaxies of the challenge and of zhu5 that the network has learnt from."""
    votes, classes = both_sets(DATA)
    return votes.split(SPLIT)[0], without_those(classes, votes)[0].take(np.arange(OTHERS))


def unseen(classes: Catalogue) -> NDArray[np.int64]:
    """Return the rows of galaxies of zhu5 that are neither in the challenge nor among those whose classes were learnt."""
    votes, every = both_sets(DATA)
    known = {*votes.ids.astype(str), *without_those(every, votes)[0].ids[:OTHERS].astype(str)}
    return np.array([row for row, name in enumerate(classes.ids) if str(name) not in known], dtype=np.int64)
