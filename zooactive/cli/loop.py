"""`zooactive loop`: run rounds with volunteers (ask for galaxies, record their votes), or rehearse them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from zooactive.cli.console import (
    JsonOption,
    SeedOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    one_of,
    open_workspace,
    print_selection,
    print_table,
)
from zooactive.cli.exit_codes import FAILED
from zooactive.foundation.vocabulary import CAESAR_RULES, LEARNERS, LOOP_STRATEGIES, STRATEGIES, LoopStrategy

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    help="Run rounds with volunteers: ask for galaxies, record their votes, or rehearse the rounds first.",
)

FolderOption = Annotated[Path | None, typer.Option(help="Folder of the rounds.", show_default=False)]
NumberOption = Annotated[int | None, typer.Option("--n", min=1, help="Galaxies per round.", show_default=False)]
VotesOption = Annotated[int | None, typer.Option(min=1, help="Volunteers who will see each galaxy.", show_default=False)]
LearnerOption = Annotated[
    str | None,
    typer.Option(callback=one_of(LEARNERS, "learner"), help="What is trained: network or head.", show_default=False),
]


@app.command()
def ask(
    workspace: WorkspaceOption = None,
    folder: FolderOption = None,
    n: NumberOption = None,
    votes: VotesOption = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            callback=one_of(LOOP_STRATEGIES, "strategy"),
            help=f"How galaxies are chosen: {', '.join(LOOP_STRATEGIES)}.",
            show_default=False,
        ),
    ] = None,
    learner: LearnerOption = None,
    seed: SeedOption = None,
    json: JsonOption = False,
) -> None:
    """Train on the votes so far, measure the model, and choose the galaxies of the next round.

    Asking again returns the same galaxies until their votes are in.
    """
    here = open_workspace(workspace)
    selection = here.loop_ask(folder=folder, learner=learner, n=n, votes=votes, strategy=strategy, seed=seed)
    print_selection(selection, as_json=json)
    if selection.attrs["why"] is not None:
        note(selection.attrs["why"])
    history = here.loop_status(folder=folder)
    _say_how_good(history)
    _say_when_to_stop(here, history)
    file = Path(selection.attrs["file"])
    tell = command_line("loop tell VOTES", workspace=workspace, folder=folder, learner=learner)
    export = command_line("export", workspace=workspace, selection=file, out=file.with_name("subjects"))
    last_line(
        f"round {selection.attrs['round']}, {len(selection)} galaxies: {file}",
        export if selection.attrs["pictured"] else None,
        then=f"show them to volunteers; when the votes are in, {tell}",
    )


@app.command()
def tell(
    votes: Annotated[Path, typer.Argument(help="Table with ids and vote counts, as `zooactive votes` writes it.")],
    workspace: WorkspaceOption = None,
    folder: FolderOption = None,
    learner: LearnerOption = None,
) -> None:
    """Record the votes that came in, and close the round."""
    here = open_workspace(workspace)
    told = here.loop_tell(votes, folder=folder, learner=learner)
    number = told["round"]
    note(f"round {number}: {told['told']} galaxies with {told['told_clicks']:.0f} votes")
    if told["strangers"]:
        note(f"warning: {told['strangers']} galaxies with votes in {votes} are neither labelled nor in the pool: left out")
    if "told_acquired" in told:
        rates = [f"{told[f'told_{arm}']:.2g} ({arm})" for arm in ("acquired", "random") if f"told_{arm}" in told]
        note(f"each vote brought {' and '.join(rates)} nats of information")
    _say_when_to_stop(here, here.loop_status(folder=folder))
    ask = command_line("loop ask", workspace=workspace, folder=folder, learner=learner)
    last_line(
        f"votes of round {number}: {folder or here.settings.loop.folder}",
        ask if told["left"] else None,
        then=None if told["left"] else "all galaxies have votes; add other galaxies to the pool to ask for more",
    )


@app.command()
def step(
    workspace: WorkspaceOption = None,
    folder: FolderOption = None,
    n: NumberOption = None,
    votes: VotesOption = None,
    learner: LearnerOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print every change, and make none.")] = False,
    retire_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Allow this share of a subject set to be retired at once.", show_default=False),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Stop after this many clicks (answers of volunteers).", show_default=False)
    ] = None,
    caesar: Annotated[
        str | None,
        typer.Option(
            callback=one_of(CAESAR_RULES, "rule"),
            help="Do only this: post to Caesar what it lacks of a rule (metadata or reduction) that retires subjects.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Do what is due now in unattended rounds with the Zooniverse; made for cron.

    The command fetches the votes, counts them and records them. It retires subjects that are done. When a round is due, it
    trains, chooses galaxies, and uploads and links the next subject set. Then it says what it waits for, and ends. It was
    never tried on the live service.
    """
    here = open_workspace(workspace)
    done = here.loop_step(
        folder=folder,
        n=n,
        votes=votes,
        learner=learner,
        dry_run=dry_run,
        retire_share=retire_share,
        budget=budget,
        caesar=caesar,
    )
    if dry_run:
        for line in done.done:
            note(f"would {line}")
    for line in done.waits:
        note(f"waits: {line}")
    number = len(done.done)
    changes = "1 change" if number == 1 else f"{number} changes"
    if done.failed:
        note(f"{changes}, and {len(done.failed)} that failed; the next step resumes there")
        raise typer.Exit(FAILED)
    last_line(
        f"{changes} {'would be made' if dry_run else 'made'}",
        command_line("loop step", workspace=workspace, folder=folder, learner=learner),
    )


