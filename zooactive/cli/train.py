"""`zooactive train`: train the model on the votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    BackboneOption,
    BandsOption,
    BatchSizeOption,
    CatalogueOption,
    EpochsOption,
    IdOption,
    ImageColumnOption,
    ImageSizeOption,
    ImagesOption,
    MaxSetAsideOption,
    RuleOption,
    SeedOption,
    StretchOption,
    SummaryAsJsonOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    bands_in,
    command_line,
    last_line,
    number_or_column,
    one_of,
    open_workspace,
    stretch_of,
)
from zooactive.foundation.vocabulary import PRECISIONS


def command(
    workspace: WorkspaceOption = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Recipe for the model and its training: a name, or your own .toml file.", show_default=False),
    ] = None,
    tree: TreeOption = None,
    rule: RuleOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    volunteers: VolunteersOption = None,
    max_set_aside: MaxSetAsideOption = None,
    backbone: BackboneOption = None,
    image_size: ImageSizeOption = None,
    channels: Annotated[int | None, typer.Option(min=1, max=3, help="3 for colour, 1 for grey.", show_default=False)] = None,
    bands: BandsOption = None,
    stretch: StretchOption = None,
    crop: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Central fraction of each image that the network sees.", show_default=False),
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option(help="Train on this question only; may be repeated.", show_default=False)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Weights to start from: bundled, imagenet, a file, a folder, hf://USER/NAME.", show_default=False),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(callback=one_of(PRECISIONS, "precision"), help=f"One of {', '.join(PRECISIONS)}.", show_default=False),
    ] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default=False)] = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Learning rate after the warm-up.", show_default=False)
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Batches whose gradients are added up before a step.", show_default=False)
    ] = None,
    deterministic: Annotated[
        bool | None,
        typer.Option("--deterministic", help="Compute the same numbers, bit for bit, in every run.", show_default=False),
    ] = None,
    seed: SeedOption = None,
    json: SummaryAsJsonOption = False,
) -> None:
    """Train the model on the votes. Run the same command again to resume a killed run."""
    del json  # its callback has taken it
    here = open_workspace(workspace)
    history = here.train(
        recipe=recipe,
        tree=tree,
        rule=rule,
        catalogue=catalogue,
        images=images,
        id_column=id_column,
        image_column=image_column,
        volunteers=number_or_column(volunteers),
        max_set_aside=max_set_aside,
        backbone=backbone,
        image_size=image_size,
        channels=channels,
        bands=bands_in(bands),
        stretch=stretch_of(stretch),
        crop=crop,
        questions=tuple(question) if question else None,
        start=start,
        precision=precision,
        run_dir=run_dir,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        accumulate=accumulate,
        deterministic=deterministic,
        seed=seed,
    )
    best = history.iloc[int(history["val_loss"].argmin())]
    given = {"workspace": workspace, "model": run_dir, "tree": tree, "rule": rule, "catalogue": catalogue, "images": images}
    given |= {"id_column": id_column, "image_column": image_column, "volunteers": volunteers}
    last_line(
        f"Best of {len(history)} epochs: {int(best['epoch'])}, validation loss {best['val_loss']:.3f} nats per galaxy. "
        f"The model is in {(run_dir or here.settings.model.folder) / 'model'}",
        command_line("evaluate", **given),
    )
