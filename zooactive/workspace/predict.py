"""Predict the pool as a workspace says: which galaxies, with which engine, and with which draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import PosteriorError
from zooactive.foundation.provenance import Making
from zooactive.foundation.remote_folders import delete_folder
from zooactive.foundation.telling import NOTHING, Bar, Show, Tell, no_bar, silent
from zooactive.foundation.writing import make_folder
from zooactive.models.published.origin import was_fetched
from zooactive.models.saved_form import config_of
from zooactive.workspace.embeddings import on_embeddings, pool_of_embeddings, read_given, with_recorded
from zooactive.workspace.options import Options, as_path, options_of
from zooactive.workspace.origin import record_origin
from zooactive.workspace.sections import Pool
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import folders_of_images, galaxies_from, model_from
from zooactive.workspace.sources import predicted as done
from zooactive.workspace.told import failures_told

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.models import LinearDraws
    from zooactive.models.loading import AnyModel
    from zooactive.prediction import Embeddings, Predictions


OPTIONS: Options = options_of("pool", Pool) | {
    "out": "pool.predictions",
    "model": "model.folder",
    "id_column": "survey.id_column",
    "image_column": "survey.image_column",
}


def predict(
    settings: Settings,
    *,
    stored: str | Path | None = None,
    retry_failures: bool = False,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> Predictions:
    """Predict the posterior of every galaxy of the pool, or resume an interrupted run.

    `stored` names predictions of a model with the same encoder; their embeddings are used instead of the images.
    `retry_failures` reads all images again that failed before, as `zooactive.predict` does. Raises a ZooactiveError if the
    galaxies, the model or the predictions cannot be read.
    """
    from zooactive.workspace.file import own_settings

    config_of(settings.model.folder)
    settings = with_recorded(settings, settings.model.folder)
    given = galaxies_from(settings) | {"model": model_from(settings.model.folder), "predictions": as_path(stored)}
    made = Making("predict", given, unmarked=folders_of_images(given))
    galaxies = galaxies_for(settings) if stored is None else stored_embeddings(settings, Path(stored))
    make_folder(settings.pool.predictions)
    with progress("getting ready", 0):
        from zooactive.models import load_model

        network = load_model(settings.model.folder)
    own = own_settings(settings.folder)
    same = (settings.model.folder, settings.pool.predictions) == (own.model.folder, own.pool.predictions)
    if settings.default_task is not None and same:  # after training again, the earlier predictions are useless
        clear_predictions_before(settings.pool.predictions, network, tell)
    draws_from = fitted_draws(settings, network, progress=progress)
    predicted = predict_pool(
        settings,
        galaxies,
        network,
        draws_from,
        retry_failures=retry_failures,
        again="run the same command with --retry-failures",
        progress=progress,
        tell=tell,
    )
    record_origin(settings, as_path(stored))
    done(made, predicted.folder, predicted.failed(), predicted.failures(), settings)
    return predicted


def galaxies_for(settings: Settings) -> Catalogue | Embeddings:
    """Read the pool: as images, or as embeddings if the model takes embeddings or the workspace names some."""
    return pool_of_embeddings(settings) if on_embeddings(settings, settings.model.folder) else settings.read_pool()


def predict_pool(
    settings: Settings,
    galaxies: Catalogue | Predictions | Embeddings,
    network: AnyModel,
    draws_from: LinearDraws | None = None,
    *,
    retry_failures: bool = False,
    again: str = "run the same command again",
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> Predictions:
    """Predict galaxies into the pool's folder as the workspace says, or resume an interrupted run.

    If the galaxies are embeddings, or stored predictions with embeddings, the embeddings are used. Draws come from the
    dropout of the model's head, unless `draws_from` is given. `again` says what people can do about images that failed.
    Raises a WorkspaceError if an engine gets the options of another engine.
    """
    from zooactive.prediction import predict
    from zooactive.prediction.engines import ENGINES

    pool = settings.pool
    engine = ENGINES[pool.engine](pool.workers, pool.address)
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
            retry_failures=retry_failures,
            engine=engine,
            progress=done,
        )
    failed = stored.failed()
    if failed.number:
        tell(failures_told(failed, stored.failures(), pool.max_failed, again))
    return stored


def clear_predictions_before(out: Path, network: AnyModel, tell: Tell) -> None:
    """Delete what this command predicted with the task's model before the model was trained again."""
    from zooactive.prediction.stored import model_of

    if model_of(out) not in (None, network.fingerprint()):
        tell(f"{out} holds predictions from before the task was trained again, so they are made again")
        delete_folder(out)


def stored_embeddings(settings: Settings, folder: Path) -> Predictions:
    """Open predictions whose embeddings replace the pool's images.

    Raises a PosteriorError if they are the predictions that will be written, or if there are no predictions.
    """
    from zooactive.prediction import open_predictions

    if folder.resolve() == settings.pool.predictions.resolve():
        raise PosteriorError(f"{folder} would be overwritten while it is read; give another folder with --out")
    return open_predictions(folder)


def fitted_draws(settings: Settings, network: AnyModel, *, progress: Bar = no_bar) -> LinearDraws | None:
    """Fit the draws to the survey's galaxies, or load draws that were fitted to the same galaxies; None for dropout.

    Raises a WorkspaceError if there are no draws of this kind.
    """
    from zooactive.models import load_draws
    from zooactive.training.draws import fit_draws, made_of

    kind, pool = settings.pool.draws_from, settings.pool
    if kind == "dropout":
        return None
    train, validation, _ = settings.split_survey()
    embeddings = read_given(settings) if on_embeddings(settings, settings.model.folder) else None
    own = settings.folder if was_fetched(settings.model.folder) else settings.model.folder
    kept = own / f"draws-{kind}-{made_of(kind, network, train, validation, embeddings=embeddings)}.npz"
    if kept.exists():
        return load_draws(kept)
    with progress(f"fitting {kind}", int(train.labelled.sum() + validation.labelled.sum())) as done:
        fitted = fit_draws(
            network,
            train,
            validation=validation,
            embeddings=embeddings,
            kind=kind,
            batch_size=pool.batch_size,
            progress=done,
        )
    fitted.save(kept)
    return fitted
