"""One price for all galaxies: each galaxy gets as many further votes as are worth the price."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.allocation.look import CLICK, Look

_BLOCK = 65536
"""The number of galaxies whose hulls are made at a time."""


class Plan(NamedTuple):
    """The number of further volunteers for each galaxy, and the cost.

    ``more`` (galaxy,) is the number of further volunteers, and ``value`` (galaxy,) the value of their votes. ``price``, in
    units of the goal per click, is the price at which the clicks were used up (0 if they sufficed for all). ``spent`` is in
    millionths of a click.
    """

    more: NDArray[np.int64]
    value: NDArray[np.float64]
    price: float
    spent: int


class _Steps(NamedTuple):
    """Steps between the corners of all galaxies' concave hulls: the galaxy, the votes, their cost, their value per click."""

    galaxy: NDArray[np.int32]
    more: NDArray[np.int32]
    cost: NDArray[np.int64]
    worth: NDArray[np.float64]


def settle(
    look: Look,
    hashes: NDArray[np.uint64],
    *,
    clicks: int | None = None,
    price: float | None = None,
    start: NDArray[np.int64] | None = None,
) -> Plan:
    """Give each galaxy the number of votes that maximises their value minus the price of their clicks.

    Parameters
    ----------
    look : Look
    hashes : ndarray of uint64, shape (galaxy,)
        The order of galaxies with the same value per click.
    clicks : int, optional
        The millionths of a click to spend. Steps are taken in the order of their value per click, and those at the price
        in the order of the hashes. The price is the value per click of the first step that the clicks do not suffice for.
        No other plan is therefore better than this one by more than price x clicks left over.
    price : float, optional
        Given instead of clicks: every step that is worth more is taken.
    start : ndarray of int64, shape (galaxy,), optional
        Further votes that are given in any case, each of them one of the galaxy's points. The default is the floor.
    """
    first = look.floor.astype(np.int64) if start is None else np.maximum(start, look.floor)
    spent = int((first * look.cost).sum())
    steps = _steps(look, first)
    if clicks is None:
        found = float(price or 0.0)
        taken = np.flatnonzero(steps.worth > found)
    else:
        found, taken = _within(steps, hashes, clicks - spent)
    more = first.copy()
    np.add.at(more, steps.galaxy[taken], steps.more[taken])
    return Plan(
        more, look.values[np.arange(len(look)), _last_at(look.points, more)], found, spent + int(steps.cost[taken].sum())
    )


def _last_at(points: NDArray[np.int32], votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each galaxy, the last of its points (galaxy, point) that does not exceed its number of votes."""
    return np.asarray(np.maximum((points <= votes[:, None]).sum(1) - 1, 0))


def _within(steps: _Steps, hashes: NDArray[np.uint64], clicks: int) -> tuple[float, NDArray[np.int64]]:
    """Return the price at which the clicks are used up, and the steps taken."""
    order = np.argsort(-steps.worth, kind="stable")
    over = int(np.searchsorted(np.cumsum(steps.cost[order]), clicks, side="right"))
    if over == len(order):
        return 0.0, order
    price = float(steps.worth[order[over]])
    taken = order[: int(np.searchsorted(-steps.worth[order], -price, side="left"))]
    tied = np.flatnonzero(steps.worth == price)
    tied = tied[np.argsort(hashes[steps.galaxy[tied]], kind="stable")]
    left = clicks - int(steps.cost[taken].sum())
    enough = int(np.searchsorted(np.cumsum(steps.cost[tied]), left, side="right"))
    return price, np.concatenate([taken, tied[:enough]])


def _steps(look: Look, first: NDArray[np.int64]) -> _Steps:
    """Return the steps beyond the first votes; galaxies that are done have none."""
    blocks = (_steps_of(look, first, slice(begin, begin + _BLOCK)) for begin in range(0, len(look), _BLOCK))
    columns = list(zip(*blocks, strict=True))
    return _Steps(*(np.concatenate(columns.pop(0)) for _ in _Steps._fields))


def _steps_of(look: Look, start: NDArray[np.int64], here: slice) -> _Steps:
    """Return the steps of some galaxies."""
    from zooactive.acquisition.compiled.hull import concave_hulls

    first = start[here]
    begun = look.values[here][np.arange(len(first)), _last_at(look.points[here], first)]
    before = (look.points[here] <= first[:, None]) | look.done[here, None]
    points = np.where(before, first[:, None], look.points[here]).astype(np.int32)
    values = np.where(before, begun[:, None], look.values[here])
    corners, lengths = np.zeros(points.shape, np.int32), np.zeros(len(first), np.int64)
    concave_hulls(points, values, corners, lengths)
    whose, corner = np.nonzero(np.arange(1, points.shape[1]) < lengths[:, None])
    galaxy = whose.astype(np.int32)
    end, begin = corners[galaxy, corner + 1], corners[galaxy, corner]
    more = points[galaxy, end] - points[galaxy, begin]
    cost = more * look.cost[here][galaxy]
    return _Steps(galaxy + np.int32(here.start), more, cost, (values[galaxy, end] - values[galaxy, begin]) / (cost / CLICK))
