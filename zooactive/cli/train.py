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
    RuleOption,
    SeedOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    number_or_column,
    one_of,
    open_workspace,
    progress_bar,
    start_networks,
)
from zooactive.foundation.vocabulary import PRECISIONS
from zooactive.foundation.writing import make_folder

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.models.config import Network
    from zooactive.training.augmentation import Augmentation
    from zooactive.training.config import TrainingConfig
    from zooactive.training.recipes import Recipe
    from zooactive.workspace import Workspace


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
    volunteers: VolunteersOption = None,
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
        typer.Option(help="Weights to start from: bundled, imagenet, a file, a folder.", show_default=False),
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
) -> None:
    """Fit the model to the votes; a killed run goes on when the same command is given again."""
    place = open_workspace(workspace)
    if recipe is not None:
        place = place.with_recipe(recipe)
    questions = tuple(question) if question else None
    place = place.with_options(
        survey={"tree": tree, "rule": rule, "catalogue": catalogue, "images": images, "id_column": id_column}
        | {"volunteers": number_or_column(volunteers)},
        model={"backbone": backbone, "image_size": image_size, "channels": channels, "crop": crop, "folder": run_dir}
        | {"questions": questions, "start": start, "precision": precision},
        training={"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
        | {"accumulate": accumulate, "deterministic": deterministic},
    )
    learning, validation = _galaxies(place)
    network = place.model
    for line in describe(network, place.training, galaxies=int(learning.labelled.sum()), recipe=place.recipe):
        note(line)
    make_folder(network.folder)
    start_networks()
    from zooactive.training.devices import on_every_device
    from zooactive.training.train import train

    assert learning.tree is not None
    with on_every_device(), progress_bar("training, epochs", place.training.epochs) as progress:
        model = network.build(learning.tree, seed=place.training.seed)

        def told(epoch: int, losses: dict[str, float]) -> None:
            note(f"epoch {epoch}: loss {losses['loss']:.3f}, validation {losses['val_loss']:.3f} nats a galaxy")
            progress(epoch)

        history = train(model, learning, validation=validation, run_dir=network.folder, config=place.training, progress=told)
    best = history.iloc[int(history["val_loss"].argmin())]
    given = {"workspace": workspace, "tree": tree, "rule": rule, "catalogue": catalogue, "images": images, "model": run_dir}
    last_line(
        f"Best of {len(history)} epochs: {int(best['epoch'])}, validation loss {best['val_loss']:.3f} nats a galaxy. "
        f"The model is in {network.folder / 'model'}",
        f"{command_line('evaluate', **given)}, then zooactive predict",
    )


def describe(network: Network, training: TrainingConfig, *, galaxies: int, recipe: Recipe | None = None) -> list[str]:
    """Say in a few lines what a training will do."""
    by = [] if recipe is None else [f"recipe {recipe.name}: {recipe.title}"]
    return [*by, _network(network), _images(training.augmentation), _fit(network, training, galaxies), _end(training)]


def _network(network: Network) -> str:
    size = f"{network.backbone} at {network.image_size} px, {'colour' if network.channels == 3 else 'grey'}"
    centre = f"the centre {network.crop:.0%} of each image" if network.crop < 1 else ""
    several = f"predictions of views {', '.join(f'{scale:g}' for scale in network.scales)} times as wide"
    return _list(
        size,
        centre,
        several if network.scales != (1.0,) else "",
        "each standardised" if network.standardise else "",
        f"dropout {network.dropout:g} before the head",
        f"starting from {network.start}" if network.start else "",
        f"learning {', '.join(network.questions)} alone" if network.questions else "",
    )


def _images(how: Augmentation) -> str:
    turns = {"none": "", "quarter": "turned by quarters", "any": "turned by any angle"}[how.rotation]
    low, high = how.scale
    colours = [
        f"{name} {amount:g}" for name in ("brightness", "contrast", "saturation", "hue") if (amount := getattr(how, name))
    ]
    changes = _list(
        turns,
        "mirrored" if how.flips else "",
        f"{low:g} to {high:g} times as wide" if low < high else "",
        f"moved by up to {how.shift:.0%}" if how.shift else "",
        f"changed in {', '.join(colours)}" if colours else "",
    )
    return f"images: {changes or 'as they are'}"


def _fit(network: Network, training: TrainingConfig, galaxies: int) -> str:
    falls = f"divided by 10 after {', '.join(f'{drop:.0%}' for drop in training.drops)}" if training.drops else "cosine"
    size = min(training.batch_size, galaxies)
    steps = f"{galaxies // size // training.accumulate} steps of {size * training.accumulate} galaxies"
    steps += f" ({training.accumulate} batches of {size})" if training.accumulate > 1 else ""
    return _list(
        f"{training.loss.replace('_', '-')} loss",
        f"{training.optimizer}, learning rate {training.learning_rate:g} ({falls})",
        f"weight decay {training.weight_decay:g}" if training.weight_decay else "",
        f"up to {training.epochs} epochs of {steps}",
        network.precision,
        f"each galaxy weighed by its label's frequency to the power of -{training.balance:g}" if training.balance else "",
    )


def _end(training: TrainingConfig) -> str:
    patience = f"after {training.patience} epochs without a better validation loss"
    return _list(
        f"stops {patience if training.patience < training.epochs else 'after the last epoch'}",
        f"then the head is fitted anew, up to {training.head_epochs} epochs" if training.head_epochs else "",
        "deterministic" if training.deterministic else "",
        f"seed {training.seed}",
    )


def _list(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _galaxies(place: Workspace) -> tuple[Catalogue, Catalogue | None]:
    """The galaxies to learn from, and those that choose the best epoch where there are any."""
    from zooactive.foundation.errors import WorkspaceError

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
        "`zooactive evaluate`"
    )
    if numbers[1]:
        return learning, validation
    note("warning: no labelled galaxy is left to choose the best epoch; the training loss will choose it")
    return learning, None
