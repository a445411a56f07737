"""Choose galaxies in a workspace: from which predictions, which galaxies are left out, and where the selection goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from zooactive.foundation.errors import AcquisitionError, CatalogueError, PosteriorError
from zooactive.foundation.provenance import Making
from zooactive.foundation.remote_folders import bring, folder_here
from zooactive.foundation.telling import NOTHING, Show, Tell, silent
from zooactive.foundation.writing import file_hash, make_folder
from zooactive.training.finetuning.tasks import Task
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.finetuned import labels_of, seen_by, task_meant
from zooactive.workspace.numbers import labelled_ids, seen_by_number
from zooactive.workspace.options import Options, as_path, options_of
from zooactive.workspace.origin import origin_of
from zooactive.workspace.received import read_received
from zooactive.workspace.sections import Acquire
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.prediction import EnsemblePredictions, Predictions
    from zooactive.prediction.numbers import NumberPredictions
    from zooactive.tree import DecisionTree


OPTIONS: Options = (
    {name: to for name, to in options_of("acquire", Acquire).items() if name not in ("votes", "out")}
    | EMBEDDING_OPTIONS
    | {name: f"survey.{name}" for name in ("tree", "catalogue", "id_column", "image_column")}
)
"""The number of votes and the file are left out: a task has its own defaults for them."""

_LARGE_POOL = 100_000  # galaxies; reading all their votes again would take long


_NOT_MEASURED = (
    "with a frozen encoder and votes on a tree, no score was measured to teach more per click than random choice; "
    "`zooactive loop rehearse` tests this on galaxies whose votes are known"
)


def acquire(
    settings: Settings,
    *,
    task: str | None = None,
    predictions: str | Path | None = None,
    also: Sequence[str | Path] = (),
    exclude: str | Path | None = None,
    given: str | Path | None = None,
    votes: int | None = None,
    out: str | Path | None = None,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> pd.DataFrame:
    """Choose from the pool's predictions as ``[acquire]`` says, write the selection and return it.

    With a `task`, its fine-tuned model chooses galaxies to label. `predictions` replaces the predictions of the workspace
    or of the task. `also` names predictions of the same galaxies by other networks, for an ensemble. `exclude` is a table of
    ids that are never chosen, in addition to the labelled galaxies. `given` is a table of votes that came in after the
    training; they are taken into account. `votes` and `out` replace the entries of ``[acquire]``. For a task of single
    labels, the default is one volunteer per galaxy, and its selection has its own file name. The returned table is that of
    `zooactive.acquire`; its ``attrs`` say where the file is.

    Raises a WorkspaceError if the task has not been trained yet or its labels are no longer known. Raises an
    AcquisitionError if the selection would overwrite a table that it is made from, or if no galaxy is left to choose.
    """
    task = task_meant(settings, task, as_path(predictions))
    numbers = seen_by_number(settings, task, predictions=as_path(predictions), progress=progress, tell=tell)
    if numbers is not None:
        if also or given is not None or votes is not None:
            raise AcquisitionError("a task of numbers has no votes of volunteers; leave out --also, --given and --votes")
        chosen = _choose_numbers(*numbers, task, exclude=as_path(exclude), out=as_path(out), tell=tell)
        chosen.attrs |= {"task": task, "predictions": str(numbers[1].folder)}
        return chosen
    if task is None and predictions is None:
        refuse_stale(settings)
    seen = seen_by(settings, task, predictions=as_path(predictions), progress=progress, tell=tell)
    never = None
    if task is not None:
        seen, never = _for_labels(seen, own=task == settings.default_task)
    seen = seen.with_options(acquire={"votes": votes, "out": out})
    folders = [folder_here(folder) for folder in also]
    for folder in folders:
        bring(folder)
    chosen = _choose(seen, also=folders, exclude=as_path(exclude), never=never, given=as_path(given), tell=tell)
    chosen.attrs |= {"task": task, "predictions": str(seen.pool.predictions)}
    return chosen


def _for_labels(settings: Settings, *, own: bool) -> tuple[Settings, list[str]]:
    """Return the settings of a task as its labels need them, and the ids that have labels already.

    `own` says that the task is the workspace's only one, whose selection the workspace's file names.
    """
    folder = settings.model.folder
    known = labels_of(folder)
    single = known.require_votes().tree.votes == "class"
    out = None if own else settings.folder / f"selection-{folder.name}.csv"
    asked = {"out": out, "votes": 1 if single else None}
    return settings.with_options(acquire=asked), list(known.ids[known.labelled])


def _choose_numbers(
    settings: Settings,
    stored: NumberPredictions,
    task: str | None,
    *,
    exclude: Path | None,
    out: Path | None,
    tell: Tell,
) -> pd.DataFrame:
    """Choose the galaxies whose numbers would together be most informative, without those that have a label."""
    from zooactive.acquisition.numbers import acquire_numbers
    from zooactive.acquisition.selection_files import write_selection

    choice = settings.acquire
    own = task is not None and task == settings.default_task
    target = out or (choice.out if own or task is None else settings.folder / f"selection-{settings.model.folder.name}.csv")
    _refuse_overwriting(settings, target, exclude)
    never = [] if task is None else labelled_ids(settings.model.folder)
    if task is None:
        tell("warning: it is not known which galaxies have labels, so none is left out; give --task, or --exclude")
    made = Making("acquire", _sources(settings, [stored.folder]) | {"exclude": exclude})
    selection = acquire_numbers(
        stored, choice.n, exclude=_excluded(settings, exclude, stored, never, tell), config=choice.acquisition()
    )
    make_folder(target.parent)
    options = {"n": choice.n, "random_share": choice.random_share, "seed": choice.seed, "score": choice.score}
    inputs = {f"predictions {stored.folder}": file_hash(stored.folder / "journal.json")}
    write_selection(selection, target, options=options, inputs=inputs)
    _done(made, selection, target, len(stored))
    selection.attrs["file"] = str(target)
    return selection


def _sources(settings: Settings, folders: Sequence[Path]) -> dict[str, Path | None]:
    """Return what a choice is made from: the predictions, and the table whose labelled galaxies are left out."""
    several = {f"predictions {number}": folder for number, folder in enumerate(folders[1:], start=2)}
    return {"predictions": folders[0], **several, "catalogue": settings.survey.catalogue}


def _done(made: Making, selection: pd.DataFrame, target: Path, looked_at: int) -> None:
    """Record what a selection was made from, and log that it is done."""
    arms = selection["arm"].value_counts()
    counts = {"galaxies": len(selection), "pool": looked_at, **{str(arm): int(number) for arm, number in arms.items()}}
    counts |= {name: int(selection.attrs[name]) for name in ("excluded", "artifacts") if name in selection.attrs}
    made.done(target, outputs=[target, target.with_suffix(".parquet")], counts=counts, worked=looked_at)


def _refuse_overwriting(settings: Settings, target: Path, exclude: Path | None) -> None:
    """Raise an AcquisitionError if the selection would overwrite a table that it is made from."""
    for table in (settings.survey.catalogue, settings.pool.catalogue, exclude):
        if table is not None and table.resolve() == target.resolve():
            raise AcquisitionError(
                f"the selection would overwrite {table}, a table that it is made from; give another --out"
            )


def refuse_stale(settings: Settings) -> None:
    """Raise a PosteriorError if the workspace's model was trained again after its predictions were made."""
    from zooactive.models.saved_form import stored_fingerprint
    from zooactive.prediction.stored import model_of

    predictions = settings.pool.predictions
    now, then = stored_fingerprint(settings.model.folder), model_of(predictions)
    if None not in (now, then) and now != then:  # another folder's model may well have made them
        raise PosteriorError(
            f"the predictions in {predictions} are not by the model in {settings.model.folder}; delete the folder and run "
            f"`zooactive predict`, or choose from them anyway with --predictions {predictions}"
        )


