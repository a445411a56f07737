"""Probabilities of labels set right: softened where a head is too sure, shifted where labels are rarer on the sky.

Both change a linear head whose outputs are the logarithms of probabilities, up to a constant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from zooactive.foundation.errors import PosteriorError

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

    found = optimize.minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def prior_shift(learnt: ArrayLike, wanted: ArrayLike) -> NDArray[np.float64]:
    """What to add to the outputs so that they hold for galaxies among which the labels have other shares.

    Parameters
    ----------
    learnt : array_like, shape (answer,)
        Shares of the labels among the galaxies learnt from, each as it was weighed.
    wanted : array_like, shape (answer,)
        Their shares on the sky.

    Returns
    -------
    ndarray, shape (answer,)
        ln(wanted / learnt). It holds where galaxies of one label look the same in both.

    Raises
    ------
    PosteriorError
        When a share is not above 0, or they do not sum to 1.

    Notes
    -----
    Saerens, Latinne & Decaestecker 2002 (Neural Computation 14, 21), equation 2.4.

    Examples
    --------
    >>> shift = prior_shift([0.5, 0.5], [0.1, 0.9])
    >>> special.softmax(np.log([0.9, 0.1]) + shift).round(3).tolist()  # 0.9 x 0.1 to 0.1 x 0.9: even
    [0.5, 0.5]
    """
    before, after = np.asarray(learnt, dtype=float), np.asarray(wanted, dtype=float)
    for shares in (before, after):
        if not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
            raise PosteriorError(f"the shares {shares.tolist()} are no prior; give numbers above 0 that sum to 1")
    return np.asarray(np.log(after) - np.log(before))
