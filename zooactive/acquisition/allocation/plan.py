"""One price for all galaxies: each gets as many more votes as are worth it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.allocation.look import CLICK, Look


class Plan(NamedTuple):
    """How many more volunteers each galaxy gets, and what was paid.

    ``more`` (galaxy,), ``value`` (galaxy,) of these votes, ``price`` in units of the goal a click, at which the clicks were
    gone: 0 where they sufficed for all; ``spent`` in millionths of a click; ``floor``, what of it the floor took.
    """

    more: NDArray[np.int64]
    value: NDArray[np.float64]
    price: float
    spent: int
    floor: int


@dataclass(frozen=True)
class _Steps:
    """Steps from corner to corner of all galaxies' concave hulls: whose, more votes, their worth, their cost."""

    galaxy: NDArray[np.int64]
    more: NDArray[np.int64]
    value: NDArray[np.float64]
    cost: NDArray[np.int64]

    @property
    def worth(self) -> NDArray[np.float64]:
        """Value a click."""
        return self.value / (self.cost / CLICK)


def floor_of(look: Look) -> int:
    """Millionths of a click that the floor takes."""
    return int((look.points[:, 0] * look.cost).sum())


def settle(look: Look, hashes: NDArray[np.uint64], *, clicks: int | None = None, price: float | None = None) -> Plan:
    """Give each galaxy the number of votes that maximises its value less the price of its clicks.

    Parameters
    ----------
    look : Look
    hashes : ndarray of uint64, shape (galaxy,)
        Who comes first among those of whom a click is worth the same.
    clicks : int, optional
        Millionths that may be spent; the price is then the highest that does not leave clicks over: every step that is worth
        more than it is taken, and of those that are worth exactly it as many, by their hashes, as come before the first
        that would overspend. No other plan is worth more than this one by more than price x clicks left over.
    price : float, optional
        In place of clicks: every step is taken that is worth more.
    """
    steps = _steps(look)
    worth = steps.worth
    spent = floor = floor_of(look)
    if clicks is None:
        found = float(price or 0.0)
        taken = np.flatnonzero(worth > found)
    else:
        found, taken = _within(worth, steps, hashes, clicks - floor)
    more, value = look.points[:, 0].copy(), look.values[:, 0].copy()
    np.add.at(more, steps.galaxy[taken], steps.more[taken])
    last = np.clip((look.points <= more[:, None]).sum(1) - 1, 0, None)
    value = look.values[np.arange(len(look)), last]
    return Plan(more, value, found, spent + int(steps.cost[taken].sum()), floor)


def _within(
    worth: NDArray[np.float64], steps: _Steps, hashes: NDArray[np.uint64], clicks: int
) -> tuple[float, NDArray[np.int64]]:
    """The price at which the clicks are gone, and the steps that are taken."""
    order = np.argsort(-worth, kind="stable")
    over = int(np.searchsorted(np.cumsum(steps.cost[order]), clicks, side="right"))
    if over == len(order):
        return 0.0, order
    price = float(worth[order[over]])
    taken = order[: int(np.searchsorted(-worth[order], -price, side="left"))]
    tied = np.flatnonzero(worth == price)
    tied = tied[np.argsort(hashes[steps.galaxy[tied]], kind="stable")]
    left = clicks - int(steps.cost[taken].sum())
    enough = int(np.searchsorted(np.cumsum(steps.cost[tied]), left, side="right"))
    return price, np.concatenate([taken, tied[:enough]])


def _steps(look: Look) -> _Steps:
    from zooactive.acquisition.compiled.hull import concave_hulls

    corners, lengths = np.zeros(look.points.shape, np.int64), np.zeros(len(look), np.int64)
    concave_hulls(look.points, look.values, corners, lengths)
    there = np.arange(1, look.points.shape[1]) < lengths[:, None]
    galaxy, corner = np.nonzero(there)
    end, begin = corners[galaxy, corner + 1], corners[galaxy, corner]
    more = look.points[galaxy, end] - look.points[galaxy, begin]
    return _Steps(galaxy, more, look.values[galaxy, end] - look.values[galaxy, begin], more * look.cost[galaxy])