def _choose(
    settings: Settings,
    *,
    also: Sequence[Path],
    exclude: Path | None,
    never: list[str] | None,
    given: Path | None,
    tell: Tell,
) -> pd.DataFrame:
    from zooactive.acquisition import acquire
    from zooactive.acquisition.pool import VotedPool
    from zooactive.acquisition.selection_files import write_selection
    from zooactive.prediction import open_ensemble

    choice = settings.acquire
    target = choice.out
    _refuse_overwriting(settings, target, exclude)
    folders = [settings.pool.predictions, *also]
    made = Making("acquire", _sources(settings, folders) | {"exclude": exclude, "votes": given})
    stored = open_ensemble(folders)
    make_folder(target.parent)
    pool = stored if given is None else VotedPool(stored, read_received(settings, stored, given, tell))
    selection = acquire(pool, choice.n, exclude=_excluded(settings, exclude, stored, never, tell), config=choice)
    write_selection(
        selection,
        target,
        options={"n": choice.n} | asdict(choice.acquisition()),
        inputs={f"predictions {folder}": file_hash(folder / "journal.json") for folder in folders}
        | ({} if given is None else {f"votes {given}": file_hash(given)}),
    )
    _done(made, selection, target, len(stored))
    selection.attrs["file"] = str(target)
    if choice.score != "random" and stored.tree.votes != "class":
        tell(_NOT_MEASURED)
    return selection


