"""What a galaxy's votes would tell about *other* galaxies: expected predictive information gain."""

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
"""Galaxies whose vote trees are held at a time."""

_AT_ONCE = 1 << 22
"""Outcomes of trees of votes that are held at a time."""


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
    """Estimate how much a galaxy's votes would tell about one volunteer's answers to galaxies of a target sample.

    The mean over target galaxies of I(k; y), where k is the tree of votes of the galaxy and y what one volunteer says of the
    target: whether it is `column`'s answer, or, without a column, for each question its answer or "not asked", summed over
    questions. With vote trees sampled as in `mutual_information`, of weights w_t proportional to pi_t p(k | t),

        I = mean over trees of  sum_y q(y) ln( q(y) / p(y) ),   q = sum_t w_t p_t,   p = sum_t pi_t p_t.

    That is unbiased, because the mean of q over trees is p, and so is H(p) less the mean of H(q), whose noise is far larger:
    it has all of q - p in it, and this has its square.

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
    exact : bool
        False: to second order in the change of the weights, I = (w - pi)' G (w - pi) / 2 with G = sum_y p_t p_t' / p, the
        same for all galaxies. It takes a small part of the time, for any number of targets, and ranks alike where votes
        change little; what changes answers from doubtful to certain, or from unlikely to certain, is off by up to twice.
        Of galaxies with weights of their own, which have votes already, the exact one is taken.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats a target galaxy; never below 0.

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
    """What weights tell about outcomes of chances (draw, outcome), from a prior (draw,)."""

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
    """The same to second order in how far weights are from the prior."""

    def __init__(self, chances: NDArray[np.float64], prior: NDArray[np.float64]) -> None:
        self._prior = prior
        self._curvature = (chances / np.maximum(prior @ chances, np.finfo(float).tiny)) @ chances.T

    def of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half the curvature along the change of weights (tree, draw), shape (tree,)."""
        change = weights - self._prior
        return np.asarray(((change @ self._curvature) * change).sum(1) / 2)


def _log(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln p, finite where p is 0; NumPy's logarithm is vectorised, which scipy's entr is not."""
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
