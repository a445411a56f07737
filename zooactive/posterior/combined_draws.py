"""An ensemble: the draws of several networks as one posterior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zooactive.foundation.errors import PosteriorError
from zooactive.posterior.posterior import Posterior


def combine_draws(posteriors: Sequence[Posterior]) -> Posterior:
    """Put the draws of several networks together: an ensemble, in which each network counts the same.

    Parameters
    ----------
    posteriors : sequence of Posterior
        Of one tree and the same galaxies, in any order.

    Returns
    -------
    Posterior
        Its galaxies in the order of the first; its draws are those of the first, then of the second, ...

    Raises
    ------
    PosteriorError
        When there is none, or trees or galaxies differ.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> one, other = Posterior([[[9, 1]]], ["g1"], tree), Posterior([[[1, 9]], [[1, 9]]], ["g1"], tree)
    >>> combine_draws([one, other]).mean().round(6).tolist()
    [[0.5, 0.5]]
    """
    if not posteriors:
        raise PosteriorError("no posterior was given to combine; give at least one")
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
                f"galaxy '{lone}' is in one posterior and not in another; predict the same galaxies with each"
            )
    aligned = [first, *(other.select(first.ids) for other in posteriors[1:])]
    return Posterior(
        np.concatenate([posterior.concentrations for posterior in aligned]),
        first.ids,
        first.tree,
        weights=np.concatenate([posterior.weights for posterior in aligned]),
    )
