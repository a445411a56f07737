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
"""The number of galaxies that one thread scores at a time: few, so that even a part of a pool keeps every thread busy."""


def mutual_information(
    posterior: Posterior, votes: ArrayLike = 40, *, trees: int | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Estimate the information that volunteers' answers to each galaxy give about the network.

    The information I(k; t) is that between a whole tree of votes k and the draw t, whose prior probability is pi_t (1 / T
    unless there are already votes). For each galaxy, `trees` vote trees are sampled, each from one draw in proportion to pi.
    With equal weights, every draw gets the same number of trees, and a remainder goes to distinct draws chosen by the
    galaxy's id. Then

        I = H(pi) - mean over trees of H(w),   w_t proportional to pi_t p(k | t).

    The estimate is unbiased, between 0 and H(pi) <= ln T, and exactly 0 for one draw or identical draws. Each galaxy has
    its own random stream, which starts from the hash of its id. Its score therefore depends only on its own concentrations
    and weights, and on `votes`, `trees` and `seed`.

    Parameters
    ----------
    posterior : Posterior
    votes : int or array_like of int, shape (galaxy,)
        The number of volunteers who are shown the galaxy, and hence of votes on every root question.
    trees : int, optional
        The total number of vote trees per galaxy. The default is one per draw. More trees than draws lower the sampling
        error, which is about sqrt(2 / trees) of a small score.
    seed : int

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The information in nats.

    Raises
    ------
    AcquisitionError
        When `votes` are not whole numbers >= 0, or `trees` is below 1.

    Notes
    -----
    This is the score of Walmsley et al. 2020 (MNRAS 491, 1554, section 3), extended to Dirichlet-multinomial votes over a
    whole tree. **Advantages**: any tree, any number of answers, no enumeration; a child question counts by how likely it is
    to be asked. **Limitations**: with T draws no score exceeds ln T, and with few draws scores are biased low.

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
    """Split the mutual information into shares by question, to show why a galaxy's votes are informative.

    The shares follow the exact chain rule: I = sum_q E_{k_<q}[ I(k_q; t | k_<q) ], with the draws' weights updated by the
    answers to the earlier questions (`DecisionTree.order`). The vote trees are those of `mutual_information`, so that each
    row sums to that score.

    Parameters
    ----------
    posterior, votes, trees, seed
        As in `mutual_information`.

    Returns
    -------
    ndarray of float64, shape (galaxy, question)
        The information in nats. These are estimates: a question with almost no information may get a value slightly below 0.

    Raises
    ------
    AcquisitionError
        As in `mutual_information`.

    Notes
    -----
    **Limitation**: information that two questions share is attributed to the earlier one.

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
        alpha = posterior.concentrations[:, here].copy()  # writable, because a read-only array would be compiled again
        return score_galaxies(alpha, weights[:, here].copy(), volunteers[here], seeds[here], per_galaxy, layout, by_question)

    with ThreadPoolExecutor(usable_cpus()) as pool:  # the compiled function releases the interpreter lock
        found = list(pool.map(score, range(0, max(len(posterior), 1), _SLICE)))
    return np.concatenate(found)


def checked_trees(trees: int | None, draws: int) -> int:
    """Return the number of vote trees per galaxy: `trees`, or by default one per draw."""
    if trees is not None and trees < 1:
        raise AcquisitionError(f"trees = {trees}: a score needs at least one vote tree; leave out trees for one per draw")
    return draws if trees is None else int(trees)


def checked_volunteers(votes: ArrayLike, galaxies: int) -> NDArray[np.int64]:
    """Return the number of volunteers who are shown each galaxy, shape (galaxy,)."""
    given = np.asarray(votes)
    if given.shape not in ((), (galaxies,)):
        raise AcquisitionError(
            f"votes have the shape {given.shape}; give one whole number, or one for each of the {galaxies} galaxies"
        )
    whole = np.issubdtype(given.dtype, np.number) and np.all(np.isfinite(given)) and np.all(given == np.floor(given))
    if not whole or np.any(given < 0):
        raise AcquisitionError(f"votes = {votes!r}: the number of volunteers must be a whole number, 0 or more")
    return np.broadcast_to(given, (galaxies,)).astype(np.int64)
