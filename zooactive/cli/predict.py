"""`zooactive predict`: what volunteers would say about every galaxy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    open_workspace,
    progress_bar,
    start_networks,
)
from zooactive.writing import make_folder


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the predictions.", show_default=False)] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Posterior draws.", show_default=False)] = None,
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
            "predictions": out,
            "draws": draws,
            "batch_size": batch_size,
            "seed": seed,
        },
    )
    galaxies = place.read_pool()
    make_folder(place.pool.predictions)
    start_networks()
    from zooactive.models import load_model
    from zooactive.prediction import predict

    pool = place.pool
    network = load_model(place.model.folder)
    with progress_bar("predicting", len(galaxies)) as progress:
        predictions = predict(
            network,
            galaxies,
            out=pool.predictions,
            draws=pool.draws,
            seed=pool.seed,
            batch_size=pool.batch_size,
            progress=progress,
        )
    failures = len(predictions.failures())
    if failures:
        note(f"{failures} images could not be read; {pool.predictions / 'failures.parquet'} names each with the reason")
    last_line(
        f"{len(galaxies) - failures} galaxies, {pool.draws} draws: {pool.predictions}",
        command_line("acquire", workspace=workspace, predictions=out, n=place.acquire.n),
    )
