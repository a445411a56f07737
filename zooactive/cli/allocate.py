"""`zooactive allocate`: how many more volunteers each galaxy should be shown to, and which need none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    ROWS,
    EmbeddingsOption,
    IdOption,
    ImageColumnOption,
    PredictionsOption,
    SeedOption,
    SummaryWithTableOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    one_of,
    open_workspace,
    print_table,
)
from zooactive.cli.run import show_in_summary
from zooactive.foundation.vocabulary import GOALS


def command(
    workspace: WorkspaceOption = None,
    clicks: Annotated[
        float | None, typer.Option(min=0, help="Answers that volunteers will give in all.", show_default=False)
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(min=0, help="In place of clicks: what one has to bring to be worth it.", show_default=False),
    ] = None,
    votes: Annotated[Path | None, typer.Option(help="Table of all votes so far.", show_default=False)] = None,
    predictions: PredictionsOption = None,
    embeddings: EmbeddingsOption = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--for", help="Questions that count, such as smooth-or-featured=1,bar=2 (default: all).", show_default=False
        ),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(callback=one_of(GOALS, "goal"), help=f"What clicks are for: {', '.join(GOALS)}.", show_default=False),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Of the goal decision: ANSWER=x asks if its fraction is above x.", show_default=False),
    ] = None,
    wanted: Annotated[
        int | None, typer.Option(min=1, help="Of the goal count: votes on a question.", show_default=False)
    ] = None,
    floor: Annotated[
        int | None, typer.Option(min=0, help="Volunteers for every galaxy at least.", show_default=False)
    ] = None,
    ceiling: Annotated[
        int | None, typer.Option(min=0, help="Volunteers for any galaxy at most.", show_default=False)
    ] = None,
    done: Annotated[
        float | None, typer.Option(min=0, help="Error at which a galaxy needs no more votes.", show_default=False)
    ] = None,
    max_artifact: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="No votes for what a larger share would call an artifact.", show_default=False),
    ] = None,
    least: Annotated[
        list[str] | None,
        typer.Option(help="A share of the clicks for another goal, such as model=0.1.", show_default=False),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(help="Votes of galaxies drawn at random, to set right how sure the model is.", show_default=False),
    ] = None,
    task: Annotated[str | None, typer.Option(help="A fine-tuned task, whose model speaks.", show_default=False)] = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    retirement: Annotated[
        Path | None,
        typer.Option(help="Folder for lists and a rule that retire subjects on the Zooniverse.", show_default=False),
    ] = None,
    subjects: Annotated[
        Path | None, typer.Option(help="The Zooniverse's subject export, for these lists.", show_default=False)
    ] = None,
    workflow: Annotated[
        Path | None, typer.Option(help="The workflow as JSON, to be checked: GET /api/workflows/ID.", show_default=False)
    ] = None,
    first_task: Annotated[str, typer.Option(help="Key of the workflow's first task.")] = "T0",
    trees: Annotated[
        int | None, typer.Option(min=1, help="Vote trees sampled a galaxy (default: 64).", show_default=False)
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            min=1, help="Draws of the model (default: as predicted; 16 plan as well, in half the time).", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The plan, .csv (default: allocation.csv); a .parquet beside it.", show_default=False)
    ] = None,
    seed: SeedOption = None,
    json: SummaryWithTableOption = False,
) -> None:
    """Say how many more volunteers each galaxy should be shown to, so that the clicks bring most.

    For every galaxy of the predictions the command computes what more votes would bring, given those that came in already.
    Galaxies that need none are named with the reason.
    """
    if (clicks is None) == (price is None):
        raise typer.BadParameter("give --clicks, what may be spent, or --price, what a click has to bring: one of the two")
    plan = open_workspace(workspace).allocate(
        clicks,
        price=price,
        votes=votes,
        embeddings=embeddings,
        predictions=predictions,
        weights=numbers(weights, "--for"),
        goal=goal,
        rules=numbers(rules, "--rule"),
        wanted=wanted,
        floor=floor,
        ceiling=ceiling,
        done=done,
        max_artifact=max_artifact,
        least=numbers(least, "--least"),
        trust=trust,
        task=task,
        id_column=id_column,
        image_column=image_column,
        retirement=retirement,
        subjects=subjects,
        workflow=workflow,
        first_task=first_task,
        trees=trees,
        draws=draws,
        out=out,
        seed=seed,
    )
    shown = plan.sort_values(["value", "id"], ascending=[False, True], kind="stable")
    told = plan.attrs
    people = shown[["id", "more", "received", "why", "value", "clicks", "stop_at"]]
    if json:
        show_in_summary(plan)
    else:
        print_table(people, as_json=False, rows=ROWS, file=told["file"])
    note(
        f"{int(plan['more'].sum())} more volunteers for {int((plan['more'] > 0).sum())} galaxies, "
        f"{told['spent']:,.0f} clicks; they bring {told['value']:.4g} of the {told['missing']:.4g} that is missing"
    )
    for why, galaxies in plan.loc[plan["more"] == 0, "why"].value_counts().items():
        note(f"{galaxies} galaxies get none: {why}")
    given = {"predictions": predictions, "task": task, "id_column": id_column, "image_column": image_column}
    given |= {"embeddings": embeddings}
    last_line(
        f"{len(plan)} galaxies: {told['file']}",
        command_line("catalogue", workspace=workspace, **given, votes=votes),
        then="`zooactive export --plan` writes the plan's galaxies as a subject set for volunteers"
        if (plan["more"] > 0).any()
        else None,
    )


def numbers(given: Sequence[str] | None, option: str) -> dict[str, float] | None:
    """Read NAME=NUMBER, several by commas or by several options; None where nothing is given."""
    if not given:
        return None
    found = {}
    for part in (part.strip() for text in given for part in text.split(",")):
        name, _, number = part.rpartition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            name = ""
        if not name.strip():
            raise typer.BadParameter(f"{option} {part}: give NAME=NUMBER, such as bar=2; several with commas between them")
    return found
