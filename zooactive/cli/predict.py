"""`zooactive predict`: what volunteers would say about every galaxy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    BatchSizeOption,
    CatalogueOption,
    IdOption,
    ImagesOption,
    ModelOption,
    SeedOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    one_of,
    open_workspace,
    progress_bar,
    start_networks,
)
from zooactive.errors import did_you_mean
from zooactive.writing import make_folder

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.models import GalaxyModel, LinearDraws
    from zooactive.prediction import Predictions
    from zooactive.workspace import Workspace

DRAWS = ("dropout", "laplace", "ensemble")

KEEPS = ("means", "summaries", "embeddings", "draws")

ENGINES = ("local", "ray")

DrawsOption = Annotated[
    str | None,
    typer.Option(
        callback=one_of(DRAWS, "kind of draws"), help=f"Where draws come from: {', '.join(DRAWS)}.", show_default=False
    ),
]


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: CatalogueOption = None,
    stored: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Predictions by a model with the same encoder: no image is looked at.", show_default=False
        ),
    ] = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the predictions.", show_default=False)] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Posterior draws.", show_default=False)] = None,
    draws_from: DrawsOption = None,
    where: Annotated[
        str | None, typer.Option(help='Only galaxies of which this holds, e.g. "mag_r < 17.7".', show_default=False)
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            callback=one_of(KEEPS, "thing to keep"),
            help=f"What is stored, each with all before it: {', '.join(KEEPS)}.",
            show_default=False,
        ),
    ] = None,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Stop when more images than this cannot be read.", show_default=False)
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            callback=one_of(ENGINES, "engine"),
            help="Who predicts: this process (local), or the workers of a Ray cluster (ray).",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of Ray (default: one a GPU, or one a machine).", show_default=False)
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster (default: one is started here).", show_default=False)
    ] = None,
    batch_size: BatchSizeOption = None,
    seed: SeedOption = None,
) -> None:
    """Predict the posterior of every galaxy of the pool into Parquet; an interrupted run goes on."""
    place = open_workspace(
        workspace,
        survey={"id_column": id_column},
        model={"folder": model},
        pool={
            "catalogue": catalogue,
            "images": images,
            "where": where,
            "predictions": out,
            "draws": draws,
            "draws_from": draws_from,
            "batch_size": batch_size,
            "seed": seed,
            "keep": keep,
            "max_failures": max_failures,
            "engine": engine,
            "workers": workers,
            "address": address,
        },
    )
    galaxies = _stored(stored, place) if stored is not None else place.read_pool()
    make_folder(place.pool.predictions)
    start_networks()
    from zooactive.models import load_model

    pool = place.pool
    network = load_model(place.model.folder)
    predicted = predict_pool(place, galaxies, network, None if pool.draws_from == "dropout" else _fitted(place, network))
    last_line(
        f"{predicted} galaxies, {pool.draws} draws by {pool.draws_from}: {pool.predictions}",
        command_line("acquire", workspace=workspace, predictions=out, n=place.acquire.n),
    )


def predict_pool(
    place: Workspace, galaxies: Catalogue | Predictions, network: GalaxyModel, draws_from: LinearDraws | None = None
) -> int:
    """Predict galaxies into the pool's folder as the workspace says, or finish that, and return how many there are.

    Of stored predictions the embeddings are taken.
    """
    from zooactive.errors import WorkspaceError
    from zooactive.prediction import RayEngine, predict

    pool = place.pool
    if pool.engine not in ENGINES:
        raise WorkspaceError(
            f"engine = '{pool.engine}' under [pool].{did_you_mean(pool.engine, ENGINES)} Use one of {', '.join(ENGINES)}"
        )
    if pool.engine == "local" and (pool.workers, pool.address) != (None, None):
        raise WorkspaceError("workers and an address are Ray's; give --engine ray with them, or leave them away")
    with progress_bar("predicting", len(galaxies)) as progress:
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
            progress=progress,
        )
    failures = len(stored.failures())
    if failures:
        note(f"{failures} images could not be read; {pool.predictions / 'failures.parquet'} names each with the reason")
    return len(stored)


def _stored(folder: Path, place: Workspace) -> Predictions:
    from zooactive.errors import PosteriorError
    from zooactive.prediction import open_predictions

    if folder.resolve() == place.pool.predictions.resolve():
        raise PosteriorError(f"{folder} would be written over while it is read; give another folder with --out")
    return open_predictions(folder)


def _fitted(place: Workspace, network: GalaxyModel) -> LinearDraws:
    """Fit the draws to the survey's galaxies, or take those that were fitted to this model before."""
    from zooactive.errors import WorkspaceError
    from zooactive.models import load_draws
    from zooactive.prediction import fit_draws

    kind, pool = place.pool.draws_from, place.pool
    if kind not in DRAWS:
        raise WorkspaceError(f"draws_from = '{kind}' under [pool].{did_you_mean(kind, DRAWS)} Use one of {', '.join(DRAWS)}")
    kept = place.model.folder / f"draws-{kind}-{network.fingerprint()[:8]}.npz"
    if kept.exists():
        return load_draws(kept)
    learning, validation, _ = place.split_survey()
    with progress_bar(f"fitting {kind}", int(learning.labelled.sum() + validation.labelled.sum())) as progress:
        fitted = fit_draws(
            network,
            learning,
            validation=validation,
            kind=kind,  # type: ignore[arg-type]
            batch_size=pool.batch_size,
            progress=progress,
        )
    fitted.save(kept)
    return fitted
