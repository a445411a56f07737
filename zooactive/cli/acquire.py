"""`zooactive acquire`: choose the galaxies worth showing to volunteers next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import JsonOption, SeedOption, WorkspaceOption, last_line, note, open_workspace, print_table

if TYPE_CHECKING:
    from zooactive.workspace import Workspace


def command(
    workspace: WorkspaceOption = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Folder written by `zooactive predict`.", show_default=False)
    ] = None,
    n: Annotated[int | None, typer.Option("--n", help="Galaxies to choose.", show_default=False)] = None,
    votes: Annotated[int | None, typer.Option(help="Volunteers that each will be shown to.", show_default=False)] = None,
    score: Annotated[str | None, typer.Option(help="mutual_information, entropy or random.", show_default=False)] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(help="Table of ids never to choose (default: the labelled galaxies).", show_default=False),
    ] = None,
    random_share: Annotated[
        float | None, typer.Option(help="Share drawn at random and reserved.", show_default=False)
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Sharpness: large takes the top scores.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="The selection, .csv; a .parquet beside it.", show_default=False)] = None,
    seed: SeedOption = None,
    json: JsonOption = False,
) -> None:
    """Choose the galaxies whose votes would tell most; labelled ones are never chosen."""
    place = open_workspace(
        workspace,
        pool={"predictions": predictions},
        acquire={
            "n": n,
            "votes": votes,
            "score": score,
            "random_share": random_share,
            "beta": beta,
            "out": out,
            "seed": seed,
        },
    )
    from dataclasses import asdict

    from zooactive.acquisition import acquire
    from zooactive.acquisition.selection_files import write_selection
    from zooactive.prediction.stored import open_predictions
    from zooactive.writing import file_hash

    choice = asdict(place.acquire)
    target = Path(choice.pop("out"))
    stored = open_predictions(place.pool.predictions)
    excluded = _excluded(place, exclude)
    selection = acquire(stored, exclude=excluded, **choice)
    write_selection(
        selection,
        target,
        options={**choice, "excluded": len(excluded)},
        inputs={"predictions": file_hash(place.pool.predictions / "journal.json")},
    )
    print_table(selection if json else selection.head(10), as_json=json)
    arms = selection["arm"].value_counts()
    note(
        f"{int(arms.get('acquired', 0))} acquired, {int(arms.get('random', 0))} drawn at random and reserved; "
        f"{len(excluded)} labelled or excluded galaxies were left out"
    )
    last_line(f"{len(selection)} galaxies: {target}", "zooactive report, or show them to volunteers")


def _excluded(place: Workspace, exclude: Path | None) -> list[str]:
    """Ids never to choose: those of the file, else the labelled galaxies of the workspace's survey."""
    from zooactive.catalogue import read_catalogue

    if exclude is not None:
        return list(read_catalogue(exclude).ids)
    if place.survey.catalogue is None:
        return []
    survey = place.read_survey()
    return list(survey.ids[survey.labelled])
