"""What several galaxies' votes would tell together: the joint information of a batch, for small pools."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.acquisition.scores.tree_information import checked_trees, checked_volunteers
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.hashing import hash_ids
from zooactive.posterior import Posterior

_MOST_NUMBERS = 1 << 28
"""Logits (galaxy x tree x draw) that are held at most: 1 GiB."""


class Batch(NamedTuple):
    """A batch in the order of its choice: ids, and the joint information of the first 1, 2, ... galaxies, nats."""

    ids: tuple[str, ...]
    information: NDArray[np.float64]


def greedy_batch(posterior: Posterior, n: int, votes: ArrayLike = 40, *, trees: int | None = None, seed: int = 0) -> Batch:
    """Choose a batch one by one, each time the galaxy that makes the joint information largest.

    The joint information is I(k_1 ... k_G; t), what the votes of all the chosen galaxies together would tell about the
    network, in nats: at most ln T, and less than the sum of the galaxies' own scores as far as they tell the same. Given the
    draw, galaxies vote independently, so that the logarithms of their trees' probabilities add up: vote tree m of every
    galaxy is sampled from the same draw.

    Parameters
    ----------
    posterior : Posterior
        The pool: small, since galaxies x trees x draws numbers are held in memory. Its draws are equally weighted, or with
        the same weights for every galaxy.
    n : int
        Galaxies to choose.
    votes : int or array_like of int, shape (galaxy,)
    trees : int, optional
        Vote trees a galaxy; one a draw by default.
    seed : int

    Returns
    -------
    Batch

    Raises
    ------
    AcquisitionError
        As `mutual_information`; when draws have other weights for other galaxies; when the pool is too large; when `n` is
        below 1 or above the number of galaxies.

    Notes
    -----
    BatchBALD (Kirsch et al. 2019, arXiv:1906.08158), without enumeration: at least 1 - 1/e of the best batch's information,
    were it known exactly (its appendix A). **Limitation**: it saturates at ln T, with 20 draws and 40 volunteers after about
    three galaxies, so it is for small batches of galaxies with few votes.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> alpha = [[[90, 10]] * 2 + [[80, 20]], [[10, 90]] * 2 + [[80, 20]], [[10, 90]] * 2 + [[20, 80]]]
    >>> greedy_batch(Posterior(alpha, ["twin 1", "twin 2", "other"], tree), 2).ids
    ('twin 1', 'other')
    """
    if not 1 <= n <= len(posterior):
        raise AcquisitionError(f"a batch of {n} was asked for and the pool has {len(posterior)} galaxies; give 1 to so many")
    logits, prior = _paired_logits(posterior, votes, trees, seed)
    before = float(special.entr(prior).sum())
    state = np.broadcast_to(np.log(prior), logits.shape[1:])
    left = np.argsort(posterior.ids.astype(str), kind="stable")  # equal galaxies are taken in the order of their ids
    chosen: list[str] = []
    information = np.empty(n)
    for i in range(n):
        best = int(np.argmax([_mean_divergence(state, logits[g]) for g in left]))
        state = state + logits[left[best]]
        information[i] = max(before - _mean_entropy(state), 0.0)
        chosen.append(str(posterior.ids[left[best]]))
        left = np.delete(left, best)
    return Batch(tuple(chosen), information)


def _paired_logits(
    posterior: Posterior, votes: ArrayLike, trees: int | None, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits (galaxy, tree, draw) of vote trees, of which number m has one source draw for every galaxy; the weights."""
    from zooactive.acquisition.compiled.tree_layout import lay_out
    from zooactive.acquisition.compiled.vote_trees import share_trees, tree_logits

    volunteers = checked_volunteers(votes, len(posterior))
    sampled = checked_trees(trees, posterior.draws)
    if len(posterior) * sampled * posterior.draws > _MOST_NUMBERS:
        raise AcquisitionError(
            f"{len(posterior)} galaxies with {sampled} trees and {posterior.draws} draws are too many for joint scores; "
            "give a shortlist, or fewer trees or draws"
        )
    prior = posterior.weights[:, 0] if len(posterior) else np.full(posterior.draws, 1 / posterior.draws)
    if (posterior.weights != prior[:, None]).any():
        raise AcquisitionError(
            "the draws have other weights for other galaxies, and a joint score needs one network for all; give the "
            "posterior from before given_votes"
        )
    source = share_trees(prior.copy(), sampled, hash_ids(["batch"], purpose="trees", seed=seed)[0])
    seeds, weights = hash_ids(posterior.ids, purpose="trees", seed=seed), posterior.weights.copy()
    layout, alpha = lay_out(posterior.tree), posterior.concentrations.copy()
    logits = tree_logits(alpha, weights, volunteers, seeds, sampled, layout, source)
    return logits.astype(np.float64), prior


def _mean_divergence(state: NDArray[np.float64], logits: NDArray[np.float64]) -> float:
    """Return how far further logits bring the weights softmax(state) on average, both (tree, draw), by Kullback and Leibler.

    What the entropy falls by has the same mean, because the weights of a tree that is sampled from them do not change on
    average; but where weights differ already it also has all of their change in it, and this has its square.
    """
    after = state + logits
    shift = special.logsumexp(after, axis=1) - special.logsumexp(state, axis=1)
    return float(((special.softmax(after, axis=1) * logits).sum(1) - shift).mean())


def _mean_entropy(logits: NDArray[np.float64]) -> float:
    """Return the mean over trees of the entropy of softmax(logits), for logits (tree, draw)."""
    above = logits - logits.max(1, keepdims=True)
    weights = np.exp(above)
    norm = weights.sum(1)
    return float((np.log(norm) - (weights * above).sum(1) / norm).mean())
