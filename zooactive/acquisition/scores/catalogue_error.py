"""The uncertainty of a galaxy's published fractions, summed over the questions that count."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree


def catalogue_error(posterior: Posterior, weights: Mapping[str, float] | None = None) -> NDArray[np.float64]:
    """Return the expected squared error of each galaxy's published fractions, summed over the questions that count.

    E = sum_q omega_q P(asked q) sum_a v_qa. Here v_qa is the variance of the fraction's density, and omega_q the question's
    weight. Both answers of a yes-or-no question count.

    Parameters
    ----------
    posterior : Posterior
        The posterior, conditioned on the votes so far if there are any (`Posterior.given_votes`).
    weights : mapping of str to float, optional
        Question -> its weight. Questions that are not named have the weight 0. By default each question has the weight 1.

    Returns
    -------
    ndarray of float64, shape (galaxy,)

    Raises
    ------
    AcquisitionError
        When a weight is negative or not finite, or all are 0.
    TreeError
        When the tree has no such question.

    Notes
    -----
    **Limitation**: P(asked) and the variance are multiplied as if they were independent. If the draws disagree
    about P(asked), this overstates the error of the fractions among those who are asked.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("shape", ["smooth", "disk", "star"])])
    >>> posterior = Posterior([[[8, 2, 1.5]]], ["g1"], tree)
    >>> catalogue_error(posterior).round(7).tolist(), catalogue_error(posterior.given_votes([[1, 0, 0]])).round(7).tolist()
    ([0.0375047], [0.0327111])
    """
    variances = posterior.tree.question_sums(posterior.variance())
    return np.asarray((counting(posterior, weights) * variances).sum(-1))


def counting(posterior: Posterior, weights: Mapping[str, float] | None) -> NDArray[np.float64]:
    """Return each question's weight times P(asked), shape (galaxy, question)."""
    return np.asarray(posterior.asked() * question_weights(posterior.tree, weights))


def question_weights(tree: DecisionTree, weights: Mapping[str, float] | None) -> NDArray[np.float64]:
    """Return the weights in the order of the tree's questions, shape (question,), with the errors of `catalogue_error`."""
    if weights is None:
        return np.ones(len(tree.questions))
    found = np.zeros(len(tree.questions))
    for name, weight in weights.items():
        where = tree.questions.index(tree.question(name))
        if (
            isinstance(weight, bool)
            or not isinstance(weight, int | float | np.number)
            or not (isfinite(weight) and weight >= 0)
        ):
            raise AcquisitionError(f"the weight of question '{name}' is {weight!r}; give a number, 0 or more")
        found[where] = weight
    if not found.any():
        raise AcquisitionError("all questions have the weight 0; give at least one of them a weight above 0")
    return found
