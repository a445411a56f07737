"""Fit a factor on the concentration of each answer to few galaxies: surveys may see an answer more or less often."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from zooactive.foundation.hashing import uniform_from_ids
from zooactive.posterior import Posterior
from zooactive.training.calibrate.factors import LARGEST, SMALLEST
from zooactive.training.calibrate.pooled import fit_pooled_factors
from zooactive.tree.likelihood import checked_votes, log_likelihood_slope, log_rising

if TYPE_CHECKING:
    import pandas as pd

_SHIFT = 1.0
"""The standard deviation of the logarithm of an answer's own factor, around the factor of its question."""
_STEPS = 100


class AnswerFactors(NamedTuple):
    """The factors on the concentrations of each answer, and the questions whose answers have their own factors.

    ``values``: ndarray of float64, shape (answer,). ``table``: one row per question with ``question``, ``galaxies``,
    ``factor`` (of the question, by `fit_pooled_factors`), ``gain`` (of answer factors over that factor, in nats per galaxy
    on the half to which they were not fitted, mean of both halves), ``error`` (its standard error) and ``moved``.
    """

    values: NDArray[np.float64]
    table: pd.DataFrame


def fit_answer_factors(posterior: Posterior, votes: ArrayLike, *, spread: float = 0.25, seed: int = 0) -> AnswerFactors:
    """Fit a factor on each question's concentrations, and if a question's mean is off, one on each of its answers.

    The factors of the questions are those of `fit_pooled_factors`. If volunteers of another survey give an answer more often
    than the model expects, no factor on all answers of a question can correct that. Then the answers of a question get their
    own factors, but only if these improve the likelihood of votes to which they were not fitted: the galaxies are halved by
    hashed id, and the gain on the other half must be larger than its standard error.

    Parameters
    ----------
    posterior : Posterior
        The posterior of galaxies that the model was not trained on, drawn at random from those that it will predict.
    votes : array_like, shape (galaxy, answer)
        Their votes, row-aligned with the posterior: counts, with as many votes as in later use.
    spread : float
        As in `fit_pooled_factors`.
    seed : int
        The seed for the halves.

    Returns
    -------
    AnswerFactors
        The factors, for `zooactive.combine` or `zooactive.posterior.corrections.scale_concentrations`.

    Raises
    ------
    PosteriorError
        As in `fit_pooled_factors`.

    Notes
    -----
    The factor of answer a of question q is exp(c_q + s_a), with Gaussian priors: c_q about its pooled value, with the
    standard deviation `spread`, and s_a about 0, with the standard deviation 1. The maximum a posteriori values are found by
    L-BFGS, with the slope of the mixture's likelihood over the draws.
    """
    import pandas as pd

    pooled, tree = fit_pooled_factors(posterior, votes, spread=spread, seed=seed), posterior.tree
    k = checked_votes(votes, tree, len(posterior))
    several = tree.question_sums(k) > 1
    first = uniform_from_ids(posterior.ids, purpose="folds", seed=seed) < 0.5
    values, rows = pooled.values[tree.question_index], list[dict[str, object]]()
    for q, (question, where) in enumerate(zip(tree.questions, tree.slices, strict=True)):
        own, counts, common = posterior.question(question.name), k[:, where], float(np.log(pooled.values[q]))
        halves = [np.flatnonzero(several[:, q] & half) for half in (first, ~first)]
        gain, error = 0.0, float("nan")
        if min(map(len, halves)) > 1:
            gains = np.concatenate(
                [
                    _losses(own.take(judges), counts[judges], np.full(counts.shape[1], np.exp(common)))
                    - _losses(own.take(judges), counts[judges], _most_probable(own.take(mine), counts[mine], common, spread))
                    for mine, judges in (halves, halves[::-1])
                ]
            )
            gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
        moved = gain > error  # False if there is no error
        if moved:
            everyone = np.flatnonzero(several[:, q])
            values[where] = _most_probable(own.take(everyone), counts[everyone], common, spread)
        row = {"question": question.name, "galaxies": int(several[:, q].sum()), "factor": float(pooled.values[q])}
        rows.append(row | {"gain": gain, "error": error, "moved": moved})
    return AnswerFactors(values, pd.DataFrame(rows))


def _losses(own: Posterior, votes: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the negative log likelihood of each galaxy's votes on one question, with factors (answer,): (galaxy,)."""
    return _losses_and_slopes(own, votes, factors)[0]


def _losses_and_slopes(
    own: Posterior, votes: NDArray[np.float64], factors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the losses (galaxy,), and their slopes with respect to the logarithms of the factors (galaxy, answer)."""
    log_p, slopes = [], []
    for drawn in own.concentrations:
        alpha = factors * drawn.astype(np.float64)
        log_p.append(log_rising(votes, alpha, own.tree)[:, 0])
        slopes.append(alpha * log_likelihood_slope(votes, alpha, own.tree))
    stacked = np.stack(log_p)
    loss = -special.logsumexp(stacked, axis=0, b=own.weights)
    share = own.weights * np.exp(stacked + loss)  # the weight of each draw, conditioned on the votes
    return np.asarray(loss), np.asarray(-(share[..., None] * np.stack(slopes)).sum(0))


def _most_probable(own: Posterior, votes: NDArray[np.float64], common: float, spread: float) -> NDArray[np.float64]:
    """Return the maximum a posteriori factors of one question's answers, (answer,), around the question's factor."""

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        each, slopes = _losses_and_slopes(own, votes, np.exp(x[0] + x[1:]))
        by_answer = slopes.sum(0)
        away, shift = x[0] - common, x[1:]
        value = each.sum() + away**2 / (2 * spread**2) + (shift**2).sum() / (2 * _SHIFT**2)
        return float(value), np.concatenate([[by_answer.sum() + away / spread**2], by_answer + shift / _SHIFT**2])

    start = np.concatenate([[common], np.zeros(votes.shape[1])])
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    return np.asarray(np.exp(np.clip(found[0] + found[1:], np.log(SMALLEST), np.log(LARGEST))))
