"""Labels with only a known limit, such as a magnitude fainter than what a survey sees.

Let r be the limit minus the mean of a normal distribution with variance V. Let side = 1 if the label lies above its limit
and -1 if it lies below, a = side r / sqrt(V), phi and Phi the standard normal density and distribution, and q = phi(a) /
Phi(-a). The label lies on that side with the probability Phi(-a). Given that it does (Johnson, Kotz & Balakrishnan 1994,
Continuous Univariate Distributions 1, chapter 13)

    E(y - mean) = side sqrt(V) q,  E (y - mean)^2 = V (1 + a q).

The logarithm of Phi(-a) is concave in the mean, with the second derivative -k / V, where k = q (q - a) is between 0 and 1: a
limit contains as much information about the mean as k labels (Tobin 1958, Econometrica 26, 24).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

_LEAST = 1e-12
"""The smallest k, because k is a divisor."""


class Beyond(NamedTuple):
    """The knowledge about each label under a normal distribution about its mean; all arrays have one shape.

    Parameters
    ----------
    offset : ndarray of float64
        The expected label minus the mean.
    squared : ndarray of float64
        The expected square of this difference.
    known : ndarray of float64
        The number of labels that it is worth, k above; 1 if the label itself is known.
    log : ndarray of float64
        The logarithm of the density at the label times sqrt(2 pi), or of the probability that the label is beyond its limit.
    """

    offset: NDArray[np.float64]
    squared: NDArray[np.float64]
    known: NDArray[np.float64]
    log: NDArray[np.float64]


def beyond(residual: ArrayLike, variance: ArrayLike, side: ArrayLike) -> Beyond:
    """Return what is known about labels, or about labels with only a limit.

    Parameters
    ----------
    residual : array_like
        The label or its limit, minus the mean.
    variance : array_like
        The variance of the label about the mean, in a shape that broadcasts with the residuals.
    side : array_like
        1 if the label lies above the limit, -1 if it lies below, 0 if it is known; in a shape that broadcasts with these.

    Returns
    -------
    Beyond

    Examples
    --------
    >>> found = beyond(0.0, 1.0, [0, 1])  # half of all labels lie above their mean, sqrt(2 / pi) above it on average
    >>> found.offset.round(3).tolist(), np.exp(found.log).round(3).tolist()
    ([0.0, 0.798], [1.0, 0.5])
    """
    r, v, beyond_it = np.broadcast_arrays(np.asarray(residual, float), np.asarray(variance, float), np.asarray(side))
    found = Beyond(*map(np.array, (r, r**2, np.ones(r.shape), -0.5 * (np.log(v) + r**2 / v))))
    limits = beyond_it != 0
    if limits.any():
        s, deviation = beyond_it[limits], np.sqrt(v[limits])
        a = s * r[limits] / deviation
        log = special.log_ndtr(-a)
        q = np.exp(-0.5 * a**2 - 0.5 * np.log(2 * np.pi) - log)
        found.offset[limits] = s * deviation * q
        # Far beyond the mean, both are differences of large numbers; they approach 1 / a^2 and 1.
        found.squared[limits] = v[limits] * np.maximum(1 + a * q, 0)
        found.known[limits] = np.clip(q * (q - a), _LEAST, 1)
        found.log[limits] = log
    return found
