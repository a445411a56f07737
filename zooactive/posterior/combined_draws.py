"""An ensemble: the draws of several networks as one posterior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zooactive.foundation.errors import PosteriorError
from zooactive.posterior.posterior import Posterior


def combine_draws(posteriors: Sequence[Posterior]) -> Posterior:
    """Combine the draws of several networks into one posterior: an ensemble in which each network counts the same.

    Parameters
    ----------
    posteriors : sequence of Posterior
        Posteriors of one tree and the same galaxies, in any order.

    Returns
    -------
    Posterior
        A posterior with the galaxies in the order of the first one. Its draws are those of the first, then of the second,
        ...

    Raises
    ------
    PosteriorError
        When there are no posteriors, or their trees or galaxies differ.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> one, other = Posterior([[[9, 1]]], ["g1"], tree), Posterior([[[1, 9]], [[1, 9]]], ["g1"], tree)
    >>> combine_draws([one, other]).mean().round(6).tolist()
    [[0.5, 0.5]]
    """
    if not posteriors:
        raise PosteriorError("there are no posteriors to combine; give at least one")
    first = posteriors[0]
    for other in posteriors[1:]:
        if other.tree.columns != first.tree.columns:
            raise PosteriorError(
                f"posteriors of the trees '{first.tree.name}' and '{other.tree.name}' cannot be combined; give draws for "
                "the same questions"
            )
        if set(other.ids) != set(first.ids):
            lone = next(iter(set(other.ids) ^ set(first.ids)))
            raise PosteriorError(
                f"galaxy '{lone}' is in one posterior but not in another; predict the same galaxies with each model"
            )
    aligned = [first, *(other.select(first.ids) for other in posteriors[1:])]
    return Posterior(
        np.concatenate([posterior.concentrations for posterior in aligned]),
        first.ids,
        first.tree,
        weights=np.concatenate([posterior.weights for posterior in aligned]),
    )
