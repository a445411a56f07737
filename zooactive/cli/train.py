"""`zooactive train`: fit the model to the votes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    BackboneOption,
    BatchSizeOption,
    CatalogueOption,
    EpochsOption,
    IdOption,
    ImageSizeOption,
    ImagesOption,
    SeedOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    number_or_column,
    open_workspace,
    progress_bar,
    start_networks,
)
from zooactive.writing import make_folder

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.models import GalaxyModel
    from zooactive.tree import DecisionTree
    from zooactive.workspace import Workspace


def command(
    workspace: WorkspaceOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    volunteers: VolunteersOption = None,
    backbone: BackboneOption = None,
    image_size: ImageSizeOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default=False)] = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="After the warm-up.", show_default=False)] = None,
    seed: SeedOption = None,
) -> None:
    """Fit the model to the votes; a killed run goes on when the same command is given again."""
    place = open_workspace(
        workspace,
        survey={"tree": tree, "catalogue": catalogue, "images": images, "id_column": id_column}
        | {"volunteers": number_or_column(volunteers)},
        model={"backbone": backbone, "image_size": image_size, "folder": run_dir},
        training={"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed},
    )
    learning, validation = _galaxies(place)
    network = place.model
    make_folder(network.folder)
    start_networks()
    from zooactive.training import train

    assert learning.tree is not None
    model = _untrained(place, learning.tree)
    with progress_bar("training, epochs", place.training.epochs) as progress:

        def told(epoch: int, losses: dict[str, float]) -> None:
            note(f"epoch {epoch}: loss {losses['loss']:.3f}, validation {losses['val_loss']:.3f} nats a galaxy")
            progress(epoch)

        history = train(model, learning, validation=validation, run_dir=network.folder, config=place.training, progress=told)
    best = history.iloc[int(history["val_loss"].argmin())]
    given = {"workspace": workspace, "tree": tree, "catalogue": catalogue, "images": images, "model": run_dir}
    last_line(
        f"Best of {len(history)} epochs: {int(best['epoch'])}, validation loss {best['val_loss']:.3f} nats a galaxy. "
        f"The model is in {network.folder / 'model'}",
        f"{command_line('evaluate', **given)}, then zooactive predict",
    )


def _untrained(place: Workspace, tree: DecisionTree) -> GalaxyModel:
    from zooactive.models import GalaxyModel

    network = place.model
    return GalaxyModel(
        tree,
        backbone=network.backbone,
        image_size=network.image_size,
        channels=network.channels,
        crop=network.crop,
        dropout=network.dropout,
        concentrations=network.concentrations,
        seed=place.training.seed,
    )


def _galaxies(place: Workspace) -> tuple[Catalogue, Catalogue | None]:
    """The galaxies to learn from, and those that choose the best epoch where there are any."""
    from zooactive.errors import WorkspaceError

    learning, validation, test = place.split_survey()
    numbers = [int(part.labelled.sum()) for part in (learning, validation, test)]
    if numbers[0] == 0:
        galaxies = sum(map(len, (learning, validation, test)))
        raise WorkspaceError(
            f"{learning.source} leaves no labelled galaxy to learn from: {sum(numbers)} of {galaxies} have at least "
            f"{learning.min_votes:g} votes on a first question; bring more votes, or lower min_votes under [survey]"
        )
    note(
        f"{numbers[0]} labelled galaxies to learn from, {numbers[1]} to choose the best epoch, {numbers[2]} kept for "
        f"`zooactive evaluate`; {place.model.backbone} at {place.model.image_size} px"
    )
    if numbers[1]:
        return learning, validation
    note("warning: no labelled galaxy is left to choose the best epoch; the training loss will choose it")
    return learning, None
