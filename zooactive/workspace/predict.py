"""The pool predicted as a workspace says: which galaxies, by whom, with draws from where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import PosteriorError, WorkspaceError, did_you_mean
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.foundation.vocabulary import DRAWS, ENGINES

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.models import GalaxyModel, LinearDraws
    from zooactive.prediction import Predictions
    from zooactive.workspace.settings import Workspace


def predict_pool(
    place: Workspace,
    galaxies: Catalogue | Predictions,
    network: GalaxyModel,
    draws_from: LinearDraws | None = None,
    *,
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> int:
    """Predict galaxies into the pool's folder as the workspace says, or finish that, and return how many there are.

    Parameters
    ----------
    place : Workspace
    galaxies : Catalogue or Predictions
        Of stored predictions the embeddings are taken.
    network : GalaxyModel
    draws_from : LinearDraws, optional
        By default the dropout of the model's head.
    progress, tell : callable, optional

    Raises
    ------
    WorkspaceError
        When the engine is unknown, or has options of another one.
    """
    from zooactive.prediction import RayEngine, predict

    pool = place.pool
    if pool.engine not in ENGINES:
        raise WorkspaceError(
            f"engine = '{pool.engine}' under [pool].{did_you_mean(pool.engine, ENGINES)} Use one of {', '.join(ENGINES)}"
        )
    if pool.engine == "local" and (pool.workers, pool.address) != (None, None):
        raise WorkspaceError("workers and an address are Ray's; give --engine ray with them, or leave them away")
    with progress("predicting", len(galaxies)) as done:
        stored = predict(
            network,
            galaxies,
            out=pool.predictions,
            draws=pool.draws,
            seed=pool.seed,
            batch_size=pool.batch_size,
            draws_from=draws_from,
            keep=pool.keep,
            max_failures=pool.max_failures,
            engine=RayEngine(pool.workers, pool.address) if pool.engine == "ray" else None,
            progress=done,
        )
    failures = len(stored.failures())
    if failures:
        tell(f"{failures} images could not be read; {pool.predictions / 'failures.parquet'} names each with the reason")
    return len(stored)


def stored_embeddings(place: Workspace, folder: Path) -> Predictions:
    """Open predictions whose embeddings stand for the pool's images.

    Raises
    ------
    PosteriorError
        When they are those that will be written, or there are none.
    """
    from zooactive.prediction import open_predictions

    if folder.resolve() == place.pool.predictions.resolve():
        raise PosteriorError(f"{folder} would be written over while it is read; give another folder with --out")
    return open_predictions(folder)


def fitted_draws(place: Workspace, network: GalaxyModel, *, progress: Bar = no_bar) -> LinearDraws | None:
    """Fit the draws to the survey's galaxies, or take those that were fitted to this model before; None for dropout.

    Raises
    ------
    WorkspaceError
        When there are no such draws.
    """
    from zooactive.models import load_draws
    from zooactive.training.draws import fit_draws

    kind, pool = place.pool.draws_from, place.pool
    if kind == "dropout":
        return None
    if kind not in DRAWS:
        raise WorkspaceError(f"draws_from = '{kind}' under [pool].{did_you_mean(kind, DRAWS)} Use one of {', '.join(DRAWS)}")
    kept = place.model.folder / f"draws-{kind}-{network.fingerprint()[:8]}.npz"
    if kept.exists():
        return load_draws(kept)
    learning, validation, _ = place.split_survey()
    with progress(f"fitting {kind}", int(learning.labelled.sum() + validation.labelled.sum())) as done:
        fitted = fit_draws(
            network,
            learning,
            validation=validation,
            kind=kind,  # type: ignore[arg-type]
            batch_size=pool.batch_size,
            progress=done,
        )
    fitted.save(kept)
    return fitted
