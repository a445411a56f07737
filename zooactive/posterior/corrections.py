"""Corrections of concentrations and probabilities by known numbers, which `zooactive.training.calibrate` finds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import PosteriorError, ZooactiveError
from zooactive.posterior.posterior import Posterior
from zooactive.tree import DecisionTree


def scale_concentrations(posterior: Posterior, factors: ArrayLike) -> Posterior:
    """Return the posterior with the concentrations of each question, or of each answer, multiplied by a factor.

    Parameters
    ----------
    posterior : Posterior
    factors : array_like, shape (question,) or (answer,)
        The factors, finite and positive.

    Raises
    ------
    PosteriorError
        When the shape does not match, or a factor is not finite and positive.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> scale_concentrations(Posterior([[[9, 1]]], ["g1"], tree), [2]).concentrations.tolist()
    [[[18.0, 2.0]]]
    """
    tree = posterior.tree
    given = np.asarray(factors)
    if given.shape == (len(tree.columns),):  # a tree has more answers than questions
        scales = checked_factors(given, tree, of=len(tree.columns))
    else:
        scales = checked_factors(factors, tree)[tree.question_index]
    scales = scales.astype(np.float32)
    return Posterior(posterior.concentrations * scales, posterior.ids, posterior.tree, weights=posterior.weights)


def named_factors(factors: Mapping[str, float], tree: DecisionTree) -> NDArray[np.float64]:
    """Return factors by the names of questions or of answers' columns as float64 (answer,), with 1 for those not named.

    An unknown name raises a TreeError.
    """
    scales = np.ones(len(tree.columns))
    for name, factor in factors.items():
        if name in tree.columns:
            scales[tree.columns.index(name)] = factor
        else:
            scales[tree.slices[tree.questions.index(tree.question(name))]] = factor
    return scales


def checked_factors(
    factors: ArrayLike, tree: DecisionTree, error: type[ZooactiveError] = PosteriorError, *, of: int | None = None
) -> NDArray[np.float64]:
    """Return factors as float64, one per question or `of` of them, or raise `error`."""
    try:
        values = np.asarray(factors, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.full(1, np.nan)
    limits = np.finfo(np.float32)
    number = len(tree.questions) if of is None else of
    if values.shape != (number,) or not ((values >= limits.tiny) & (values <= limits.max)).all():
        raise error(
            f"the factors {values.tolist()} do not match tree '{tree.name}'; give {number} numbers above 0, one "
            f"for each {'question' if of is None else 'answer'}"
        )
    return values


def prior_shift(learnt: ArrayLike, wanted: ArrayLike) -> NDArray[np.float64]:
    """Return the shift of the log probabilities from the labels' shares in training to other shares.

    Parameters
    ----------
    learnt : array_like, shape (answer,)
        The shares of the labels among the training galaxies, with their training weights.
    wanted : array_like, shape (answer,)
        The shares of the labels on the sky.

    Returns
    -------
    ndarray, shape (answer,)
        ln(wanted / learnt). The shift is valid if galaxies of one label look the same in both samples.

    Raises
    ------
    PosteriorError
        When a share is not above 0, or they do not sum to 1.

    Notes
    -----
    Saerens, Latinne & Decaestecker 2002 (Neural Computation 14, 21), equation 2.4.

    Examples
    --------
    >>> from scipy import special
    >>> shift = prior_shift([0.5, 0.5], [0.1, 0.9])
    >>> special.softmax(np.log([0.9, 0.1]) + shift).round(3).tolist()  # 0.9 x 0.1 to 0.1 x 0.9: even
    [0.5, 0.5]
    """
    before, after = np.asarray(learnt, dtype=float), np.asarray(wanted, dtype=float)
    for shares in (before, after):
        if not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
            raise PosteriorError(f"the shares {shares.tolist()} are not a prior; give numbers between 0 and 1 that sum to 1")
    return np.asarray(np.log(after) - np.log(before))
