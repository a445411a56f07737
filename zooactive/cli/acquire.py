"""`zooactive acquire`: choose the galaxies worth showing to volunteers next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    IdOption,
    JsonOption,
    PredictionsOption,
    SeedOption,
    TreeOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    one_of,
    open_workspace,
    print_table,
)
from zooactive.writing import make_folder

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.acquisition.pool import VotedPool
    from zooactive.prediction import EnsemblePredictions, Predictions
    from zooactive.tree import DecisionTree
    from zooactive.workspace import Workspace


SCORES = ("mutual_information", "one_vote", "entropy", "variance", "epig", "random")

AlsoOption = Annotated[
    list[Path] | None,
    typer.Option(help="Predictions of the same galaxies by another network, for an ensemble.", show_default=False),
]
NumberOption = Annotated[int | None, typer.Option("--n", min=1, help="Galaxies to choose.", show_default=False)]
VotesOption = Annotated[int | None, typer.Option(min=1, help="Volunteers that each will be shown to.", show_default=False)]
ScoreOption = Annotated[
    str | None, typer.Option(callback=one_of(SCORES, "score"), help=f"One of {', '.join(SCORES)}.", show_default=False)
]
VotedOption = Annotated[
    Path | None, typer.Option(help="Table whose labelled galaxies are never chosen.", show_default=False)
]
ExcludeOption = Annotated[
    Path | None, typer.Option(help="Table of ids never to choose (default: the labelled galaxies).", show_default=False)
]
ShareOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Share drawn at random and reserved.", show_default=False)
]
BetaOption = Annotated[float | None, typer.Option(min=0, help="Sharpness: large takes the top scores.", show_default=False)]
PerClicksOption = Annotated[
    float | None, typer.Option(min=0, help="Divide scores by the expected clicks to this power.", show_default=False)
]
ArtifactOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Leave out what a larger share would call an artifact.", show_default=False),
]
TargetOption = Annotated[
    str | None, typer.Option(help="An answer that the science is about, such as bar_strong.", show_default=False)
]
TaskOption = Annotated[
    str | None, typer.Option(help="Choose for a fine-tuned task: by its model, for its labels.", show_default=False)
]
OutOption = Annotated[Path | None, typer.Option(help="The selection, .csv; a .parquet beside it.", show_default=False)]


def command(
    workspace: WorkspaceOption = None,
    predictions: PredictionsOption = None,
    also: AlsoOption = None,
    n: NumberOption = None,
    votes: VotesOption = None,
    score: ScoreOption = None,
    tree: TreeOption = None,
    catalogue: VotedOption = None,
    id_column: IdOption = None,
    exclude: ExcludeOption = None,
    given: Annotated[
        Path | None,
        typer.Option(help="Table of votes that came in since the training: taken into account.", show_default=False),
    ] = None,
    random_share: ShareOption = None,
    beta: BetaOption = None,
    per_clicks: PerClicksOption = None,
    max_artifact: ArtifactOption = None,
    target: TargetOption = None,
    task: TaskOption = None,
    out: OutOption = None,
    seed: SeedOption = None,
    json: JsonOption = False,
) -> None:
    """Choose the galaxies whose votes would tell most; labelled ones are never chosen."""
    choice = {"n": n, "votes": votes, "score": score, "random_share": random_share, "beta": beta, "seed": seed}
    choice |= {"per_clicks": per_clicks, "max_artifact": max_artifact, "target": target}
    place = open_workspace(
        workspace,
        survey={"tree": tree, "catalogue": catalogue, "id_column": id_column},
        pool={"predictions": predictions},
        acquire={"out": out, **choice},
    )
    never = None
    if task is not None:
        place, never = _for_task(place, task, predictions=predictions, out=out, votes=votes)
    elif predictions is None:
        _refuse_stale(place)
    selection = _choose(place, exclude, also or [], never, given)
    print_table(selection if json else selection.head(10), as_json=json)
    arms = selection["arm"].value_counts()
    note(
        f"{int(arms.get('acquired', 0))} acquired, {int(arms.get('random', 0))} drawn at random and reserved; "
        f"{selection.attrs['excluded']} labelled or excluded galaxies of the pool were left out"
        + (
            f", and {selection.attrs['artifacts']} that look like artifacts"
            if place.acquire.max_artifact is not None
            else ""
        )
    )
    report = command_line("report", workspace=workspace, predictions=predictions, selection=out)
    following = f"{report}, or show them to volunteers"
    if task is not None:
        following = "label them, add them to the table of labels, and " + command_line(
            "finetune", workspace=workspace, task=task
        )
    last_line(f"{len(selection)} galaxies: {place.acquire.out}", following)


def _for_task(
    place: Workspace, task: str, *, predictions: Path | None, out: Path | None, votes: int | None
) -> tuple[Workspace, list[str]]:
    """The workspace as the task sees it, a selection of its own, and the ids that have its labels already."""
    from zooactive.cli.of_task import as_task, labels_of

    place = as_task(place, task, predictions=predictions)
    known = labels_of(place.model.folder)
    single = known.tree is not None and known.tree.votes == "class"
    choice = replace(
        place.acquire,
        out=out or place.folder / f"selection-{place.model.folder.name}.csv",
        votes=1 if single and votes is None else place.acquire.votes,
    )
    return replace(place, acquire=choice), list(known.ids[known.labelled])


def _choose(
    place: Workspace, exclude: Path | None, also: list[Path], never: list[str] | None, given: Path | None
) -> pd.DataFrame:
    """Write the selection and return it."""
    from zooactive.acquisition import acquire
    from zooactive.acquisition.selection_files import write_selection
    from zooactive.errors import AcquisitionError
    from zooactive.prediction import open_ensemble
    from zooactive.writing import file_hash

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
    pool = stored if given is None else _given_votes(place, stored, given)
    selection = acquire(pool, exclude=_excluded(place, exclude, stored, never), **choice)
    write_selection(
        selection,
        target,
        options=choice,
        inputs={f"predictions {folder}": file_hash(folder / "journal.json") for folder in folders}
        | ({} if given is None else {f"votes {given}": file_hash(given)}),
    )
    return selection


def _given_votes(place: Workspace, stored: Predictions | EnsemblePredictions, given: Path) -> VotedPool:
    """The predictions as they are believed once the votes of a table are in."""
    from zooactive.acquisition.pool import VotedPool
    from zooactive.catalogue import read_catalogue

    table = read_catalogue(given, tree=stored.tree, id_column=place.survey.id_column)
    assert table.votes is not None
    some = table.votes.sum(1) > 0
    note(f"votes in {given} are taken into account, for {len(stored.known(table.ids[some]))} of the pool's galaxies")
    return VotedPool(stored, dict(zip(table.ids[some], table.votes[some], strict=True)))


def _refuse_stale(place: Workspace) -> None:
    """Refuse the workspace's predictions when its model has been trained anew since."""
    import json

    from zooactive.errors import PosteriorError

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


def _excluded(
    place: Workspace, exclude: Path | None, stored: Predictions | EnsemblePredictions, labelled: list[str] | None
) -> list[str]:
    """Ids of the pool never to choose: those of the file, else those with labels for the questions that were predicted."""
    from zooactive.catalogue import read_catalogue
    from zooactive.errors import AcquisitionError

    if exclude is not None:
        never = set(read_catalogue(exclude).ids)
    else:
        never = set(_labelled(place, stored.tree) if labelled is None else labelled)
    excluded = stored.known(never)
    if len(excluded) == len(stored) > 0:
        reason = f"are in {exclude}" if exclude is not None else "are labelled already"
        raise AcquisitionError(
            f"all {len(excluded)} galaxies in {stored.folder} {reason}, none is left to choose; predict galaxies without "
            "votes (`zooactive predict --catalogue POOL`), or set rehearsal under [survey] to pretend"
        )
    return excluded


def _labelled(place: Workspace, tree: DecisionTree) -> Iterable[str]:
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
    note(
        f"warning: no table of galaxies with labels for tree '{tree.name}' is named, so none is left out; "
        "give --tree and --catalogue, or --exclude"
    )
    return []
