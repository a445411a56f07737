"""Predict posteriors from a model and a catalogue: the features are computed once, all draws are made in the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, overload

import numpy as np

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.foundation.errors import ImageError, ModelError
from zooactive.foundation.parts_folder import read_journal
from zooactive.foundation.remote_folders import folder_here
from zooactive.foundation.showing import counted
from zooactive.foundation.telling import Auto, Progress
from zooactive.models import LinearDraws
from zooactive.models.features import batches_of, embed, stream_features
from zooactive.models.holds import Holds, network_of, network_with_images
from zooactive.posterior import Posterior
from zooactive.prediction.embeddings import Embeddings, SeenEmbeddings
from zooactive.prediction.parts import PredictionConfig
from zooactive.prediction.runs import Engine, write_predictions
from zooactive.prediction.stored import Predictions

if TYPE_CHECKING:
    from zooactive.models.loading import AnyModel


@overload
def predict(
    model: AnyModel | Holds,
    catalogue: Catalogue | str | Path | Predictions | Embeddings,
    *,
    out: None = None,
    draws: int = 64,
    seed: int = 0,
    batch_size: int = 128,
    draws_from: LinearDraws | None = None,
    progress: Auto | Progress = "auto",
) -> Posterior: ...


@overload
def predict(
    model: AnyModel | Holds,
    catalogue: Catalogue | str | Path | Predictions | Embeddings,
    *,
    out: str | Path,
    draws: int = 64,
    seed: int = 0,
    batch_size: int = 128,
    draws_from: LinearDraws | None = None,
    keep: str = "embeddings",
    max_failures: int | None = None,
    retry_failures: bool = False,
    engine: Engine | None = None,
    progress: Auto | Progress = "auto",
) -> Predictions: ...


def predict(
    model: AnyModel | Holds,
    catalogue: Catalogue | str | Path | Predictions | Embeddings,
    *,
    out: str | Path | None = None,
    draws: int = 64,
    seed: int = 0,
    batch_size: int = 128,
    draws_from: LinearDraws | None = None,
    keep: str = "embeddings",
    max_failures: int | None = None,
    retry_failures: bool = False,
    engine: Engine | None = None,
    progress: Auto | Progress = "auto",
) -> Posterior | Predictions:
    """Predict what volunteers would say about every galaxy of a catalogue.

    The network processes each image once. The T draws only concern the head and cost T small matrix products. One draw uses
    one dropout mask for every galaxy.

    Parameters
    ----------
    model : GalaxyModel, EmbeddingModel or FinetunedModel
    catalogue : Catalogue, path, Predictions or Embeddings
        The galaxies; their votes are ignored. For predictions by a model with exactly the same encoder, such as one that was
        fine-tuned with the policy ``head``, the stored embeddings are used and no image is read. The same is true of
        embeddings from `zooactive.read_embeddings`, which a model needs that was trained on embeddings.
    out : path, optional
        A folder for Parquet files, which may be a URL such as ``s3://survey/predictions``; the same call resumes an
        interrupted run. Without it the posterior is returned in memory.
    draws : int
        The number of draws T.
    seed : int
        The seed for the draws.
    batch_size : int
        The number of galaxies per step of the network. Batches are padded to this size, so that neighbours do not matter.
    draws_from : LinearDraws, optional
        The draws that `fit_draws` returned; by default the dropout of the model's head.
    keep : {"embeddings", "means", "summaries", "draws"}
        With `out`: what is stored, see `zooactive.prediction.PredictionConfig`.
    max_failures : int, optional
        With `out`: stop if more images than this cannot be read. By default, stop only if none can be read.
    retry_failures : bool
        With `out`: read all images again that failed before, including images at URLs that failed for a permanent reason,
        such as a 404. All other failed images are read again in any case.
    engine : callable, optional
        With `out`: the engine that writes the parts, such as `RayEngine`; by default this process.
    progress : callable, "auto" or None
        Called with the number of galaxies done; "auto" and None as in `zooactive.train`.

    Returns
    -------
    Posterior or Predictions
        Galaxies whose image cannot be read are left out; `Predictions.failures` lists them, `Predictions.failed` counts
        them. In memory, such an image raises an error.

    Raises
    ------
    ImageError
        In memory, if an image cannot be read; on disk, if too many cannot.
    ModelError
        If `draws_from` belong to another tree or have other features.
    PosteriorError
        If the predictions come from another encoder or hold no embeddings.

    Warns
    -----
    UserWarning
        If the images look unlike the model's training images.
    """
    network = network_of(model)
    stored = _seen(network, catalogue)
    if stored is not None:
        table = stored.catalogue()
    else:
        network_with_images(network)
        table = read_catalogue(cast("Catalogue | str | Path", catalogue))
        if network.images is not None and (out is None or read_journal(folder_here(out)) is None):  # once per run
            network.images.warn_of_unlike(table, network.preprocessing, stacklevel=2)
    head = head_of(network, draws_from)
    if out is not None:
        config = PredictionConfig(draws=draws, seed=seed, batch_size=batch_size, keep=keep)
        if stored is not None:
            config = replace(config, rows_per_part=stored.rows_per_part)
        with counted(progress, "predicting", len(table)) as done:
            return write_predictions(
                network,
                table,
                out,
                head=head,
                config=config,
                stored=stored,
                max_failures=max_failures,
                retry_failures=retry_failures,
                engine=engine,
                progress=done,
            )
    if isinstance(stored, Predictions):
        return stored.redraw(head, draws=draws, seed=seed).posterior()
    if stored is not None:
        return Posterior(head.posterior_concentrations(stored.features, draws=draws, seed=seed), table.ids, network.tree)
    with counted(progress, "predicting", len(table)) as done:
        features, failures = embed(network_with_images(network), table, batch_size=batch_size, progress=done)
    if failures:
        first = next(iter(failures.values()))
        if len(table) == 1:
            raise ImageError(first)
        raise ImageError(
            f"{len(failures)} of {len(table)} images cannot be read, the first: {first} (`zooactive prepare`, and predict "
            "with out=, leave out such galaxies and list them)"
        )
    concentrations = head.posterior_concentrations(features, draws=draws, seed=seed)
    return Posterior(concentrations, table.ids, network.tree)


def predict_chunks(
    model: AnyModel | Holds,
    catalogue: Catalogue | str | Path,
    *,
    draws: int = 64,
    seed: int = 0,
    batch_size: int = 128,
    draws_from: LinearDraws | None = None,
    failures: dict[str, str] | None = None,
) -> Iterator[Posterior]:
    """Yield the posteriors of batches of galaxies, one batch after another, in the order of the catalogue.

    The next batches are decoded while the caller works. The draws are those of `zooactive.predict`.

    Parameters
    ----------
    model : GalaxyModel or FinetunedModel
    catalogue : Catalogue or path
    draws, seed, batch_size, draws_from
        As in `zooactive.predict`.
    failures : dict, optional
        Receives the id and the reason for each image that cannot be read; the galaxy is then left out.

    Raises
    ------
    ImageError
        Without `failures`, if an image cannot be read.
    ModelError
        As in `zooactive.predict`.

    Examples
    --------
    >>> for posterior in predict_chunks(model, "shards"):  # doctest: +SKIP
    ...     interesting = posterior.ids[posterior.mean()[:, 0] > 0.9]
    """
    network = network_with_images(network_of(model))
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


def _seen(
    network: AnyModel, galaxies: Catalogue | str | Path | Predictions | Embeddings
) -> Predictions | SeenEmbeddings | None:
    """Return the features that replace images, if there are any; raise a PosteriorError if their encoder is another one."""
    if isinstance(galaxies, Predictions):
        galaxies.refuse_another_encoder(network)
        return galaxies
    return galaxies.seen_by(network) if isinstance(galaxies, Embeddings) else None


def head_of(network: AnyModel, draws_from: LinearDraws | None) -> LinearDraws:
    """Return the source of the draws: the model's own head, or fitted draws, scaled if the model is calibrated.

    Raise a ModelError for fitted draws of another tree.
    """
    head: LinearDraws = network.linear_head() if draws_from is None else draws_from
    if head.tree.columns != network.tree.columns:
        raise ModelError(
            f"the draws belong to tree '{head.tree.name}', but the model to '{network.tree.name}'; fit draws to this model"
        )
    return network.scaled(head)
