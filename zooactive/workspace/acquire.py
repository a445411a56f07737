"""The choice of a workspace: by which predictions, who is never chosen, and where the selection goes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import AcquisitionError, PosteriorError
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.foundation.writing import file_hash, make_folder
from zooactive.workspace.finetuned import as_task, labels_of

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.acquisition.pool import VotedPool
    from zooactive.prediction import EnsemblePredictions, Predictions
    from zooactive.tree import DecisionTree
    from zooactive.workspace.settings import Workspace


def for_task(
    place: Workspace,
    task: str,
    *,
    predictions: Path | None,
    out: Path | None,
    votes: int | None,
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> tuple[Workspace, list[str]]:
    """Return the workspace as a task sees it, with a selection of its own, and the ids that have its labels already.

    Parameters
    ----------
    place : Workspace
    task : str
    predictions, out, votes
        What was asked for in place of the task's own; a task of single labels is asked of one volunteer a galaxy.
    progress, tell : callable, optional

    Raises
    ------
    WorkspaceError
        When the task has not been learnt yet, or its labels are not known any more.
    """
    place = as_task(place, task, predictions=predictions, progress=progress, tell=tell)
    known = labels_of(place.model.folder)
    single = known.tree is not None and known.tree.votes == "class"
    choice = replace(
        place.acquire,
        out=out or place.folder / f"selection-{place.model.folder.name}.csv",
        votes=1 if single and votes is None else place.acquire.votes,
    )
    return replace(place, acquire=choice), list(known.ids[known.labelled])


def refuse_stale(place: Workspace) -> None:
    """Raise a PosteriorError when the workspace's model has been trained anew since its predictions were made."""
    model, predictions = place.model.folder / "model" / "model.json", place.pool.predictions
    try:
        now = json.loads(model.read_text(encoding="utf-8"))["fingerprint"]
        then = json.loads((predictions / "journal.json").read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError):
        return  # another folder's model may well have made them
    if now != then:
        raise PosteriorError(
            f"{predictions} holds predictions of another model than the one in {model.parent}; delete the folder and run "
            f"`zooactive predict`, or choose from them all the same with --predictions {predictions}"
        )


def choose(
    place: Workspace,
    *,
    also: Sequence[Path] = (),
    exclude: Path | None = None,
    never: list[str] | None = None,
    given: Path | None = None,
    tell: Tell = silent,
) -> pd.DataFrame:
    """Choose from the pool's predictions as ``[acquire]`` says, write the selection and return it.

    Parameters
    ----------
    place : Workspace
    also : sequence of Path
        Predictions of the same galaxies by other networks, for an ensemble.
    exclude : Path, optional
        A table of ids never to choose.
    never : list of str, optional
        Ids never to choose where no table is given; by default the labelled galaxies.
    given : Path, optional
        A table of votes that came in since the training: taken into account.
    tell : callable, optional

    Raises
    ------
    AcquisitionError
        When the selection would be written over a table that it is made from, or nobody is left to choose.
    """
    from zooactive.acquisition import acquire
    from zooactive.acquisition.selection_files import write_selection
    from zooactive.prediction import open_ensemble

    choice = asdict(place.acquire)
    target = Path(choice.pop("out"))
    for table in (place.survey.catalogue, place.pool.catalogue, exclude):
        if table is not None and table.resolve() == target.resolve():
            raise AcquisitionError(
                f"the selection would be written over {table}, a table that it is made from; give another --out"
            )
    folders = [place.pool.predictions, *also]
    stored = open_ensemble(folders)
    make_folder(target.parent)
    pool = stored if given is None else _given_votes(place, stored, given, tell)
    selection = acquire(pool, exclude=_excluded(place, exclude, stored, never, tell), **choice)
    write_selection(
        selection,
        target,
        options=choice,
        inputs={f"predictions {folder}": file_hash(folder / "journal.json") for folder in folders}
        | ({} if given is None else {f"votes {given}": file_hash(given)}),
    )
    return selection


def _given_votes(place: Workspace, stored: Predictions | EnsemblePredictions, given: Path, tell: Tell) -> VotedPool:
    """The predictions as they are believed once the votes of a table are in."""
    from zooactive.acquisition.pool import VotedPool
    from zooactive.catalogue import read_catalogue

    table = read_catalogue(given, tree=stored.tree, id_column=place.survey.id_column)
    assert table.votes is not None
    some = table.votes.sum(1) > 0
    tell(f"votes in {given} are taken into account, for {len(stored.known(table.ids[some]))} of the pool's galaxies")
    return VotedPool(stored, dict(zip(table.ids[some], table.votes[some], strict=True)))


def _excluded(
    place: Workspace,
    exclude: Path | None,
    stored: Predictions | EnsemblePredictions,
    labelled: list[str] | None,
    tell: Tell,
) -> list[str]:
    """Ids of the pool never to choose: those of the file, else those with labels for the questions that were predicted."""
    from zooactive.catalogue import read_catalogue

    if exclude is not None:
        never = set(read_catalogue(exclude).ids)
    else:
        never = set(_labelled(place, stored.tree, tell) if labelled is None else labelled)
    excluded = stored.known(never)
    if len(excluded) == len(stored) > 0:
        reason = f"are in {exclude}" if exclude is not None else "are labelled already"
        raise AcquisitionError(
            f"all {len(excluded)} galaxies in {stored.folder} {reason}, none is left to choose; predict galaxies without "
            "votes (`zooactive predict --catalogue POOL`), or set rehearsal under [survey] to pretend"
        )
    return excluded


def _labelled(place: Workspace, tree: DecisionTree, tell: Tell) -> Iterable[str]:
    """The galaxies that need no more votes: of the survey, or of the task whose questions the predictions answer."""
    survey = place.survey
    if survey.catalogue is not None and place.has_tree and place.survey_tree().columns == tree.columns:
        galaxies = place.read_survey()
        return list(galaxies.ids[galaxies.labelled])
    for name, settings in place.tasks.items():
        task = settings.load(name)
        if settings.labels is not None and task.load_tree().columns == tree.columns:
            galaxies = task.read(settings.labels, images=settings.images)
            return list(galaxies.ids[galaxies.labelled])
    tell(
        f"warning: no table of galaxies with labels for tree '{tree.name}' is named, so none is left out; "
        "give --tree and --catalogue, or --exclude"
    )
    return []
