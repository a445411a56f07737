"""What a galaxy's votes would tell about *other* galaxies: expected predictive information gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.acquisition.scores.tree_information import checked_trees, checked_volunteers
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.hashing import hash_ids
from zooactive.posterior import Posterior

_SLICE = 64
"""Galaxies whose vote trees are held at a time."""


def epig(
    posterior: Posterior,
    target: Posterior,
    *,
    column: str | None = None,
    votes: ArrayLike = 40,
    trees: int | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Estimate how much a galaxy's votes would tell about one volunteer's answers to galaxies of a target sample.

    The mean over target galaxies of I(k; y), where k is the tree of votes of the galaxy and y what one volunteer says of the
    target: whether it is `column`'s answer, or, without a column, for each question its answer or "not asked", summed over
    questions. With vote trees sampled as in `mutual_information`, of weights w_t proportional to pi_t p(k | t),

        I = H( sum_t pi_t p_t(y) ) - mean over trees of H( sum_t w_t p_t(y) ).

    Parameters
    ----------
    posterior : Posterior
        The candidates.
    target : Posterior
        The galaxies that one wants to know about, with the *same* draws: of the same model, in the same order.
    column : str, optional
        An answer of the target's tree; the survey's suffix may be left away.
    votes : int or array_like of int, shape (galaxy,)
        Volunteers who are shown each candidate.
    trees : int, optional
        Vote trees a galaxy; one a draw by default.
    seed : int

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats a target galaxy. An unbiased estimate, which may come out a little below 0.

    Raises
    ------
    AcquisitionError
        When the numbers of draws differ, the target is empty, or as `mutual_information`.

    Notes
    -----
    Bickford Smith et al. 2023 (arXiv:2304.08151). **Advantage**: it does not pay for what no galaxy of interest shares.
    **Limitation**: the target sample decides, so it has to be of the galaxies that one means; and it needs paired draws.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> pool = Posterior([[[9, 1], [5, 5]], [[1, 9], [5, 5]]], ["tells", "tells nothing"], tree)
    >>> (epig(pool, pool.select(["tells"]), column="smooth_yes") > 0.1).tolist()
    [True, False]
    """
    from zooactive.acquisition.compiled.tree_layout import lay_out
    from zooactive.acquisition.compiled.vote_trees import tree_logits

    if target.draws != posterior.draws:
        raise AcquisitionError(
            f"the target has {target.draws} draws and the candidates {posterior.draws}; predict both with one model and as "
            "many draws"
        )
    if len(target) == 0:
        raise AcquisitionError("the target sample is empty; give at least one galaxy")
    volunteers = checked_volunteers(votes, len(posterior))
    per_galaxy = checked_trees(trees, posterior.draws)
    seeds, layout = hash_ids(posterior.ids, purpose="trees", seed=seed), lay_out(posterior.tree)
    chances = _chances(target, column)
    gains = np.empty(len(posterior))
    for start in range(0, len(posterior), _SLICE):
        here = slice(start, start + _SLICE)
        alpha, prior = posterior.concentrations[:, here].copy(), posterior.weights[:, here].copy()
        own = np.empty(0, dtype=np.int64)
        logits = tree_logits(alpha, prior, volunteers[here], seeds[here], per_galaxy, layout, own).astype(np.float64)
        weights = np.exp(logits - logits.max(-1, keepdims=True)) * prior.T[:, None]
        weights /= weights.sum(-1, keepdims=True)
        after = _entropy(weights.reshape(-1, posterior.draws) @ chances).reshape(-1, per_galaxy).mean(1)
        gains[here] = (_entropy(prior.T @ chances) - after) / len(target)
    return gains


def _chances(target: Posterior, column: str | None) -> NDArray[np.float64]:
    """Return the probability of each outcome for one volunteer under each draw, (draw, target x outcome)."""
    tree = target.tree
    fractions = tree.fractions(target.concentrations.astype(np.float64))
    joint = tree.joint(fractions)
    if column is not None:
        given = joint[..., tree.columns.index(tree.resolve(column))]
        outcomes = np.stack([given, 1 - given], axis=-1)
    else:
        outcomes = np.concatenate([joint, 1 - tree.asked(fractions)], axis=-1)
    return outcomes.reshape(target.draws, -1)


def _entropy(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -sum p ln p along the last axis; NumPy's logarithm is vectorised, which scipy's entr is not."""
    return np.asarray(-(chances * np.log(np.maximum(chances, np.finfo(float).tiny))).sum(-1))
