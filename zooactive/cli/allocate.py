"""`zooactive allocate`: plan how many more volunteers should see each galaxy, and which galaxies need none."""

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
        float | None, typer.Option(min=0, help="Number of answers that volunteers will give in total.", show_default=False)
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            min=0, help="Instead of --clicks: the value that a click must bring to be worth it.", show_default=False
        ),
    ] = None,
    votes: Annotated[Path | None, typer.Option(help="Table of all votes so far.", show_default=False)] = None,
    predictions: PredictionsOption = None,
    embeddings: EmbeddingsOption = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            help="Questions that count and their weights: smooth-or-featured=1,bar=2 (default: all).",
            show_default=False,
        ),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            callback=one_of(GOALS, "goal"), help=f"What the clicks are for: {', '.join(GOALS)}.", show_default=False
        ),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", help="For the goal decision: ANSWER=x asks if its fraction is above x.", show_default=False),
    ] = None,
    wanted: Annotated[
        int | None, typer.Option(min=1, help="For the goal count: number of votes wanted on a question.", show_default=False)
    ] = None,
    floor: Annotated[
        int | None, typer.Option(min=0, help="Minimum number of volunteers per galaxy.", show_default=False)
    ] = None,
    ceiling: Annotated[
        int | None, typer.Option(min=0, help="Maximum number of volunteers per galaxy.", show_default=False)
    ] = None,
    done: Annotated[
        float | None, typer.Option(min=0, help="Error at which a galaxy needs no more votes.", show_default=False)
    ] = None,
    max_artifact: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Spend no votes on galaxies that a larger share would call an artifact.", show_default=False
        ),
    ] = None,
    least: Annotated[
        list[str] | None,
        typer.Option(help="A share of the clicks for another goal, such as model=0.1.", show_default=False),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(help="Votes on galaxies drawn at random; they calibrate the model's uncertainty.", show_default=False),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Use the model of this fine-tuned task.", show_default=False)] = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    retirement: Annotated[
        Path | None,
        typer.Option(
            help="Write lists and a rule that retire subjects on the Zooniverse to this folder.", show_default=False
        ),
    ] = None,
    subjects: Annotated[
        Path | None, typer.Option(help="The Zooniverse's subject export, for the retirement lists.", show_default=False)
    ] = None,
    workflow: Annotated[
        Path | None,
        typer.Option(help="The workflow as JSON (GET /api/workflows/ID), which is then checked.", show_default=False),
    ] = None,
    first_task: Annotated[str, typer.Option(help="Key of the workflow's first task.")] = "T0",
    trees: Annotated[
        int | None, typer.Option(min=1, help="Vote trees sampled per galaxy (default: 64).", show_default=False)
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Posterior draws to use (default: as many as predicted; 16 plan as well in half the time).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The plan, .csv (default: allocation.csv); a .parquet is written next to it.", show_default=False),
    ] = None,
    seed: SeedOption = None,
    json: SummaryWithTableOption = False,
) -> None:
    """Plan how many more volunteers should see each galaxy, so that the clicks bring the most.

    For every predicted galaxy, the command computes what more votes would bring, given the votes so far. The plan also
    names the galaxies that need no more votes, and says why.
    """
    if (clicks is None) == (price is None):
        raise typer.BadParameter("give either --clicks, the clicks to spend, or --price, the value that a click must bring")
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
        f"{told['spent']:,.0f} clicks; they gain {told['value']:.4g} of the {told['missing']:.4g} that is missing"
    )
    for why, galaxies in plan.loc[plan["more"] == 0, "why"].value_counts().items():
        note(f"{galaxies} galaxies get no more volunteers: {why}")
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
    """Read pairs NAME=NUMBER, separated by commas or given in several options; return None if none is given."""
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
            raise typer.BadParameter(f"{option} {part}: give NAME=NUMBER, such as bar=2; separate several with commas")
    return found
