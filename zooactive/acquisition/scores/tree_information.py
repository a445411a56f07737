"""The mutual information between volunteers' votes and the network, estimated from sampled trees of votes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.hashing import hash_ids
from zooactive.posterior import Posterior

_SLICE = 64
"""Galaxies that one thread scores at a time: few, so that a part of a pool keeps every thread busy."""


def mutual_information(
    posterior: Posterior, votes: ArrayLike = 40, *, trees: int | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Estimate how much volunteers' answers to each galaxy would tell about the network.

    I(k; t) of a whole tree of votes k and the draw t, of prior probability pi_t (1 / T unless votes have come in already):
    `trees` trees are sampled a galaxy, each from one draw (in proportion to pi; with equal weights the same number from
    every draw, a remainder from distinct draws chosen by the galaxy's id), and

        I = H(pi) - mean over trees of H(w),   w_t proportional to pi_t p(k | t).

    The estimate is unbiased, between 0 and H(pi) <= ln T, and exactly 0 for one draw or identical draws. Each galaxy has
    its own random stream, begun from the hash of its id, so that its score depends on nothing but its own concentrations,
    weights, `votes`, `trees` and `seed`.

    Parameters
    ----------
    posterior : Posterior
    votes : int or array_like of int, shape (galaxy,)
        Volunteers who are shown the galaxy (every root question has so many votes).
    trees : int, optional
        Vote trees a galaxy in total; one a draw by default. More trees than draws lower the sampling error, which is about
        sqrt(2 / trees) of a small score.
    seed : int

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats.

    Raises
    ------
    AcquisitionError
        When `votes` are not whole numbers >= 0, or `trees` is below 1.

    Notes
    -----
    The score is that of Walmsley et al. 2020 (MNRAS 491, 1554, section 3) carried to Dirichlet-multinomial votes over a
    whole tree. **Advantages**: any tree, any number of answers, no enumeration; children count by how likely they are to
    be asked. **Limitations**: with T draws no score exceeds ln T, and with few draws scores are biased low.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> same = Posterior([[[9.0, 1.0]], [[9.0, 1.0]]], ["g1"], tree)
    >>> mutual_information(same).tolist()
    [0.0]
    """
    return _score(posterior, votes, trees, seed, by_question=False)[:, 0]


def information_by_question(
    posterior: Posterior, votes: ArrayLike = 40, *, trees: int | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Share the mutual information out among the questions, to see why a galaxy's votes would tell something.

    The exact chain rule: I = sum_q E_{k_<q}[ I(k_q; t | k_<q) ], with the draws' weights updated by the answers to the
    earlier questions (`DecisionTree.order`). From the same vote trees as `mutual_information`, whose score the row sums to.

    Parameters
    ----------
    posterior, votes, trees, seed
        As in `mutual_information`.

    Returns
    -------
    ndarray of float64, shape (galaxy, question)
        In nats. Estimates: a question that tells next to nothing may come out a little below 0.

    Raises
    ------
    AcquisitionError
        As `mutual_information`.

    Notes
    -----
    **Limitation**: what two questions tell alike is counted for the earlier one.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_y"])])
    >>> agree_on_a = Posterior([[[5, 5, 9, 1]], [[5, 5, 1, 9]]], ["g1"], tree)
    >>> information_by_question(agree_on_a, trees=64).round(1).tolist()
    [[0.0, 0.7]]
    """
    return _score(posterior, votes, trees, seed, by_question=True)


def _score(
    posterior: Posterior, votes: ArrayLike, trees: int | None, seed: int, *, by_question: bool
) -> NDArray[np.float64]:
    from zooactive.acquisition.compiled.tree_layout import lay_out
    from zooactive.acquisition.compiled.vote_trees import score_galaxies

    volunteers = checked_volunteers(votes, len(posterior))
    per_galaxy = checked_trees(trees, posterior.draws)
    seeds = hash_ids(posterior.ids, purpose="trees", seed=seed)
    layout = lay_out(posterior.tree)
    weights = posterior.weights

    def score(first: int) -> NDArray[np.float64]:
        here = slice(first, first + _SLICE)
        alpha = posterior.concentrations[:, here].copy()  # writable, or the function would be compiled once more
        return score_galaxies(alpha, weights[:, here].copy(), volunteers[here], seeds[here], per_galaxy, layout, by_question)

    with ThreadPoolExecutor(usable_cpus()) as pool:  # the compiled function holds no interpreter lock
        found = list(pool.map(score, range(0, max(len(posterior), 1), _SLICE)))
    return np.concatenate(found)


def checked_trees(trees: int | None, draws: int) -> int:
    """Return how many vote trees to sample a galaxy: `trees`, by default one a draw."""
    if trees is not None and trees < 1:
        raise AcquisitionError(f"trees = {trees}: a score needs at least one vote tree; leave trees away for one a draw")
    return draws if trees is None else int(trees)


def checked_volunteers(votes: ArrayLike, galaxies: int) -> NDArray[np.int64]:
    """Return how many volunteers each galaxy is shown to, shape (galaxy,)."""
    given = np.asarray(votes)
    if given.shape not in ((), (galaxies,)):
        raise AcquisitionError(
            f"votes have the shape {given.shape}; give one whole number, or one for each of {galaxies} galaxies"
        )
    whole = np.issubdtype(given.dtype, np.number) and np.all(np.isfinite(given)) and np.all(given == np.floor(given))
    if not whole or np.any(given < 0):
        raise AcquisitionError(f"votes = {votes!r}: the number of volunteers must be a whole number, 0 or more")
    return np.broadcast_to(given, (galaxies,)).astype(np.int64)
