"""Set right how sure a model is, by votes that it has not learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.concentration_factors import fit_concentration_factors
from zooactive.errors import ImageError, ModelError
from zooactive.posterior import Posterior
from zooactive.prediction.features import Progress, embed

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel


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
        ``table`` of `zooactive.concentration_factors.ConcentrationFactors`: what each factor is, what it brings on votes
        that it was not fitted to, and whether it is kept.

    Raises
    ------
    ModelError
        When the catalogue has no votes, or of questions that the model does not answer.
    ImageError
        When an image cannot be read.
    """
    galaxies = read_catalogue(catalogue, tree=model.tree) if isinstance(catalogue, str | Path) else catalogue
    if galaxies.tree is None or galaxies.votes is None or not set(galaxies.tree.columns) <= set(model.tree.columns):
        raise ModelError(
            f"{galaxies.source} has no votes on the tree '{model.tree.name}' of the model; read it with that tree"
        )
    columns = galaxies.tree.columns
    galaxies = galaxies.take(np.flatnonzero(galaxies.labelled))
    if len(galaxies) == 0 or galaxies.votes is None:
        raise ModelError(f"{galaxies.source} has no labelled galaxies to calibrate by; bring votes")
    features, failures = embed(model, galaxies, batch_size=batch_size, progress=progress)
    if failures:
        raise ImageError(next(iter(failures.values())))
    head = model.linear_head()
    posterior = Posterior(head.posterior_concentrations(features, draws=draws, seed=seed), galaxies.ids, model.tree)
    votes = np.zeros((len(galaxies), len(model.tree.columns)))
    votes[:, [model.tree.columns.index(column) for column in columns]] = galaxies.votes
    fitted = fit_concentration_factors(posterior, votes)
    asked = np.array([set(question.columns) <= set(columns) for question in model.tree.questions])
    before = 1.0 if model.factors is None else model.factors
    factors = np.where(asked, fitted.values, before)
    model.factors = None if (factors == 1).all() else factors
    return fitted.table[asked].reset_index(drop=True)
