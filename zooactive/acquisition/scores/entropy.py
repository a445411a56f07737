"""The entropy of one volunteer's answers: a baseline that cannot tell an uncertain network from an ambiguous galaxy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.scores.one_vote import one_vote
from zooactive.posterior import Posterior


def predictive_entropy(posterior: Posterior) -> NDArray[np.float64]:
    """Return the entropy of one vote on each question, weighted by how likely the question is to be asked.

    The score is the sum over questions of P(asked q) H(sum_t w_t mu_t), with w_t proportional to P_t(asked q).

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The entropy in nats.

    Notes
    -----
    This is uncertainty sampling, the usual baseline for `mutual_information`. **Limitation**: a galaxy on which volunteers
    are known to disagree scores as high as one about which the network knows nothing. More votes on it may give no
    information.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> predictive_entropy(Posterior([[[5.0, 5.0]]], ["g1"], tree)).round(6).tolist()
    [0.693147]
    """
    vote = one_vote(posterior)
    return np.asarray((vote.asked * vote.entropy).sum(-1))
