"""Fit a factor on the concentrations of each question to few galaxies; the questions share their information."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate

from zooactive.foundation.errors import PosteriorError
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.posterior import Posterior
from zooactive.training.calibrate.factors import LARGEST, SMALLEST, ConcentrationFactors, question_losses
from zooactive.tree.likelihood import checked_votes

_KNOTS = np.linspace(np.log(SMALLEST), np.log(LARGEST), 32)
_FINE = np.linspace(np.log(SMALLEST), np.log(LARGEST), 1565)


def fit_pooled_factors(
    posterior: Posterior, votes: ArrayLike, *, spread: float = 0.25, seed: int = 0
) -> ConcentrationFactors:
    """Fit a factor on each question's concentrations, near a factor that is common to all questions, and keep all of them.

    A model that is overconfident about one question mostly is so about the others. The logarithms of the factors are assumed
    to lie around a common one with a standard deviation of `spread`, and all are fitted together by maximum a posteriori. A
    question with few votes gets about the common factor, one with many votes its own.

    Parameters
    ----------
    posterior : Posterior
        The posterior of randomly drawn galaxies that the model was not trained on.
    votes : array_like, shape (galaxy, answer)
        Their votes, row-aligned with the posterior: counts, with as many votes as in later use.
    spread : float
        A number above 0. At 0.25 a question's own factor is mostly between 0.6 and 1.65 times the common one.
    seed : int
        The seed for the halves, which give ``gain`` and ``error`` in the table.

    Returns
    -------
    ConcentrationFactors
        The factors, for `zooactive.combine` or `zooactive.posterior.corrections.scale_concentrations`. All are kept, even
        for questions that nobody was asked. If no galaxy has two votes on any question, they are 1.

    Raises
    ------
    PosteriorError
        If the spread is not above 0, the shape does not fit, or votes are negative or not finite.

    Notes
    -----
    `fit_concentration_factors` keeps a factor only if it clearly helps, which suits a correction that is stored with a
    model. If votes are to be combined with the model's predictions, a missing factor costs more than one that is slightly
    wrong: ``tests/benchmarks/bench_coverage_after_votes.py`` has the measurement.
    """
    import pandas as pd

    if not spread > 0:
        raise PosteriorError(f"spread = {spread} for the factors; give a number above 0")
    tree = posterior.tree
    k = checked_votes(votes, tree, len(posterior))
    several = tree.question_sums(k) > 1
    first = uniform_from_ids(posterior.ids, purpose="folds", seed=seed) < 0.5
    parts = [
        (posterior.question(question.name), k[:, where]) for question, where in zip(tree.questions, tree.slices, strict=True)
    ]
    losses = np.zeros((2, len(_KNOTS), len(tree.questions)))  # of each half
    for q, (own, counts) in enumerate(parts):
        for half, mine in enumerate((first, ~first)):
            rows = np.flatnonzero(several[:, q] & mine)
            some = own.take(rows)
            losses[half, :, q] = [question_losses(some, counts[rows], factor).sum() for factor in np.exp(_KNOTS)]
    values = _most_probable(losses.sum(0), spread)
    halves = [_most_probable(half, spread) for half in losses]
    rows_of_table = list[dict[str, object]]()
    for q, (own, counts) in enumerate(parts):
        judged = [np.flatnonzero(several[:, q] & half) for half in (~first, first)]
        gains = np.concatenate(
            [
                question_losses(own.take(rows), counts[rows], 1.0) - question_losses(own.take(rows), counts[rows], half[q])
                for rows, half in zip(judged, halves, strict=True)
            ]
        )
        gain = float(gains.mean()) if len(gains) else 0.0
        error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else float("nan")
        row = {"question": tree.questions[q].name, "galaxies": len(gains), "factor": values[q], "gain": gain, "error": error}
        rows_of_table.append(row | {"kept": bool(several.any())})
    return ConcentrationFactors(values, pd.DataFrame(rows_of_table))


def _most_probable(losses: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    """Return the maximum a posteriori factors (question,), fitted with their common factor to losses (knot, question)."""
    if not losses.any():
        return np.ones(losses.shape[1])
    fine = interpolate.CubicSpline(_KNOTS, losses)(_FINE)  # (factor, question)
    away = (_FINE[:, None] - _FINE) ** 2 / (2 * spread**2)  # (factor, common one)
    common = np.zeros(len(_FINE))
    for own in fine.T:
        common += (own[:, None] + away).min(0)
    near = away[:, common.argmin()]
    return np.asarray(np.exp(_FINE[(fine + near[:, None]).argmin(0)]))
