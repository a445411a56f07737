"""`zooactive train`: fit the model to the votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    BackboneOption,
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
    SummaryAsJsonOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    command_line,
    last_line,
    number_or_column,
    one_of,
    open_workspace,
)
from zooactive.foundation.vocabulary import PRECISIONS


def command(
    workspace: WorkspaceOption = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Model and training of a recipe: a name, or a .toml file of one's own.", show_default=False),
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
    crop: Annotated[
        float | None, typer.Option(min=0, max=1, help="Centre fraction of an image that is shown.", show_default=False)
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option(help="Learn this question alone; may be given again.", show_default=False)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Weights to start from: bundled, imagenet, a file, a folder, hf://USER/NAME.", show_default=False),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(callback=one_of(PRECISIONS, "precision"), help=f"{', '.join(PRECISIONS)}.", show_default=False),
    ] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default=False)] = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="After the warm-up.", show_default=False)] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Batches whose gradients are added up before a step.", show_default=False)
    ] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic", help="The same numbers, bit for bit, in every run.", show_default=False)
    ] = None,
    seed: SeedOption = None,
    json: SummaryAsJsonOption = False,
) -> None:
    """Fit the model to the votes; a killed run goes on when the same command is given again."""
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
        f"Best of {len(history)} epochs: {int(best['epoch'])}, validation loss {best['val_loss']:.3f} nats a galaxy. "
        f"The model is in {(run_dir or here.settings.model.folder) / 'model'}",
        command_line("evaluate", **given),
    )
