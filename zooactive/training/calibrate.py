"""One factor on the concentrations of each question, fitted to votes that the model has not learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.foundation.errors import ImageError, ModelError, PosteriorError
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.foundation.telling import Progress
from zooactive.models.features import embed
from zooactive.posterior import Posterior
from zooactive.tree.likelihood import checked_votes, log_rising

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel

if TYPE_CHECKING:
    import pandas as pd

SMALLEST, LARGEST = 0.02, 50.0
"""Bounds of a factor: a few galaxies that were all told right would else make it infinite."""


class ConcentrationFactors(NamedTuple):
    """Factors, and why.

    ``values``: ndarray of float64, shape (question,), 1 where no factor helps. ``table``: one row a question, ``question``,
    ``galaxies``, ``factor`` (fitted to all of them), ``gain`` (nats a galaxy on the half that it was not fitted to, mean of
    both halves), ``error`` (its standard error) and ``kept``.
    """

    values: NDArray[np.float64]
    table: pd.DataFrame


def fit_concentration_factors(posterior: Posterior, votes: ArrayLike, *, seed: int = 0) -> ConcentrationFactors:
    """Fit the factor on each question's concentrations that makes votes most probable, and keep it where it helps.

    The galaxies are halved by hashed id; a factor is fitted to each half and judged on the other. It is kept where the
    likelihood of the votes that it was not fitted to rises by more than the standard error of that rise.

    Parameters
    ----------
    posterior : Posterior
        Of galaxies that the model has neither learnt from nor is tested on.
    votes : array_like, shape (galaxy, answer)
        Theirs, row-aligned with the posterior.
    seed : int
        Of the halves.

    Returns
    -------
    ConcentrationFactors
        For `scale_concentrations`.

    Raises
    ------
    PosteriorError
        When the shape does not fit, or votes are negative or not finite.

    Notes
    -----
    A factor above 1 makes the densities of vote fractions narrower, one below 1 wider; expected fractions stay as they are.
    A question learnt from single votes says nothing of its concentrations' sum and keeps 1.
    """
    import pandas as pd

    tree = posterior.tree
    k = checked_votes(votes, tree, len(posterior))
    first = uniform_from_ids(posterior.ids, purpose="folds", seed=seed) < 0.5
    values, rows = np.ones(len(tree.questions)), list[dict[str, object]]()
    for q, question in enumerate(tree.questions):
        several = tree.question_sums(k)[:, q] > 1
        halves = [np.flatnonzero(several & first), np.flatnonzero(several & ~first)]
        factor, gain, error = 1.0, 0.0, float("nan")
        if min(map(len, halves)) > 1:
            losses = [_Losses(posterior, k, q, half) for half in halves]
            gains = np.concatenate(
                [judged(1.0) - judged(fitted.best()) for fitted, judged in (losses, losses[::-1])], dtype=float
            )
            factor = _Losses(posterior, k, q, np.flatnonzero(several)).best()
            gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
        kept = gain > error  # False where there is no error
        values[q] = factor if kept else 1.0
        row = {"question": question.name, "galaxies": int(several.sum()), "factor": factor, "gain": gain}
        rows.append(row | {"error": error, "kept": kept})
    return ConcentrationFactors(values, pd.DataFrame(rows))


def scale_concentrations(posterior: Posterior, factors: ArrayLike) -> Posterior:
    """Return the posterior with the concentrations of each question multiplied by a factor.

    Parameters
    ----------
    posterior : Posterior
    factors : array_like, shape (question,)
        Finite and positive.

    Raises
    ------
    PosteriorError
        When the shape does not fit, or a factor is not finite and positive.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> scale_concentrations(Posterior([[[9, 1]]], ["g1"], tree), [2]).concentrations.tolist()
    [[[18.0, 2.0]]]
    """
    scales = np.asarray(factors, dtype=np.float64)
    tree = posterior.tree
    if scales.shape != (len(tree.questions),) or not (np.isfinite(scales) & (scales > 0)).all():
        raise PosteriorError(
            f"the factors {scales.tolist()} do not fit tree '{tree.name}'; give {len(tree.questions)} numbers above 0, one "
            "for each question"
        )
    concentrations = posterior.concentrations * scales[tree.question_index].astype(np.float32)
    return Posterior(concentrations, posterior.ids, tree, weights=posterior.weights)


class _Losses:
    """Negative log likelihood of one question's votes, galaxy by galaxy, as a function of the factor."""

    def __init__(self, posterior: Posterior, votes: NDArray[np.float64], q: int, rows: NDArray[np.int64]) -> None:
        question = posterior.question(posterior.tree.questions[q].name).take(rows)
        self._alpha, self._weights, self._tree = question.concentrations, question.weights, question.tree
        self._votes = votes[rows][:, posterior.tree.slices[q]]

    def __call__(self, factor: float) -> NDArray[np.float64]:
        """Losses (galaxy,), but for the number of ways to give the votes."""
        log_p = np.stack(
            [log_rising(self._votes, factor * alpha.astype(np.float64), self._tree)[:, 0] for alpha in self._alpha]
        )
        return np.asarray(-special.logsumexp(log_p, axis=0, b=self._weights))

    def best(self) -> float:
        """The factor with the least mean loss."""
        found = optimize.minimize_scalar(
            lambda log_factor: float(self(np.exp(log_factor)).mean()),
            bounds=(np.log(SMALLEST), np.log(LARGEST)),
            method="bounded",
            options={"xatol": 1e-3},
        )
        return float(np.exp(found.x))


