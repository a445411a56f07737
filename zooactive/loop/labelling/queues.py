"""The order of the next galaxies for each way of choosing them, and the page that shows each galaxy now."""

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
"""The largest number of galaxies in an order: more than anybody labels before the next fit."""

_SCORED = 20_000
"""The largest number of galaxies whose information is computed after a fit. In a larger pool, each fit takes other ones."""

_SPREAD = 200
"""The number of dissimilar galaxies, chosen from `_SPREAD_AMONG` random ones."""
_SPREAD_AMONG = 4000

_CHUNK, _PART = 8192, 65_536
"""The number of galaxies whose features are held as float32 at a time, and the number of values sorted at a time."""

_KEPT = 60.0
"""The seconds for which a galaxy is reserved for the page that shows it."""


def at_random(ids: NDArray[np.object_], seed: int) -> NDArray[np.int64]:
    """Return all rows in the order of hashed ids: the random arm, which stays the same after a restart."""
    return np.argsort(uniform_from_ids(ids, purpose="random-arm", seed=seed), kind="stable").astype(np.int64)


def different(features: NDArray[np.float16], ids: NDArray[np.object_], axes: FeatureAxes, seed: int) -> NDArray[np.int64]:
    """Return rows of dissimilar galaxies that cover the pool, by k-centre among random galaxies.

    The most ordinary galaxy comes first.
    """
    some = np.sort(at_random(ids, seed)[:_SPREAD_AMONG])
    points = axes.of(features[some])
    first = int(np.argmin((points**2).sum(1)))
    names = [str(name) for name in ids[some]]
    row_of = dict(zip(names, some, strict=True))
    chosen = k_centre(points, names, min(_SPREAD, len(names)), first=names[first])
    return np.array([row_of[name] for name in chosen], dtype=np.int64)


@dataclass(eq=False)
class Likeness:
    """The similarity of a pool's galaxies: the cosine of the angle between the principal components of their features."""

    features: NDArray[np.float16]
    axes: FeatureAxes
    _lengths: NDArray[np.float32] | None = None

    def order(self, rows: NDArray[np.int64], unlike: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the other galaxies, the most similar to `rows` and least similar to `unlike` first.

        The order is by the mean similarity to `rows` minus the mean similarity to `unlike` (Rocchio 1971). If the galaxies
        most similar to an odd example turn out to be of another kind, the search therefore moves away from them.
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
    """The predictions of a fit for the galaxies without a label, as orders.

    Parameters
    ----------
    informative : ndarray of int64
        Rows, the most informative one first. For a large pool, only the scored rows.
    surest : list of ndarray of int64
        For each answer to the first question, rows with the most probable galaxy first.
    expected : ndarray of float64, shape (answer,)
        The expected number of galaxies with each of these answers among those without a label.
    information : float
        The mean information that labels of the ten most informative galaxies would give, in nats.
    """

    informative: NDArray[np.int64]
    surest: list[NDArray[np.int64]]
    expected: NDArray[np.float64]
    information: float


def orders_of(learnt: Learnt, features: NDArray[np.float16], labelled: Collection[int], *, turn: int) -> Orders:
    """Return the orders after a fit; `turn` decides which galaxies of a large pool are scored."""
    tree = learnt.head.tree
    told = learnt.probabilities(features)[:, tree.slices[tree.order[0]]]
    free = np.ones(len(features), dtype=bool)
    free[list(labelled)] = False
    number = int(free.sum())
    # Do not gather rows from the whole pool: NumPy would block every page while it does so.
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
    """Return the indices of the largest values, the largest first; many values are searched in parts."""
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
    """The page that shows each galaxy now, so that no two pages ask for the same answer."""

    _pages: dict[int, tuple[str, float]] = field(default_factory=dict)

    def free(self, rows: Iterator[int], page: str) -> Iterator[int]:
        """Yield the rows that no other page has shown in the last minute."""
        now = time.monotonic()
        for row in rows:
            kept = self._pages.get(row)
            if kept is None or kept[0] == page or now - kept[1] > _KEPT:
                yield row

    def keep(self, row: int, page: str) -> None:
        """Reserve a row for a page."""
        self._pages[row] = (page, time.monotonic())

    def let_go(self, row: int) -> None:
        """Release a row, so that any page may show it."""
        self._pages.pop(row, None)
