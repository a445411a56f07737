"""Fit one temperature for the probabilities of labels, to galaxies that the head was not trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from zooactive.foundation.errors import PosteriorError
from zooactive.models import LinearHead
from zooactive.training.calibrate.search import least_loss

COLDEST, HOTTEST = 0.25, 4.0
"""The bounds of a temperature."""

_SPREAD = 0.3
"""The standard deviation of its logarithm in the prior, because a handful of galaxies says little about it."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Fit the temperature, which divides the outputs, by maximum a posteriori to galaxies that were not trained on.

    Parameters
    ----------
    logits : array_like, shape (galaxy, answer)
        A head's linear outputs for one question.
    labels : array_like of int, shape (galaxy,)
        The number of the true answer.
    weights : array_like, shape (galaxy,), optional
        The weight of each galaxy: the same as for galaxies of its label when the head was fitted.

    Returns
    -------
    float
        A number between `COLDEST` and `HOTTEST`; above 1 if the head was overconfident. 1 without galaxies.

    Notes
    -----
    Guo et al. 2017 (ICML, "On calibration of modern neural networks"), section 4.2, use the maximum likelihood value. With
    few galaxies that is often one of the bounds. Here its logarithm has a Gaussian prior with mean 0 and standard deviation
    0.3.

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
        raise PosteriorError(f"outputs have the shape {z.shape} and labels {true.shape}; give one label per galaxy")
    if len(z) == 0:
        return 1.0

    def loss(log_temperature: float) -> float:
        log_p = special.log_softmax(z / np.exp(log_temperature), axis=1)
        return float(-(counts * log_p[np.arange(len(true)), true]).sum() + (log_temperature / _SPREAD) ** 2 / 2)

    return least_loss(loss, COLDEST, HOTTEST, tolerance=1e-5)


def with_temperature(head: LinearHead, temperature: float) -> LinearHead:
    """Return a head whose outputs are divided by a temperature."""
    return replace(head, kernel=head.kernel / temperature, bias=head.bias / temperature)
