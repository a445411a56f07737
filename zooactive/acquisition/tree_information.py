"""The mutual information between volunteers' votes and the network, estimated from sampled trees of votes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.errors import AcquisitionError
from zooactive.hashing import hash_ids
from zooactive.posterior import Posterior

_SLICE = 512
"""Galaxies that one thread scores at a time."""


def mutual_information(
    posterior: Posterior, votes: ArrayLike = 40, *, trees: int | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Estimate how much volunteers' answers to each galaxy would tell about the network.

    With uniform prior weight over the draws t, I(k; t) of a whole tree of votes k: `trees` trees are sampled a galaxy, each
    from one draw (the same number from every draw, a remainder from distinct draws chosen by the galaxy's id), and

        I = ln T - mean over trees of H(w),   w_t proportional to p(k | t).

    The estimate is unbiased, between 0 and ln T, and exactly 0 for one draw or identical draws. Each galaxy has its
    own random stream, begun from the hash of its id, so that its score depends on nothing but its own concentrations,
    `votes`, `trees` and `seed`.

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
    from zooactive.acquisition.vote_trees import lay_out, score_galaxies

    volunteers = _volunteers(votes, len(posterior))
    per_galaxy = posterior.draws if trees is None else trees
    if per_galaxy < 1:
        raise AcquisitionError(f"trees = {trees}: a score needs at least one vote tree; leave trees away for one a draw")
    seeds = hash_ids(posterior.ids, purpose="trees", seed=seed)
    layout = lay_out(posterior.tree)

    def score(first: int) -> NDArray[np.float64]:
        here = slice(first, first + _SLICE)
        alpha = posterior.concentrations[:, here].copy()  # writable, or the function would be compiled once more
        return score_galaxies(alpha, volunteers[here], seeds[here], per_galaxy, layout)

    with ThreadPoolExecutor() as pool:  # the compiled function holds no interpreter lock
        found = list(pool.map(score, range(0, len(posterior), _SLICE)))
    return np.concatenate([np.empty(0), *found])


def _volunteers(votes: ArrayLike, galaxies: int) -> NDArray[np.int64]:
    given = np.asarray(votes)
    if given.shape not in ((), (galaxies,)):
        raise AcquisitionError(
            f"votes have the shape {given.shape}; give one whole number, or one for each of {galaxies} galaxies"
        )
    whole = np.issubdtype(given.dtype, np.number) and np.all(np.isfinite(given)) and np.all(given == np.floor(given))
    if not whole or np.any(given < 0):
        raise AcquisitionError(f"votes = {votes!r}: the number of volunteers must be a whole number, 0 or more")
    return np.broadcast_to(given, (galaxies,)).astype(np.int64)
