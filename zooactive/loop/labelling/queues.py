"""Which galaxies come next, in the order of each way to choose them, and who looks at which one now."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.scores.k_centre import k_centre
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop.labelling.learning import Learnt
from zooactive.models import FeatureAxes

LONG = 2000
"""Galaxies that an order holds, at most: more than anybody labels before the next fit."""

_SCORED = 20_000
"""Galaxies whose information is computed after a fit, at most; of a larger pool others each time."""

_SPREAD = 200
"""Galaxies that are unlike each other, of so many at random."""
_SPREAD_AMONG = 4000

_CHUNK, _PART = 8192, 65_536
"""Galaxies whose features are held as float32 at a time, and of which the largest values are looked for at a time."""

_KEPT = 60.0
"""Seconds that a galaxy is kept for the page that shows it."""


def at_random(ids: NDArray[np.object_], seed: int) -> NDArray[np.int64]:
    """Return all rows in the order of hashed ids: the random arm, the same after a restart."""
    return np.argsort(uniform_from_ids(ids, purpose="random-arm", seed=seed), kind="stable").astype(np.int64)


def different(features: NDArray[np.float16], ids: NDArray[np.object_], axes: FeatureAxes, seed: int) -> NDArray[np.int64]:
    """Return rows of galaxies that cover the pool: k centres among some at random, the most ordinary one first."""
    some = np.sort(at_random(ids, seed)[:_SPREAD_AMONG])
    points = axes.of(features[some])
    first = int(np.argmin((points**2).sum(1)))
    names = [str(name) for name in ids[some]]
    row_of = dict(zip(names, some, strict=True))
    chosen = k_centre(points, names, min(_SPREAD, len(names)), first=names[first])
    return np.array([row_of[name] for name in chosen], dtype=np.int64)


@dataclass(eq=False)
class Likeness:
    """How alike the galaxies of a pool look: the cosine of the angle between the components of their features."""

    features: NDArray[np.float16]
    axes: FeatureAxes
    _lengths: NDArray[np.float32] | None = None

    def order(self, rows: NDArray[np.int64], unlike: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the galaxies that look most like some and least like others, on average, without both; the best first.

        The mean likeness to `rows` less that to `unlike` (Rocchio 1971): where those most like an odd example turn out to be
        of another kind, the search leaves them.
        """
        towards = self._mean(rows) - (self._mean(unlike) if len(unlike) else 0)
        alike = np.empty(len(self.features), dtype=np.float32)
        lengths = np.empty_like(alike) if self._lengths is None else self._lengths
        for start in range(0, len(alike), _CHUNK):
            part = slice(start, start + _CHUNK)
            centred = self.features[part].astype(np.float32) - self.axes.centre
            if self._lengths is None:
                lengths[part] = _lengths_of(centred @ self.axes.axes)
            alike[part] = centred @ (self.axes.axes @ towards)
        self._lengths = lengths
        alike /= lengths
        alike[rows] = alike[unlike] = -np.inf
        return _largest(alike, min(LONG, len(alike) - len(rows) - len(unlike)))

    def _mean(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        some = self.axes.of(self.features[rows])
        return np.asarray((some / _lengths_of(some)[:, None]).mean(0))


def _lengths_of(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(np.maximum(np.linalg.norm(vectors, axis=1), 1e-12))


@dataclass(frozen=True, eq=False)
class Orders:
    """What a fit says of the galaxies without a label.

    Parameters
    ----------
    informative : ndarray of int64
        Rows, the most informative one first; of a large pool, of those that were scored.
    surest : list of ndarray of int64
        For each answer to the first question, the surest first.
    expected : ndarray of float64, shape (answer,)
        How many galaxies of each of these answers are expected among those without a label.
    information : float
        What the labels of the ten best would tell on average, in nats.
    """

    informative: NDArray[np.int64]
    surest: list[NDArray[np.int64]]
    expected: NDArray[np.float64]
    information: float


def orders_of(learnt: Learnt, features: NDArray[np.float16], labelled: Collection[int], *, turn: int) -> Orders:
    """Return the orders after a fit; `turn` says which galaxies of a large pool are scored."""
    tree = learnt.head.tree
    told = learnt.probabilities(features)[:, tree.slices[tree.order[0]]]
    free = np.ones(len(features), dtype=bool)
    free[list(labelled)] = False
    number = int(free.sum())
    # No rows are gathered from the whole pool: NumPy would keep everybody who answers waiting meanwhile.
    surest = [_largest(np.where(free, told[:, answer], -np.inf), min(LONG, number)) for answer in range(told.shape[1])]
    if number > _SCORED:
        doubtful = _largest(np.where(free, -told.max(1), -np.inf), _SCORED // 2)
        others = np.random.default_rng(turn).integers(0, len(free), _SCORED // 2)
        scored = np.union1d(doubtful, others[free[others]])
    else:
        scored = np.flatnonzero(free)
    information = learnt.information(features[scored])
    best = _largest(information, LONG)
    expected = np.where(free[:, None], told, 0).sum(0, dtype=np.float64)
    return Orders(scored[best], surest, expected, float(information[best[:10]].mean()))


def _largest(values: NDArray[np.floating], number: int) -> NDArray[np.int64]:
    """Return the places of the largest values, the largest first; of many, part by part."""
    if len(values) > _PART:
        starts = range(0, len(values), _PART)
        places = np.concatenate([start + _largest(values[start : start + _PART], number) for start in starts])
        return places[_largest_of_few(values[places], number)]
    return _largest_of_few(values, number)


def _largest_of_few(values: NDArray[np.floating], number: int) -> NDArray[np.int64]:
    if len(values) > number:
        some = np.argpartition(-values, number)[:number]
        return some[np.argsort(-values[some], kind="stable")]
    return np.argsort(-values, kind="stable")


@dataclass
class Shown:
    """Which page looks at which galaxy, so that no two pages ask for the same answer."""

    _pages: dict[int, tuple[str, float]] = field(default_factory=dict)

    def free(self, rows: Iterator[int], page: str) -> Iterator[int]:
        """Yield the rows that no other page has shown in the last minute."""
        now = time.monotonic()
        for row in rows:
            kept = self._pages.get(row)
            if kept is None or kept[0] == page or now - kept[1] > _KEPT:
                yield row

    def keep(self, row: int, page: str) -> None:
        """Keep a row for a page."""
        self._pages[row] = (page, time.monotonic())

    def let_go(self, row: int) -> None:
        """Let anybody see it."""
        self._pages.pop(row, None)
