"""Train the workspace's model on its survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import NOTHING, EpochProgress, Show, Tell, Watch, silent
from zooactive.foundation.writing import make_folder
from zooactive.models.config import Network
from zooactive.models.published.origin import was_fetched
from zooactive.models.start import start_networks
from zooactive.training.config import TrainingConfig
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.sections import Survey
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import start_of, survey_from, wanted
from zooactive.workspace.told import epoch_told, plan_of

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.catalogue import Catalogue, Preprocessing

OPTIONS: Options = (options_of("survey", Survey) | options_of("model", Network) | options_of("training", TrainingConfig)) | {
    "run_dir": "model.folder"
}


def train(settings: Settings, *, progress: Show = NOTHING, tell: Tell = silent) -> pd.DataFrame:
    """Train the model on the votes, or resume a killed run, and return one row per epoch."""
    from zooactive.catalogue.set_aside import SET_ASIDE_FILE, write_set_aside

    network, config = settings.model.fetched(), settings.training
    network.check()
    if was_fetched(network.folder):
        raise WorkspaceError(f"{network.folder} is a cached model; name your own folder for the run with --run-dir")
    train_part, validation = _galaxies(settings, tell)
    if network.folder.parent == settings.folder / "tasks":
        raise WorkspaceError(f"{network.folder} is the folder of a fine-tuned task; give another --run-dir for the run")
    _refuse_no_images(train_part, config.augmentation.canvas(network.preprocessing()))
    made = Making("train", survey_from(settings) | {"weights to start from": start_of(network.start)})
    for line in plan_of(network, config, galaxies=int(train_part.labelled.sum()), recipe=settings.recipe):
        tell(line)
    make_folder(network.folder)
    with progress("getting ready", 0):
        start_networks()
        from zooactive.training.devices import on_every_device
        from zooactive.training.train import train

    with on_every_device():
        with progress("getting ready", 0):
            model = network.build(train_part.require_votes().tree, seed=config.seed)
        here: list[int] = []

        def told(epoch: int, losses: dict[str, float]) -> None:
            here.append(epoch)
            tell(epoch_told(epoch, losses))

        watch: Watch[EpochProgress] = Watch(progress, told)
        epochs = train(model, train_part, validation=validation, run_dir=network.folder, config=config, progress=watch)
    if listed := write_set_aside(train_part.set_aside, network.folder / SET_ASIDE_FILE):
        tell(listed)
    labelled = int(train_part.labelled.sum())
    made.done(
        network.folder,
        outputs=[network.folder / "model", network.folder / "history.csv"],
        counts={"galaxies": labelled, "set aside": len(train_part.set_aside), "epochs": len(epochs)},
        worked=labelled * len(here),
        settings=wanted(settings) | {"recipe": None if settings.recipe is None else settings.recipe.name},
    )
    return epochs


def _refuse_no_images(galaxies: Catalogue, canvas: Preprocessing) -> None:
    """Raise an ImageError if the first labelled galaxies have no readable images, before networks are loaded."""
    from zooactive.training.batches import Cutouts

    labelled = galaxies.take(np.flatnonzero(galaxies.labelled))
    if labelled.take(range(min(3, len(labelled)))).decode(canvas)[1]:
        Cutouts(labelled, canvas)


def _galaxies(settings: Settings, tell: Tell) -> tuple[Catalogue, Catalogue | None]:
    """Return the training galaxies, and the validation galaxies if there are any."""
    train_part, validation, test = settings.split_survey()
    numbers = [int(part.labelled.sum()) for part in (train_part, validation, test)]
    if numbers[0] == 0:
        galaxies = sum(map(len, (train_part, validation, test)))
        raise WorkspaceError(
            f"{train_part.source} has no labelled galaxy to train on: {sum(numbers)} of {galaxies} have at least "
            f"{train_part.min_votes:g} votes on a first question; add more votes, or lower min_votes under [survey]"
        )
    tell(
        f"{numbers[0]} labelled galaxies for training, {numbers[1]} for validation (they choose the best epoch), and "
        f"{numbers[2]} kept as test galaxies for `zooactive evaluate`"
    )
    if numbers[1]:
        return train_part, validation
    tell("warning: no labelled galaxy is left for validation, so the training loss chooses the best epoch")
    return train_part, None
