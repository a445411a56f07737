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

    What was fitted before is forgotten. Everything that the model predicts afterwards is scaled; a training begins without.

    Parameters
    ----------
    model : GalaxyModel
        Changed in place; save it.
    catalogue : Catalogue or path
        Galaxies with votes that the model has neither learnt from nor is tested on: those that chose its best epoch, say.
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
        When the catalogue has no votes of the model's tree.
    ImageError
        When an image cannot be read.
    """
    galaxies = read_catalogue(catalogue, tree=model.tree) if isinstance(catalogue, str | Path) else catalogue
    if galaxies.tree is None or galaxies.votes is None or galaxies.tree.columns != model.tree.columns:
        raise ModelError(
            f"{galaxies.source} has no votes on the tree '{model.tree.name}' of the model; read it with that tree"
        )
    galaxies = galaxies.take(np.flatnonzero(galaxies.labelled))
    if len(galaxies) == 0 or galaxies.votes is None:
        raise ModelError(f"{galaxies.source} has no labelled galaxies to calibrate by; bring votes")
    features, failures = embed(model, galaxies, batch_size=batch_size, progress=progress)
    if failures:
        raise ImageError(next(iter(failures.values())))
    head = model.linear_head()
    posterior = Posterior(head.posterior_concentrations(features, draws=draws, seed=seed), galaxies.ids, model.tree)
    fitted = fit_concentration_factors(posterior, galaxies.votes)
    model.factors = None if (fitted.values == 1).all() else fitted.values
    return fitted.table
