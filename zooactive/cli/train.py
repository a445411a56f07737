"""`zooactive train`: fit the model to the votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    CatalogueOption,
    ImagesOption,
    SeedOption,
    TreeOption,
    WorkspaceOption,
    last_line,
    note,
    open_workspace,
    progress_bar,
    start_networks,
)


def command(
    workspace: WorkspaceOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    volunteers: Annotated[float | None, typer.Option(help="Volunteers behind each fraction.", show_default=False)] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Network: efficientnet_b0, resnet26 or small_cnn.", show_default=False)
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the input in pixels.", show_default=False)] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default=False)] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs at most.", show_default=False)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Galaxies a step.", show_default=False)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="After the warm-up.", show_default=False)] = None,
    seed: SeedOption = None,
) -> None:
    """Fit the model to the votes; a killed run goes on when the same command is given again."""
    place = open_workspace(
        workspace,
        survey={"tree": tree, "catalogue": catalogue, "images": images, "volunteers": volunteers},
        model={"backbone": backbone, "image_size": image_size, "folder": run_dir},
        training={"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed},
    )
    learning, validation, test = place.split_survey()
    note(
        f"{int(learning.labelled.sum())} labelled galaxies to learn from, {int(validation.labelled.sum())} to choose the "
        f"best epoch, {int(test.labelled.sum())} kept for `zooactive evaluate`; "
        f"{place.model.backbone} at {place.model.image_size} px"
    )
    start_networks()
    from zooactive.models import GalaxyModel
    from zooactive.training import train

    assert learning.tree is not None
    network = place.model
    model = GalaxyModel(
        learning.tree,
        backbone=network.backbone,
        image_size=network.image_size,
        channels=network.channels,
        crop=network.crop,
        dropout=network.dropout,
        seed=place.training.seed,
    )
    with progress_bar("training, epochs", place.training.epochs) as progress:

        def told(epoch: int, losses: dict[str, float]) -> None:
            note(f"epoch {epoch}: loss {losses['loss']:.3f}, validation {losses['val_loss']:.3f} nats a galaxy")
            progress(epoch)

        history = train(model, learning, validation=validation, run_dir=network.folder, config=place.training, progress=told)
    best = history.iloc[int(history["val_loss"].argmin())]
    last_line(
        f"Best of {len(history)} epochs: {int(best['epoch'])}, validation loss {best['val_loss']:.3f} nats a galaxy. "
        f"The model is in {network.folder / 'model'}",
        "zooactive evaluate, then zooactive predict",
    )
