"""One temperature for the probabilities of labels, fitted to galaxies that the head has not learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from zooactive.foundation.errors import PosteriorError
from zooactive.models import LinearHead
from zooactive.training.calibrate.search import least_loss

COLDEST, HOTTEST = 0.25, 4.0
"""Bounds of a temperature."""

_SPREAD = 0.3
"""Standard deviation of its logarithm beforehand: a handful of galaxies, all told right perhaps, say little of it."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Find the most probable number to divide outputs by, from galaxies not learnt from.

    Parameters
    ----------
    logits : array_like, shape (galaxy, answer)
        A head's linear outputs for one question.
    labels : array_like of int, shape (galaxy,)
        The true answer's place.
    weights : array_like, shape (galaxy,), optional
        How much each galaxy counts: as much as galaxies of its label did when the head was fitted.

    Returns
    -------
    float
        Between `COLDEST` and `HOTTEST`; above 1 where the head was too sure. 1 without galaxies.

    Notes
    -----
    Guo et al. 2017 (ICML, "On calibration of modern neural networks"), section 4.2, who take the likeliest number; with few
    galaxies that is often one of the bounds. Here its logarithm has a Gaussian prior around 0, 0.3 wide.

    Examples
    --------
    >>> sure = [[4.0, 0.0]] * 5
    >>> round(fit_temperature(sure * 200, [0, 0, 0, 0, 1] * 200), 2)  # 80% are right: 4 / T = ln 4
    2.78
    >>> round(fit_temperature(sure, [0, 0, 0, 0, 1]), 2)
    1.26
    """
    z, true = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    counts = np.ones(len(true)) if weights is None else np.asarray(weights, dtype=np.float64)
    if z.ndim != 2 or true.shape != z.shape[:1]:
        raise PosteriorError(f"outputs have the shape {z.shape} and labels {true.shape}; give one label a galaxy")
    if len(z) == 0:
        return 1.0

    def loss(log_temperature: float) -> float:
        log_p = special.log_softmax(z / np.exp(log_temperature), axis=1)
        return float(-(counts * log_p[np.arange(len(true)), true]).sum() + (log_temperature / _SPREAD) ** 2 / 2)

    return least_loss(loss, COLDEST, HOTTEST, tolerance=1e-5)


def with_temperature(head: LinearHead, temperature: float) -> LinearHead:
    """Return a head whose outputs are divided by a temperature."""
    return replace(head, kernel=head.kernel / temperature, bias=head.bias / temperature)
