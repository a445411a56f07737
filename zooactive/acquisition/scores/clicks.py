"""The cost of a galaxy: the expected number of volunteers' clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.acquisition.scores.tree_information import checked_volunteers
from zooactive.posterior import Posterior


def expected_clicks(posterior: Posterior, votes: ArrayLike = 40) -> NDArray[np.float64]:
    """Return the expected number of answers that volunteers give about a galaxy, over all questions: sum_q E[n_q].

    Parameters
    ----------
    posterior : Posterior
    votes : int or array_like of int, shape (galaxy,)
        The number of volunteers who are shown the galaxy.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The number of clicks, at least `votes`. A smooth galaxy has fewer than a spiral.

    Raises
    ------
    AcquisitionError
        When `votes` are not whole numbers >= 0.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_y"])])
    >>> expected_clicks(Posterior([[[3, 1, 5, 5]]], ["g1"], tree), votes=40).tolist()
    [50.0]
    """
    return np.asarray(checked_volunteers(votes, len(posterior)) * posterior.asked().sum(1))
