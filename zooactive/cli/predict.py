"""`zooactive predict`: predict what volunteers would say about every galaxy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    BatchSizeOption,
    EmbeddingColumnOption,
    EmbeddingIdsOption,
    EmbeddingsOption,
    EncoderOption,
    GalaxiesOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    MaxFailedOption,
    MaxFailuresOption,
    ModelOption,
    RetryOption,
    SeedOption,
    SummaryAsJsonOption,
    WorkspaceOption,
    command_line,
    last_line,
    one_of,
    open_workspace,
    refuse_too_many,
)
from zooactive.foundation.vocabulary import DRAWS, ENGINES, GONE, KEEPS

if TYPE_CHECKING:
    from zooactive.prediction import Predictions
    from zooactive.workspace import Workspace


def _kind_of_draws(value: str | None) -> str | None:
    """Check `--draws-from`."""
    if value in GONE:
        raise typer.BadParameter(GONE[value])
    return one_of(DRAWS, "kind of draws")(value)


DrawsOption = Annotated[
    str | None,
    typer.Option(callback=_kind_of_draws, help=f"Where draws come from: {', '.join(DRAWS)}.", show_default=False),
]


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    catalogue: GalaxiesOption = None,
    stored: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Reuse the predictions of a model with the same encoder; no image is read.", show_default=False
        ),
    ] = None,
    embeddings: EmbeddingsOption = None,
    embedding_ids: EmbeddingIdsOption = None,
    embedding_column: EmbeddingColumnOption = None,
    encoder: EncoderOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the predictions.", show_default=False)] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Posterior draws.", show_default=False)] = None,
    draws_from: DrawsOption = None,
    where: Annotated[
        str | None, typer.Option(help='Only galaxies that meet this condition, e.g. "mag_r < 17.7".', show_default=False)
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            callback=one_of(KEEPS, "thing to keep"),
            help=f"What is stored; each choice includes the ones before it: {', '.join(KEEPS)}.",
            show_default=False,
        ),
    ] = None,
    max_failures: MaxFailuresOption = None,
    max_failed: MaxFailedOption = None,
    retry_failures: RetryOption = False,
    engine: Annotated[
        str | None,
        typer.Option(
            callback=one_of(ENGINES, "engine"),
            help="Where to predict: in this process (local), or on the workers of a Ray cluster (ray).",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of Ray workers (default: one per GPU, or one per machine).", show_default=False),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Address of a running Ray cluster (default: one is started here).", show_default=False)
    ] = None,
    batch_size: BatchSizeOption = None,
    seed: SeedOption = None,
    json: SummaryAsJsonOption = False,
) -> None:
    """Predict the posterior of every galaxy of the pool and write it as Parquet. An interrupted run resumes."""
    del json  # its callback has taken it
    here = open_workspace(workspace)
    predicted = here.predict(
        model=model,
        catalogue=catalogue,
        stored=stored,
        embeddings=embeddings,
        embedding_ids=embedding_ids,
        embedding_column=embedding_column,
        encoder=encoder,
        images=images,
        id_column=id_column,
        image_column=image_column,
        out=out,
        draws=draws,
        draws_from=draws_from,
        where=where,
        keep=keep,
        max_failures=max_failures,
        max_failed=max_failed,
        retry_failures=retry_failures,
        engine=engine,
        workers=workers,
        address=address,
        batch_size=batch_size,
        seed=seed,
    )
    from zooactive.prediction.numbers import TABLE, NumberPredictions

    pool = here.settings.pool
    failed, most = predicted.failed(), pool.max_failed if max_failed is None else max_failed
    if isinstance(predicted, NumberPredictions):
        following = command_line("top", workspace=workspace, predictions=predicted.folder)
        told = f"{len(predicted)} galaxies, '{predicted.column}' with intervals: {predicted.folder / TABLE}"
    else:
        following = _following(here, predicted, workspace, out)
        told = (
            f"{len(predicted)} galaxies, {draws or pool.draws} draws by {draws_from or pool.draws_from}: {predicted.folder}"
        )
    last_line(
        told,
        None if failed.too_many(most) else following,
    )
    refuse_too_many(failed, most)


def _following(here: Workspace, predicted: Predictions, workspace: Path | None, out: Path | None) -> str:
    """Return the command that chooses galaxies, or the one that lists them if all have labels already."""
    from zooactive.workspace.acquire import choosable

    left = choosable(here.settings.with_options(pool={"predictions": predicted.folder}), predicted)
    n = min(here.settings.acquire.n, left or len(predicted))
    return command_line("acquire" if left else "top", workspace=workspace, predictions=out, n=n)