def calibrate(
    model: GalaxyModel,
    catalogue: Catalogue | str | Path,
    *,
    draws: int = 64,
    seed: int = 0,
    batch_size: int = 128,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Fit one factor on the concentrations of each question, and keep them with the model: `GalaxyModel.factors`.

    What was fitted to these questions before is forgotten. Everything that the model predicts afterwards is scaled; a
    training begins without.

    Parameters
    ----------
    model : GalaxyModel
        Changed in place; save it.
    catalogue : Catalogue or path
        Galaxies with votes that the model has neither learnt from nor is tested on: those that chose its best epoch, say.
        Their tree may ask less than the model answers; the factors of its other questions stay as they are.
    draws, seed, batch_size, progress
        As `zooactive.predict`.

    Returns
    -------
    DataFrame
        ``table`` of `zooactive.training.calibrate.ConcentrationFactors`: what each factor is, what it brings on votes
        that it was not fitted to, and whether it is kept.

    Raises
    ------
    ModelError
        When the catalogue has no votes, or of questions that the model does not answer.
    ImageError
        When an image cannot be read.
    """
    galaxies = read_catalogue(catalogue, tree=model.tree) if isinstance(catalogue, str | Path) else catalogue
    if galaxies.voted is None or not set(galaxies.voted.tree.columns) <= set(model.tree.columns):
        raise ModelError(
            f"{galaxies.source} has no votes on the tree '{model.tree.name}' of the model; read it with that tree"
        )
    galaxies = galaxies.take(np.flatnonzero(galaxies.labelled))
    if len(galaxies) == 0:
        raise ModelError(f"{galaxies.source} has no labelled galaxies to calibrate by; bring votes")
    features, failures = embed(model, galaxies, batch_size=batch_size, progress=progress)
    if failures:
        raise ImageError(next(iter(failures.values())))
    head = model.linear_head()
    posterior = Posterior(head.posterior_concentrations(features, draws=draws, seed=seed), galaxies.ids, model.tree)
    votes = np.zeros((len(galaxies), len(model.tree.columns)))
    tree, known = galaxies.require_votes()
    votes[:, [model.tree.columns.index(column) for column in tree.columns]] = known
    fitted = fit_concentration_factors(posterior, votes)
    asked = np.array([set(question.columns) <= set(tree.columns) for question in model.tree.questions])
    before = 1.0 if model.factors is None else model.factors
    factors = np.where(asked, fitted.values, before)
    model.factors = None if (factors == 1).all() else factors
    return fitted.table[asked].reset_index(drop=True)
