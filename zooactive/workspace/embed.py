"""Compute the pool's features with the workspace's encoder, and write them to disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import ModelError
from zooactive.foundation.parts_folder import Failed
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import NOTHING, Show, Tell, silent
from zooactive.foundation.writing import make_folder, write_how
from zooactive.models.saved_form import BUNDLED, network_folder, takes_embeddings
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.sections import Pool
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import folders_of_images, galaxies_from, model_from, predicted, wanted
from zooactive.workspace.told import failures_told

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue

OPTIONS: Options = options_of("pool", Pool) | {
    "model": "model.folder",
    "id_column": "survey.id_column",
    "image_column": "survey.image_column",
}


@dataclass(frozen=True)
class WrittenEmbeddings:
    """Written embeddings: their folder, the number of galaxies and features, and the images that failed and may fail."""

    folder: Path
    galaxies: int
    features: int
    failed: Failed
    max_failed: float


def embed(
    settings: Settings,
    *,
    timm: str | None = None,
    out: str | Path | None = None,
    retry_failures: bool = False,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> WrittenEmbeddings:
    """Compute the features of every galaxy of the pool, or resume an interrupted run.

    The encoder is that of the workspace's model, or the bundled encoder if there is no model yet. `out` is ``embeddings`` in
    the workspace by default.

    With `timm`, the timm network of that name looks at the images, with pixels from 0 to 1. `out` is then one file, by
    default ``embeddings.parquet``. Such a run starts again from the beginning when it is interrupted.
    """
    from zooactive.models import load_network
    from zooactive.prediction.parts import PredictionConfig
    from zooactive.prediction.runs import write_embeddings
    from zooactive.prediction.stored import failures_in

    galaxies, pool = settings.read_pool(), settings.pool
    if timm is not None:
        return _by_timm(settings, timm, galaxies, out, progress, tell)
    folder = settings.folder / "embeddings" if out is None else Path(out)
    start = settings.model.folder
    if not start.exists() and start != Path(BUNDLED):
        tell(f"{start} holds no model yet, so the bundled encoder looks at the images")
        start = Path(BUNDLED)
    start = network_folder(start)
    if takes_embeddings(start):
        raise ModelError(
            f"the model in {start} takes embeddings and not images; name a model with a network, such as --model {BUNDLED}"
        )
    given = galaxies_from(settings)
    made = Making("embed", given | {"model": model_from(start)}, unmarked=folders_of_images(given))
    make_folder(folder)
    with progress("getting ready", 0):
        network = load_network(start)
    with progress("features of the images", len(galaxies)) as done:
        failed = write_embeddings(
            network,
            galaxies,
            folder,
            config=PredictionConfig(draws=1, batch_size=pool.batch_size),
            max_failures=pool.max_failures,
            retry_failures=retry_failures,
            progress=done,
        )
    if failed.number:
        again = "run the same command with --retry-failures"
        tell(failures_told(failed, failures_in(folder), pool.max_failed, again))
    predicted(made, folder, failed, failures_in(folder), settings)
    width = int(network.encoder.output_shape[-1])
    return WrittenEmbeddings(folder, len(galaxies) - failed.number, width, failed, pool.max_failed)


def _by_timm(
    settings: Settings, network: str, galaxies: Catalogue, out: str | Path | None, progress: Show, tell: Tell
) -> WrittenEmbeddings:
    """Compute the features with a timm network."""
    from zooactive.prediction.timm_embeddings import embed_with_timm

    file = settings.folder / "embeddings.parquet" if out is None else Path(out)
    given = galaxies_from(settings)
    made = Making("embed", given, unmarked=folders_of_images(given))
    make_folder(file.parent)
    with progress("features of the images", len(galaxies)) as done:
        known = embed_with_timm(network, galaxies, file, progress=done)
    lost = len(galaxies) - len(known)
    if lost:
        tell(f"{lost} of {len(galaxies)} galaxies are left out, because their images cannot be read")
    counts = {"galaxies": len(galaxies), "predicted": len(known), "failed": lost}
    write_how(file, command="embed", options={"timm": network}, inputs={})
    made.done(
        file,
        outputs=[file],
        counts=counts,
        failures={"unknown": lost} if lost else {},
        worked=len(known),
        settings=wanted(settings),
    )
    return WrittenEmbeddings(
        file, len(known), known.width, Failed(lost, len(galaxies), 0, "", "", file), settings.pool.max_failed
    )
