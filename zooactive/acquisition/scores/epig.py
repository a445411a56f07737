"""Expected predictive information gain (EPIG): the information that a galaxy's votes give about *other* galaxies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from zooactive.acquisition.scores.tree_information import checked_trees, checked_volunteers
from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.hashing import hash_ids
from zooactive.posterior import Posterior

_SLICE = 64
"""The number of galaxies whose vote trees are held at a time."""

_AT_ONCE = 1 << 22
"""The number of outcomes of vote trees held at a time."""


def epig(
    posterior: Posterior,
    target: Posterior,
    *,
    column: str | None = None,
    votes: ArrayLike = 40,
    trees: int | None = None,
    seed: int = 0,
    exact: bool = True,
) -> NDArray[np.float64]:
    """Estimate the information that a galaxy's votes give about one volunteer's answers to a sample of target galaxies.

    The score is the mean over target galaxies of I(k; y). Here k is the tree of votes of the galaxy, and y is what one
    volunteer says about the target galaxy. With a `column`, y is whether the volunteer gives that answer. Without a column,
    y is the answer or "not asked" for each question, summed over questions. Vote trees are sampled as in
    `mutual_information`, with weights w_t proportional to pi_t p(k | t):

        I = mean over trees of  sum_y q(y) ln( q(y) / p(y) ),   q = sum_t w_t p_t,   p = sum_t pi_t p_t.

    This estimate is unbiased, because the mean of q over trees is p. H(p) minus the mean of H(q) is also unbiased, but far
    noisier: its noise is of first order in q - p, that of this estimate of second order.

    Parameters
    ----------
    posterior : Posterior
        The candidate galaxies.
    target : Posterior
        The galaxies of interest, with the *same* draws: by the same model, in the same order.
    column : str, optional
        An answer of the target's tree, with or without the survey's suffix.
    votes : int or array_like of int, shape (galaxy,)
        The number of volunteers who are shown each candidate.
    trees : int, optional
        The number of vote trees per galaxy. The default is one per draw.
    seed : int
    exact : bool
        With False, compute the information to second order in the change of the weights:
        I = (w - pi)' G (w - pi) / 2 with G = sum_y p_t p_t' / p, which is the same for all galaxies. This takes a small part
        of the time, for any number of targets, and gives the same ranking if votes change little. For votes that turn
        doubtful or unlikely answers into certain ones, it is wrong by up to a factor of two. Galaxies that already have
        votes, and hence their own weights, are always computed exactly.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The information in nats per target galaxy, never below 0.

    Raises
    ------
    AcquisitionError
        When the numbers of draws differ, when the target is empty, or as in `mutual_information`.

    Notes
    -----
    Bickford Smith et al. 2023 (arXiv:2304.08151). **Advantage**: it does not seek information that is irrelevant to the
    galaxies of interest. **Limitation**: the result depends on the target sample, which must consist of the galaxies of
    interest, and the draws must be paired.

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
            f"the target has {target.draws} draws, but the candidates have {posterior.draws}; predict both with one model "
            "and the same number of draws"
        )
    if len(target) == 0:
        raise AcquisitionError("the target sample is empty; give at least one galaxy")
    volunteers = checked_volunteers(votes, len(posterior))
    per_galaxy = checked_trees(trees, posterior.draws)
    seeds, layout = hash_ids(posterior.ids, purpose="trees", seed=seed), lay_out(posterior.tree)
    chances, alike = _chances(target, column), bool((posterior.weights == posterior.weights[:, :1]).all())
    told = _BySecondOrder if alike and not exact else _Exactly
    shared = told(chances, posterior.weights[:, 0]) if alike and len(posterior) else None

    def gain(start: int) -> NDArray[np.float64]:
        here = slice(start, start + _SLICE)
        alpha, prior = posterior.concentrations[:, here].copy(), posterior.weights[:, here].copy()
        own = np.empty(0, dtype=np.int64)
        logits = tree_logits(alpha, prior, volunteers[here], seeds[here], per_galaxy, layout, own).astype(np.float64)
        weights = np.exp(logits - logits.max(-1, keepdims=True)) * prior.T[:, None]
        weights /= weights.sum(-1, keepdims=True)
        if shared is not None:
            each = shared.of(weights.reshape(-1, posterior.draws))
            return np.asarray(each.reshape(-1, per_galaxy).mean(1))
        return np.array([told(chances, prior[:, g]).of(weights[g]).mean() for g in range(len(weights))])

    with ThreadPoolExecutor(usable_cpus()) as pool, threadpool_limits(1):
        found = list(pool.map(gain, range(0, len(posterior), _SLICE)))
    return np.concatenate([*found, np.empty(0)]) / len(target)


class _Exactly:
    """The exact information that weights give about outcomes of chances (draw, outcome), from a prior (draw,)."""

    def __init__(self, chances: NDArray[np.float64], prior: NDArray[np.float64]) -> None:
        self._chances = chances
        self._surprise = -chances @ _log(prior @ chances)

    def of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over outcomes of q ln(q / p) for weights (tree, draw), shape (tree,)."""
        out, rows = weights @ self._surprise, max(1, _AT_ONCE // self._chances.shape[1])
        for start in range(0, len(weights), rows):
            q = weights[start : start + rows] @ self._chances
            out[start : start + rows] += (q * _log(q)).sum(1)
        return np.asarray(np.maximum(out, 0))


class _BySecondOrder:
    """The same information to second order in the difference between the weights and the prior."""

    def __init__(self, chances: NDArray[np.float64], prior: NDArray[np.float64]) -> None:
        self._prior = prior
        self._curvature = (chances / np.maximum(prior @ chances, np.finfo(float).tiny)) @ chances.T

    def of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half the curvature along the change of weights (tree, draw), shape (tree,)."""
        change = weights - self._prior
        return np.asarray(((change @ self._curvature) * change).sum(1) / 2)


def _log(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln p, finite for p = 0; NumPy's logarithm is vectorised, scipy's entr is not."""
    return np.asarray(np.log(np.maximum(chances, np.finfo(float).tiny)))


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
