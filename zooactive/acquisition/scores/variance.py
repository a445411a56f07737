"""The variance of mean votes between draws: a baseline that ignores how noisy votes are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.posterior import Posterior


def draw_variance(posterior: Posterior) -> NDArray[np.float64]:
    """Return the variance between draws of each answer's share of all volunteers, summed over the answers.

    The score is the sum over answers of Var_t[ P_t(asked) mu_t ]. It uses the joint fraction, so that a question counts as
    far as it is asked.

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The variance, without a unit. It is 0 for identical draws.

    Notes
    -----
    This is a baseline. **Limitation**: the difference between the draws 0.01 and 0.05 takes far fewer votes to detect than
    that between 0.48 and 0.52, but the variance is the same. Use `mutual_information` to take the noise of votes into
    account.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> draw_variance(Posterior([[[9.0, 1.0]], [[1.0, 9.0]]], ["g1"], tree)).round(6).tolist()
    [0.32]
    """
    mean = posterior.joint_mean()
    total = np.zeros(len(posterior))
    for alpha, weight in zip(posterior.concentrations, posterior.weights, strict=True):
        joint = posterior.tree.joint(posterior.tree.fractions(alpha.astype(np.float64)))
        total += weight * ((joint - mean) ** 2).sum(-1)
    return total
