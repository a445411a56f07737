"""The likelihood of votes under a posterior, and under the best constant concentrations, which use no image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from zooactive.posterior.posterior import Posterior
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import checked_votes, dirichlet_multinomial_log_prob

_SMALLEST, _LARGEST = 1e-3, 1e5
"""Bounds of fitted concentrations, beyond which the likelihood hardly changes."""


def negative_log_likelihood(posterior: Posterior, votes: ArrayLike) -> NDArray[np.float64]:
    """Return the negative log likelihood of each galaxy's whole tree of votes, -ln sum_t w_t p(k | t).

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Votes, with rows in the order of the posterior's galaxies.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The negative log likelihood in nats, exactly 0 for a galaxy without votes.

    Raises
    ------
    PosteriorError
        When the shape does not match, or votes are negative or not finite.
    """
    log_p = posterior.log_likelihood(votes)
    peak = log_p.max(0)
    total = (posterior.weights * np.exp(log_p - peak)).sum(0) / posterior.weights.sum(0)  # the divisor is 1 up to rounding
    return np.asarray(0.0 - peak - np.log(total))


def constant_concentrations(votes: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    """Fit the concentrations that give all galaxies the same distribution of votes: a model that uses no image.

    Each question is fitted separately by maximum likelihood, within [0.001, 100000]. A question without votes gets
    concentrations of 1. If galaxies have at most one vote, only the ratios of the concentrations are meaningful.

    Parameters
    ----------
    votes : array_like, shape (galaxy, answer)
    tree : DecisionTree

    Returns
    -------
    ndarray of float64, shape (answer,)

    Raises
    ------
    PosteriorError
        When the shape does not match the tree, or votes are negative or not finite.

    Notes
    -----
    The gradient is that of Minka 2000, "Estimating a Dirichlet distribution", section 3.
    """
    k = checked_votes(votes, tree).reshape(-1, len(tree.columns))
    fitted = np.ones(len(tree.columns))
    for where in tree.slices:
        asked = k[:, where][k[:, where].sum(1) > 0]
        if len(asked):
            fitted[where] = _fit_question(asked)
    return fitted


def constant_negative_log_likelihood(concentrations: ArrayLike, votes: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    """Return each galaxy's negative log likelihood under the same concentrations for all, shape (galaxy,), in nats.

    Parameters
    ----------
    concentrations : array_like, shape (answer,)
        The result of `constant_concentrations`.
    votes : array_like, shape (galaxy, answer)
    tree : DecisionTree

    Raises
    ------
    PosteriorError
        As in `dirichlet_multinomial_log_prob`.
    """
    return np.asarray(0.0 - dirichlet_multinomial_log_prob(votes, concentrations, tree).sum(-1))


def _fit_question(k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the maximum-likelihood concentrations (answer,) of one question's votes (galaxy, answer), over ln alpha."""
    distinct = [np.unique(column, return_counts=True) for column in k.T]  # few values, for any number of galaxies
    totals, repeats = np.unique(k.sum(1), return_counts=True)

    def loss(log_alpha: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        alpha = np.exp(log_alpha)
        alpha0 = alpha.sum()
        value = repeats @ (special.gammaln(totals + alpha0) - special.gammaln(alpha0))
        slope = np.full(len(alpha), repeats @ (special.digamma(totals + alpha0) - special.digamma(alpha0)))
        for i, (votes, times) in enumerate(distinct):
            value -= times @ (special.gammaln(votes + alpha[i]) - special.gammaln(alpha[i]))
            slope[i] -= times @ (special.digamma(votes + alpha[i]) - special.digamma(alpha[i]))
        return float(value) / len(k), slope * alpha / len(k)

    bounds = [(np.log(_SMALLEST), np.log(_LARGEST))] * k.shape[1]
    start = np.log(np.clip(10 * k.sum(0) / k.sum(), 0.1, None))
    found = optimize.minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-8})
    return np.asarray(np.exp(found.x))
