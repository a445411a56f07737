"""Compute embeddings and store them: the encoder's features of every galaxy, once."""

from __future__ import annotations

from pathlib import Path

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.foundation.parts_folder import read_journal
from zooactive.foundation.remote_folders import folder_here
from zooactive.foundation.showing import counted
from zooactive.foundation.telling import Auto, Progress
from zooactive.models.holds import Holds, network_of, network_with_images
from zooactive.models.loading import AnyModel
from zooactive.prediction.embedding_files import read_embeddings
from zooactive.prediction.embeddings import Embeddings
from zooactive.prediction.parts import PredictionConfig
from zooactive.prediction.runs import Engine, write_embeddings


def embed(
    model: AnyModel | Holds,
    catalogue: Catalogue | str | Path,
    out: str | Path,
    *,
    batch_size: int = 128,
    max_failures: int | None = None,
    retry_failures: bool = False,
    engine: Engine | None = None,
    progress: Auto | Progress = "auto",
) -> Embeddings:
    """Compute the encoder's features of every galaxy, and stream them into a folder of Parquet files.

    The same call resumes an interrupted run. Heads, choices and tasks need only these embeddings: see
    `zooactive.read_embeddings`.

    Parameters
    ----------
    model : GalaxyModel or FinetunedModel
        The model; its head is not used.
    catalogue : Catalogue or path
    out : path
        The folder, which may be a URL.
    batch_size, max_failures, retry_failures, engine, progress
        As in `zooactive.predict`.

    Returns
    -------
    Embeddings
        The embeddings of the galaxies whose image can be read; ``failures.parquet`` in the folder lists the others.

    Raises
    ------
    ImageError
        If more images than `max_failures`, or all, cannot be read.
    ModelError
        If the model has no network.
    """
    network, galaxies = network_with_images(network_of(model)), read_catalogue(catalogue)
    if network.images is not None and read_journal(folder_here(out)) is None:
        network.images.warn_of_unlike(galaxies, network.preprocessing, stacklevel=2)
    with counted(progress, "features of the images", len(galaxies)) as done:
        write_embeddings(
            network,
            galaxies,
            out,
            config=PredictionConfig(draws=1, batch_size=batch_size),
            max_failures=max_failures,
            retry_failures=retry_failures,
            engine=engine,
            progress=done,
        )
    return read_embeddings(out)