@app.command()
def status(workspace: WorkspaceOption = None, folder: FolderOption = None, json: JsonOption = False) -> None:
    """Show the rounds so far: their cost, how good the model was, and how much information the votes brought."""
    here = open_workspace(workspace)
    history = here.loop_status(folder=folder)
    print_table(history if json else _short(history), as_json=json)
    number = "1 round" if len(history) == 1 else f"{len(history)} rounds"
    last_line(
        f"{number}: {folder or here.settings.loop.folder}", command_line("loop ask", workspace=workspace, folder=folder)
    )


@app.command()
def rehearse(
    workspace: WorkspaceOption = None,
    out: Annotated[Path, typer.Option(help="Folder of the rehearsal.")] = Path("rehearsal"),
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="A strategy to compare; may be repeated (default: all).", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions, each starting from other galaxies.")] = 5,
    start: Annotated[int, typer.Option(min=1, help="Galaxies labelled at the start.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each repetition.")] = 5,
    n: NumberOption = None,
    drawn: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Draw the votes of this many volunteers from the recorded fractions; repeat it to compare by clicks.",
            show_default=False,
        ),
    ] = None,
    learner: LearnerOption = None,
    json: JsonOption = False,
) -> None:
    """Compare strategies on galaxies with known votes: how many labels each needs to match random choice."""
    names = cast("list[LoopStrategy]", strategy) or list(STRATEGIES)
    found = open_workspace(workspace).loop_rehearse(
        out=out, strategies=names, seeds=seeds, start=start, rounds=rounds, n=n, drawn=drawn, learner=learner
    )
    if found.efficiency is not None:
        print_table(found.efficiency, as_json=json)
    last_line(
        f"rounds.csv, efficiency.csv and curves.png: {out}",
        command_line("loop ask", workspace=workspace, learner=learner),
        then="use the strategy that needs the fewest labels: --strategy, or strategy under [loop] in zooactive.toml",
    )


# Inside --------------------------------------------------------------------------------------------------------------


def _short(history: pd.DataFrame) -> pd.DataFrame:
    """Return what people look for first: cost, metrics, and the information from votes, in nats per 1000 votes."""
    import pandas as pd

    on = "test" if "test_likelihood" in history else "random"
    known = history.reindex(columns=[f"{on}_likelihood", f"{on}_accuracy", "told_acquired", "told_random"]).to_numpy(float)
    return pd.DataFrame(
        {
            "round": history["round"],
            "galaxies with votes": history["labelled"],
            "votes": history["clicks"].round().astype(int),
            f"nats per galaxy ({on})": known[:, 0],
            f"accuracy ({on})": known[:, 1],
            "nats per 1000 votes": 1000 * known[:, 2],
            "at random": 1000 * known[:, 3],
        }
    )


def _say_how_good(history: pd.DataFrame) -> None:
    metrics = history.iloc[-1].dropna()
    for name, of in (("test", "test galaxies"), ("random", "galaxies drawn at random before")):
        if f"{name}_likelihood" in metrics:
            note(
                f"on {metrics[f'{name}_galaxies']:.0f} {of}: {metrics[f'{name}_likelihood']:.3f} nats per galaxy, accuracy "
                f"{metrics[f'{name}_accuracy']:.3f}; {metrics['labelled']:.0f} galaxies are labelled"
            )
            return


def _say_when_to_stop(here: Workspace, history: pd.DataFrame) -> None:
    from zooactive.loop import stops_at

    rounds = here.settings.loop
    stop = stops_at(history, share=rounds.stop_share, rounds=rounds.stop_rounds)
    if stop is not None:
        note(
            f"since round {stop} a click brings less than {rounds.stop_share:.0%} of the information that it brought in the "
            "best round: another survey may need these volunteers more"
        )
