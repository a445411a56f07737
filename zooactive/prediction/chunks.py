"""Posteriors batch by batch for a pipeline's own loop; nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.errors import ImageError, ModelError
from zooactive.models.linear_draws import LinearDraws
from zooactive.posterior import Posterior
from zooactive.prediction.features import batches_of, stream_features

if TYPE_CHECKING:
    from zooactive.finetuned_model import FinetunedModel
    from zooactive.models import GalaxyModel


def predict_chunks(
    model: GalaxyModel | FinetunedModel,
    catalogue: Catalogue | str | Path,
    *,
    draws: int = 64,
    seed: int = 0,
    batch_size: int = 128,
    draws_from: LinearDraws | None = None,
    failures: dict[str, str] | None = None,
) -> Iterator[Posterior]:
    """Yield the posterior of one batch of galaxies after the other, in the order of the catalogue.

    The next batches are decoded while the caller is at work. Draws are those of `zooactive.predict`.

    Parameters
    ----------
    model : GalaxyModel or FinetunedModel
    catalogue : Catalogue or path
    draws, seed, batch_size, draws_from
        As for `zooactive.predict`.
    failures : dict, optional
        Takes id and reason of each image that cannot be read, whose galaxy is then left out.

    Raises
    ------
    ImageError
        Without `failures`, when an image cannot be read.
    ModelError
        As `zooactive.predict`.

    Examples
    --------
    >>> for posterior in predict_chunks(model, "shards"):  # doctest: +SKIP
    ...     interesting = posterior.ids[posterior.mean()[:, 0] > 0.9]
    """
    network: GalaxyModel = getattr(model, "model", model)  # type: ignore[arg-type]
    head = head_of(network, draws_from)
    galaxies = read_catalogue(catalogue)
    for batch in stream_features(network, galaxies, batches_of(range(len(galaxies)), batch_size), batch_size=batch_size):
        for row, reason in batch.failures.items():
            if failures is None:
                raise ImageError(reason)
            failures[str(galaxies.ids[row])] = reason
        good = np.array([row for row in batch.rows if row not in batch.failures], dtype=np.int64)
        if len(good):
            concentrations = head.posterior_concentrations(batch.features[good - batch.rows.start], draws=draws, seed=seed)
            yield Posterior(concentrations, galaxies.ids[good], network.tree)


def head_of(network: GalaxyModel, draws_from: LinearDraws | None) -> LinearDraws:
    """Where draws come from: the model's own head, or what was fitted to it, scaled where the model is calibrated.

    Raises
    ------
    ModelError
        When that is of another tree.
    """
    head: LinearDraws = network.linear_head() if draws_from is None else draws_from
    if head.tree.columns != network.tree.columns:
        raise ModelError(
            f"the draws are of tree '{head.tree.name}' and the model of '{network.tree.name}'; fit draws to this model"
        )
    return network.scaled(head)
