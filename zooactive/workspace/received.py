"""The votes that galaxies have received, the galaxies that the model was trained on, and its calibration factors."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zooactive.foundation.errors import PosteriorError, WorkspaceError
from zooactive.foundation.telling import Tell
from zooactive.workspace.finetuned import labels_of
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from zooactive.catalogue import Catalogue
    from zooactive.prediction import EnsemblePredictions, Predictions


def read_received(
    settings: Settings, stored: Predictions | EnsemblePredictions, table: Path, tell: Tell
) -> dict[str, NDArray[np.float64]]:
    """Read the votes in a table, by id, for the questions that were predicted."""
    from zooactive.catalogue import read_catalogue
    from zooactive.tree.likelihood import refuse_fractions

    galaxies = read_catalogue(table, tree=stored.tree, id_column=settings.survey.id_column)
    voted = galaxies.require_votes()
    some = voted.some
    refuse_fractions(voted.votes, voted.tree)
    known = len(stored.known(galaxies.ids[some]))
    if not known:
        raise PosteriorError(
            f"none of the {int(some.sum())} galaxies with votes in {table} is in {stored.folder}; check the ids (--id names "
            "the column)"
        )
    tell(f"the votes in {table} are taken into account for {known} galaxies of the pool")
    return dict(zip(map(str, galaxies.ids[some]), voted.votes[some], strict=True))


def learnt_from(settings: Settings, task: str | None, stored: Predictions) -> set[str]:
    """Return the ids whose votes or labels the model was trained on, as far as the workspace knows.

    For a task, these are its labelled galaxies. For the survey's own model, these are the labelled galaxies of the training
    and the validation part.
    """
    if task is not None:
        known = labels_of(settings.model.folder)
        return set(known.ids[known.labelled])
    survey = settings.survey
    if survey.catalogue is None or not settings.has_tree or settings.survey_tree().columns != stored.tree.columns:
        return set()
    train, validation, _ = settings.split_survey()
    return {str(name) for part in (train, validation) for name in part.ids[part.labelled]}


def survey_votes(settings: Settings, task: str | None, stored: Predictions) -> Catalogue | None:
    """Return the galaxies whose votes or labels the workspace knows already, for the questions that were predicted."""
    if task is not None:
        return labels_of(settings.model.folder)
    survey = settings.survey
    if survey.catalogue is None or not settings.has_tree or settings.survey_tree().columns != stored.tree.columns:
        return None
    return settings.read_survey()


def fit_trust(
    settings: Settings, stored: Predictions, table: Path, seen: Collection[str], tell: Tell
) -> tuple[dict[str, float], pd.DataFrame]:
    """Fit factors on the concentrations, to votes that the model was not trained on.

    Returns the factors by question, or by answer if a question's mean is moved, and the table of `fit_answer_factors`.
    """
    from zooactive.acquisition.pool import gather
    from zooactive.training.calibrate import fit_answer_factors

    votes = read_received(settings, stored, table, tell)
    names = [name for name in stored.known(votes) if name not in seen]
    if len(names) < 4:
        raise PosteriorError(
            f"{table} has votes on only {len(names)} predicted galaxies that the model was not trained on; give some dozens "
            "of galaxies, drawn at random"
        )
    fitted = fit_answer_factors(gather(stored, names), np.stack([votes[name] for name in names]))
    kept: dict[str, float] = {}
    for question, where, moved in zip(stored.tree.questions, stored.tree.slices, fitted.table["moved"], strict=True):
        named = dict(zip(question.columns, map(float, fitted.values[where]), strict=True))
        kept |= named if moved else {question.name: float(fitted.values[where][0])}
    return {name: value for name, value in kept.items() if value != 1}, fitted.table


def refuse_overwriting(target: Path, settings: Settings, stored: Predictions, *tables: str | Path | None) -> None:
    """Raise a WorkspaceError if a result would overwrite a table that it is made from, or is inside the predictions."""
    sources = (settings.survey.catalogue, settings.pool.catalogue, *tables)
    for source in (Path(source) for source in sources if source is not None):
        if target.resolve() == source.resolve():
            raise WorkspaceError(f"the result would overwrite {source}, which it is made from; give another --out")
    if stored.folder.resolve() in target.resolve().parents:
        raise WorkspaceError(f"{target} is in the folder of the predictions; give another --out")
