"""How far the draws disagree about the mean votes: a baseline that knows nothing of how noisy votes are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.posterior import Posterior


def draw_variance(posterior: Posterior) -> NDArray[np.float64]:
    """Return the variance between draws of each answer's share of all volunteers, summed over the answers.

    The sum over answers of Var_t[ P_t(asked) mu_t ]: the joint fraction, so that a question counts as far as it is asked.

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        0 for identical draws; no unit.

    Notes
    -----
    A baseline. **Limitation**: draws that say 0.01 and 0.05 disagree by far more votes' worth than 0.48 and 0.52 do; the
    variance calls them alike. It is `mutual_information` that knows the noise of votes.

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
