"""How uncertain the published fractions of a galaxy are, summed over the questions that count."""

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

    E = sum_q omega_q P(asked q) sum_a v_qa, where v_qa is the variance of the fraction's density and omega_q the question's
    weight. Both answers of a question of yes and no count.

    Parameters
    ----------
    posterior : Posterior
        Given the votes so far (`Posterior.given_votes`), where there are any.
    weights : mapping of str to float, optional
        Question -> how much it counts; questions that are not named do not count. By default each counts 1.

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
    **Limitation**: P(asked) and the variance are multiplied as if they were independent; where draws disagree about being
    asked this overstates the error of the fractions of those who are asked.

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
    """How much each question counts for a galaxy, its weight times P(asked), shape (galaxy, question)."""
    return np.asarray(posterior.asked() * question_weights(posterior.tree, weights))


def question_weights(tree: DecisionTree, weights: Mapping[str, float] | None) -> NDArray[np.float64]:
    """Return the weights in the order of the tree's questions, shape (question,); raises AcquisitionError as told above."""
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
        raise AcquisitionError("no question counts; give one of them a weight above 0")
    return found