def _excluded(
    settings: Settings,
    exclude: Path | None,
    stored: Predictions | EnsemblePredictions | NumberPredictions,
    labelled: list[str] | None,
    tell: Tell,
) -> list[str]:
    """Return the ids that are never chosen: those labelled for the predicted questions, and those in the file."""
    told = tell if exclude is None else silent  # a user who gives a list may have no labels
    if labelled is None:
        labelled = list(_labelled(settings, cast("Predictions", stored).tree, told))
    never = set(labelled)
    if exclude is not None:
        never |= _listed(settings, exclude, stored, tell)
    excluded = stored.known(never)
    if len(excluded) == len(stored) > 0:
        reason = "are labelled already" if exclude is None else f"are labelled already or in {exclude}"
        more = "predict galaxies without votes (`zooactive predict --catalogue POOL`)"
        if settings.pool.embeddings is not None:
            more = "name embeddings that also cover galaxies without labels (--embeddings FILE)"
        raise AcquisitionError(
            f"all {len(excluded)} galaxies in {stored.folder} {reason}, so none is left to choose; {more}, or set rehearsal "
            "under [survey] to pretend that fewer have votes"
        )
    return excluded


def choosable(settings: Settings, stored: Predictions) -> int:
    """Return how many predicted galaxies have no labels yet; in a large pool, labels are not looked up."""
    everything = len(stored) - stored.failed().number
    if len(stored) > _LARGE_POOL:
        return everything
    return everything - len(stored.known(set(_labelled(settings, stored.tree, silent))))


def _listed(
    settings: Settings, exclude: Path, stored: Predictions | EnsemblePredictions | NumberPredictions, tell: Tell
) -> set[str]:
    """Read the ids of a table of galaxies that are never chosen; its id column may have the survey's name."""
    from zooactive.catalogue.tables import read_table

    own = settings.survey.id_column
    try:
        table = read_table(exclude, id_column=own)
    except CatalogueError:
        if own is None:
            raise
        table = read_table(exclude)
    if not stored.known(table.ids):
        tell(f"warning: none of the {len(table.ids)} galaxies in {exclude} is in {stored.folder}; check the ids")
    return set(table.ids)


def _labelled(settings: Settings, tree: DecisionTree, tell: Tell) -> Iterable[str]:
    """Return the galaxies that need no more votes: those labelled in the survey, or in the task that was predicted."""
    survey = settings.survey
    if survey.catalogue is not None and settings.has_tree and settings.survey_tree().columns == tree.columns:
        galaxies = settings.read_survey()
        return list(galaxies.ids[galaxies.labelled])
    for name, entry in settings.tasks.items():
        task = entry.load(name)
        if isinstance(task, Task) and entry.labels is not None and task.load_tree().columns == tree.columns:
            galaxies = task.read(entry.labels, images=entry.images, max_set_aside=entry.max_set_aside)
            return list(galaxies.ids[galaxies.labelled])
    model = origin_of(settings).get("model")
    if model is not None and (Path(model) / "finetuned.json").is_file():
        galaxies = labels_of(Path(model))
        if galaxies.require_votes().tree.columns == tree.columns:
            return list(galaxies.ids[galaxies.labelled])
    tell(
        f"warning: no table of labelled galaxies for tree '{tree.name}' is named, so no galaxy is left out; "
        "give --tree and --catalogue, or --exclude"
    )
    return []
