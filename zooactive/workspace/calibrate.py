"""Calibrate the workspace's model: its uncertainty about vote fractions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zooactive.foundation.errors import ModelError
from zooactive.foundation.provenance import written_again
from zooactive.foundation.telling import Bar, no_bar
from zooactive.models.published.origin import was_fetched
from zooactive.models.saved_form import BUNDLED, config_of, model_folder
from zooactive.models.start import start_networks
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.embeddings import on_embeddings, read_given, with_recorded
from zooactive.workspace.finetuned import learnt_from
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.sections import Survey
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

OPTIONS: Options = options_of("survey", Survey) | EMBEDDING_OPTIONS | {"model": "model.folder"}


def calibrate(settings: Settings, *, progress: Bar = no_bar) -> pd.DataFrame:
    """Fit a factor for each question to the validation galaxies' votes, store those that help, and return all of them.

    Galaxies that a fine-tuned task was trained on are left out.
    """
    if settings.model.folder.name == BUNDLED and not settings.model.folder.exists():
        raise ModelError("the bundled encoder cannot be calibrated; train or fine-tune your own model")
    if was_fetched(settings.model.folder):
        raise ModelError(f"{settings.model.folder} is a cached model and cannot be changed; copy it, or fine-tune it")
    config_of(settings.model.folder)
    validation, settings = settings.split_survey()[1], with_recorded(settings, settings.model.folder)
    learnt = learnt_from(settings.model.folder)
    seen = np.isin(validation.ids, list(learnt))
    if seen[validation.labelled].all() and learnt:
        raise ModelError(
            f"the model in {settings.model.folder} was trained on every labelled galaxy of the validation part of "
            f"{validation.source}; give a --catalogue with other galaxies"
        )
    validation, pool = validation.take(~seen), settings.pool
    embedded = on_embeddings(settings, settings.model.folder)
    if not embedded:
        start_networks()
    from zooactive.models import load_model
    from zooactive.training.calibrate import calibrate

    network, folder = load_model(settings.model.folder), model_folder(Path(settings.model.folder))
    with progress("predicting the validation galaxies", int(validation.labelled.sum())) as done:
        table = calibrate(
            network,
            validation,
            embeddings=read_given(settings) if embedded else None,
            draws=pool.draws,
            seed=pool.seed,
            batch_size=pool.batch_size,
            progress=done,
        )
    network.save(folder)
    written_again(folder.parent if folder.name == "model" else folder, by="calibrate")
    table.attrs["file"] = str(folder)
    return table
