"""The joint information from several galaxies' votes, for small pools."""

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
"""The largest number of logits (galaxy x tree x draw) held in memory: 1 GiB."""


class Batch(NamedTuple):
    """A batch in the order of its choice: ids, and the joint information of the first 1, 2, ... galaxies in nats."""

    ids: tuple[str, ...]
    information: NDArray[np.float64]


def greedy_batch(posterior: Posterior, n: int, votes: ArrayLike = 40, *, trees: int | None = None, seed: int = 0) -> Batch:
    """Choose a batch one by one, each time the galaxy that makes the joint information largest.

    The joint information is I(k_1 ... k_G; t): the information in nats that the votes of all chosen galaxies together would
    give about the network. It is at most ln T, and smaller than the sum of the galaxies' own scores if their votes give the
    same information. Given the draw, galaxies vote independently, so that the logarithms of their trees' probabilities add
    up. Vote tree m of every galaxy is sampled from the same draw.

    Parameters
    ----------
    posterior : Posterior
        The pool. It must be small, because galaxies x trees x draws numbers are held in memory. Its draws must have the same
        weights for every galaxy.
    n : int
        The number of galaxies to choose.
    votes : int or array_like of int, shape (galaxy,)
        The number of volunteers who are shown each galaxy.
    trees : int, optional
        The number of vote trees per galaxy. The default is one per draw.
    seed : int

    Returns
    -------
    Batch

    Raises
    ------
    AcquisitionError
        As in `mutual_information`. Also when the draws' weights differ between galaxies, when the pool is too large, or when
        `n` is below 1 or above the number of galaxies.

    Notes
    -----
    This is BatchBALD (Kirsch et al. 2019, arXiv:1906.08158) without enumeration. With exact information, the greedy batch
    would have at least 1 - 1/e of the best batch's information (their appendix A). **Limitation**: the information saturates
    at ln T, with 20 draws and 40 volunteers after about three galaxies. Use it for small batches of galaxies with few votes.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> alpha = [[[90, 10]] * 2 + [[80, 20]], [[10, 90]] * 2 + [[80, 20]], [[10, 90]] * 2 + [[20, 80]]]
    >>> greedy_batch(Posterior(alpha, ["twin 1", "twin 2", "other"], tree), 2).ids
    ('twin 1', 'other')
    """
    if not 1 <= n <= len(posterior):
        raise AcquisitionError(
            f"a batch of {n} was asked for, but the pool has {len(posterior)} galaxies; give 1 to this number"
        )
    logits, prior = _paired_logits(posterior, votes, trees, seed)
    before = float(special.entr(prior).sum())
    state = np.broadcast_to(np.log(prior), logits.shape[1:])
    left = np.argsort(posterior.ids.astype(str), kind="stable")  # ties are broken by id
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
    """Return logits (galaxy, tree, draw) of vote trees, with one source draw for tree m of every galaxy, and the weights."""
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
            "the draws' weights differ between galaxies, but a joint score needs one network for all; give the posterior "
            "from before given_votes"
        )
    source = share_trees(prior.copy(), sampled, hash_ids(["batch"], purpose="trees", seed=seed)[0])
    seeds, weights = hash_ids(posterior.ids, purpose="trees", seed=seed), posterior.weights.copy()
    layout, alpha = lay_out(posterior.tree), posterior.concentrations.copy()
    logits = tree_logits(alpha, weights, volunteers, seeds, sampled, layout, source)
    return logits.astype(np.float64), prior


def _mean_divergence(state: NDArray[np.float64], logits: NDArray[np.float64]) -> float:
    """Return the mean Kullback-Leibler divergence by which further logits move the weights softmax(state).

    Both are of shape (tree, draw). The fall of the entropy has the same mean, because weights do not change on average when
    a tree is sampled from them. If the weights already differ, however, the fall contains their change to first order, and
    the divergence only its square.
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
