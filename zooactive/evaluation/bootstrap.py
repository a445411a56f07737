"""The bootstrap of metrics over galaxies: F1, areas under ROC curves and means of many resamples at once.

A resample draws as many galaxies as there are, with replacement.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4_000_000
"""The number of galaxies times resamples held at a time."""


def resampled_f1(
    confusion: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each answer's F1 and number of galaxies, both (resample, answer), from multinomial draws of the matrix."""
    n = int(confusion.sum())
    again = rng.multinomial(n, confusion.ravel() / n, size=resamples).reshape(resamples, *confusion.shape)
    right = np.diagonal(again, axis1=1, axis2=2)
    own = again.sum(2)
    shared = own + again.sum(1)
    return np.divide(2 * right, shared, out=np.full(right.shape, math.nan), where=shared > 0), own


def resampled_areas(
    true: NDArray[np.int64], score: NDArray[np.float64], defined: list[bool], resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the area under each answer's ROC curve (or NaN) and its number of galaxies, both (resample, answer)."""
    n, answers = score.shape
    areas, own = np.full((resamples, answers), math.nan), np.zeros((resamples, answers))
    pieces = {a: _runs(true == a, score[:, a]) for a in range(answers) if defined[a]}
    at_once = max(1, _BLOCK // n)
    for first in range(0, resamples, at_once):
        block = slice(first, min(first + at_once, resamples))
        width = block.stop - first
        cells = rng.integers(0, n, (n, width)) * width + np.arange(width)
        times = np.bincount(cells.ravel(), minlength=n * width).reshape(n, width).astype(np.float32)
        for a, (order, starts) in pieces.items():
            areas[block, a], own[block, a] = _weighted_area(times, true == a, order, starts)
    return areas, own


def resampled_means(values: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the means of the columns of (galaxy, column) in each resample, shape (resample, column)."""
    n = len(values)
    means = np.empty((resamples, values.shape[1]))
    at_once = max(1, _BLOCK // n)
    for first in range(0, resamples, at_once):
        block = slice(first, min(first + at_once, resamples))
        means[block] = values[rng.integers(0, n, (block.stop - first, n))].mean(1)
    return means


def _runs(own: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the order of ascending score, and the starts of runs whose galaxies need no order between them.

    Neighbours of one kind need no order between them, and ties of both kinds stay together.
    """
    order = np.argsort(score, kind="stable")
    ties = np.flatnonzero(np.concatenate([[True], np.diff(score[order]) > 0]))
    share = np.add.reduceat(own[order].astype(float), ties) / np.diff(np.append(ties, len(order)))
    joined = (share[1:] == share[:-1]) & ((share[1:] == 0) | (share[1:] == 1))
    return order, ties[np.concatenate([[True], ~joined])]


def _weighted_area(
    times: NDArray[np.float32], own: NDArray[np.bool_], order: NDArray[np.intp], starts: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the area under the ROC curve if galaxy g occurs times[g, r] times, and the number of own galaxies, both (r,).

    The area is P(own above other) + P(equal) / 2 over pairs: the rank statistic of Hanley & McNeil 1982 (Radiology 143, 29).
    """
    inside, kind = times[order], own[order, None]
    mine = np.add.reduceat(inside * kind, starts, axis=0).astype(np.float64)
    others = np.add.reduceat(inside * ~kind, starts, axis=0).astype(np.float64)
    below = np.cumsum(others, axis=0) - others / 2
    total = mine.sum(0)
    pairs = total * others.sum(0)
    won = np.einsum("gr,gr->r", mine, below)
    return np.divide(won, pairs, out=np.full(len(total), math.nan), where=pairs > 0), total
