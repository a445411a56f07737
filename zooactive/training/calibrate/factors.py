"""Fit one factor on the concentrations of each question, to votes that the model was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.foundation.errors import ModelError
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.foundation.showing import counted
from zooactive.foundation.telling import Auto, Progress
from zooactive.models.holds import Holds, network_of
from zooactive.posterior import Posterior
from zooactive.training.calibrate.search import least_loss
from zooactive.training.seen_features import seen_features
from zooactive.tree.likelihood import checked_votes, log_rising

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models.loading import AnyModel
    from zooactive.prediction.embeddings import Embeddings

SMALLEST, LARGEST = 0.02, 50.0
"""The bounds of a factor; otherwise a few correctly predicted galaxies would make it infinite."""


class ConcentrationFactors(NamedTuple):
    """The factors on the concentrations of each question, and why each is kept or not.

    ``values``: ndarray of float64, shape (question,), 1 if no factor helps. ``table``: one row per question with
    ``question``, ``galaxies``, ``factor`` (fitted to all of them), ``gain`` (in nats per galaxy on the half to which it was
    not fitted, mean of both halves), ``error`` (its standard error) and ``kept``.
    """

    values: NDArray[np.float64]
    table: pd.DataFrame


def fit_concentration_factors(posterior: Posterior, votes: ArrayLike, *, seed: int = 0) -> ConcentrationFactors:
    """Fit the factor on each question's concentrations that maximises the likelihood of votes, and keep it if it helps.

    The galaxies are halved by hashed id; a factor is fitted to each half and evaluated on the other. It is kept if the
    likelihood of the votes to which it was not fitted rises by more than the standard error of that rise.

    Parameters
    ----------
    posterior : Posterior
        The posterior of galaxies that are neither training nor test galaxies.
    votes : array_like, shape (galaxy, answer)
        Their votes, row-aligned with the posterior.
    seed : int
        The seed for the halves.

    Returns
    -------
    ConcentrationFactors
        The factors, for `zooactive.posterior.corrections.scale_concentrations`.

    Raises
    ------
    PosteriorError
        If the shape does not fit, or votes are negative or not finite.

    Notes
    -----
    A factor above 1 narrows the densities of vote fractions, one below 1 widens them. Expected fractions do not change.
    Single votes contain no information about the sum of the concentrations, so a question learnt from them keeps 1.
    """
    import pandas as pd

    tree = posterior.tree
    k = checked_votes(votes, tree, len(posterior))
    first = uniform_from_ids(posterior.ids, purpose="folds", seed=seed) < 0.5
    values, rows = np.ones(len(tree.questions)), list[dict[str, object]]()
    for q, question in enumerate(tree.questions):
        own, counts = posterior.question(question.name), k[:, tree.slices[q]]
        several = tree.question_sums(k)[:, q] > 1
        halves = [np.flatnonzero(several & first), np.flatnonzero(several & ~first)]
        factor, gain, error = 1.0, 0.0, float("nan")
        if min(map(len, halves)) > 1:
            parts = [(own.take(half), counts[half]) for half in halves]
            gains = np.concatenate(
                [
                    question_losses(*judged, 1.0) - question_losses(*judged, _best(*fitted))
                    for fitted, judged in (parts, parts[::-1])
                ]
            )
            factor = _best(own.take(np.flatnonzero(several)), counts[several])
            gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
        kept = gain > error  # False if there is no error
        values[q] = factor if kept else 1.0
        row = {"question": question.name, "galaxies": int(several.sum()), "factor": factor, "gain": gain}
        rows.append(row | {"error": error, "kept": kept})
    return ConcentrationFactors(values, pd.DataFrame(rows))


def question_losses(question: Posterior, votes: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return the negative log likelihood of one question's votes, (galaxy,), without the multinomial coefficient."""
    log_p = np.stack(
        [log_rising(votes, factor * alpha.astype(np.float64), question.tree)[:, 0] for alpha in question.concentrations]
    )
    return np.asarray(-special.logsumexp(log_p, axis=0, b=question.weights))


def _best(question: Posterior, votes: NDArray[np.float64]) -> float:
    """Return the factor with the least mean loss."""
    return least_loss(
        lambda log: float(question_losses(question, votes, np.exp(log)).mean()), SMALLEST, LARGEST, tolerance=1e-3
    )


def calibrate(
    model: AnyModel | Holds,
    catalogue: Catalogue | str | Path,
    *,
    embeddings: Embeddings | None = None,
    draws: int = 64,
    seed: int = 0,
    batch_size: int = 128,
    progress: Auto | Progress = "auto",
) -> pd.DataFrame:
    """Fit one factor on the concentrations of each question, and keep the factors with the model: `GalaxyModel.factors`.

    Earlier factors of these questions are replaced. All later predictions of the model are scaled. A new training starts
    without factors.

    Parameters
    ----------
    model : GalaxyModel, EmbeddingModel or FinetunedModel
        The model, which is changed in place; save it afterwards.
    catalogue : Catalogue or path
        Galaxies with votes that are neither training nor test galaxies, for example the validation galaxies. Their tree may
        have fewer questions than the model; the factors of the other questions stay unchanged.
    embeddings : Embeddings, optional
        The input of a model that takes embeddings instead of images. Galaxies without an embedding are left out.
    draws, seed, batch_size, progress
        As in `zooactive.predict`.

    Returns
    -------
    DataFrame
        The ``table`` of `zooactive.training.calibrate.ConcentrationFactors`: each factor, its gain on votes to which it was
        not fitted, and whether it is kept.

    Raises
    ------
    ModelError
        If the catalogue has no votes, or votes on questions that the model does not answer.
    ImageError
        If an image cannot be read.
    """
    model = network_of(model)
    galaxies = read_catalogue(catalogue, tree=model.tree) if isinstance(catalogue, str | Path) else catalogue
    if galaxies.voted is None or not set(galaxies.voted.tree.columns) <= set(model.tree.columns):
        raise ModelError(f"{galaxies.source} has no votes on the model's tree '{model.tree.name}'; read it with that tree")
    galaxies = galaxies.take(np.flatnonzero(galaxies.labelled))
    if len(galaxies) == 0:
        raise ModelError(f"{galaxies.source} has no labelled galaxies for the calibration; collect votes")
    with counted(progress, "predicting the galaxies to calibrate by", len(galaxies)) as done:
        galaxies, features = seen_features(model, galaxies, embeddings, batch_size=batch_size, progress=done)
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
