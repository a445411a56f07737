"""A factor on the concentrations of each question, fitted to few galaxies: questions lend each other what they know."""

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
    """Fit a factor on each question's concentrations, near one that is common to all questions, and keep them all.

    A model that is too sure of one question mostly is of the others. The logarithms of the factors are taken to lie around a
    common one with a standard deviation of `spread`; the most probable of all together are found. A question with few votes
    takes the common factor, one with many its own.

    Parameters
    ----------
    posterior : Posterior
        Of galaxies that the model has not learnt from, drawn at random.
    votes : array_like, shape (galaxy, answer)
        Theirs, row-aligned with the posterior: counts, as many as in the use.
    spread : float
        Above 0. At 0.25 a question's own factor is mostly between 0.6 and 1.65 times the common one.
    seed : int
        Of the halves that ``gain`` and ``error`` of the table are measured by.

    Returns
    -------
    ConcentrationFactors
        For `zooactive.combine`, or `zooactive.posterior.corrections.scale_concentrations`. All are kept, also of questions
        that nobody was asked; where no galaxy has two votes on any question, they are 1.

    Raises
    ------
    PosteriorError
        When the spread is not above 0, the shape does not fit, or votes are negative or not finite.

    Notes
    -----
    `fit_concentration_factors` keeps a factor only where it helps beyond doubt, which suits a correction that is stored with
    a model. Where votes are to move the model's word, a factor that is left out costs more than one that is a little wrong:
    ``tests/benchmarks/bench_coverage_after_votes.py`` has the measurement.
    """
    import pandas as pd

    if not spread > 0:
        raise PosteriorError(f"a spread of {spread} was asked for; give a number above 0")
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
    """Return the factors (question,) that are most probable together with the common one, from losses (knot, question)."""
    if not losses.any():
        return np.ones(losses.shape[1])
    fine = interpolate.CubicSpline(_KNOTS, losses)(_FINE)  # (factor, question)
    away = (_FINE[:, None] - _FINE) ** 2 / (2 * spread**2)  # (factor, common one)
    common = np.zeros(len(_FINE))
    for own in fine.T:
        common += (own[:, None] + away).min(0)
    near = away[:, common.argmin()]
    return np.asarray(np.exp(_FINE[(fine + near[:, None]).argmin(0)]))
