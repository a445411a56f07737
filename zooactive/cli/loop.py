"""`zooactive loop`: rounds with volunteers, asked for and told of, and the rehearsal of them."""

from __future__ import annotations

from dataclasses import replace
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
    print_table,
    progress_bar,
    start_networks,
)
from zooactive.foundation.vocabulary import LEARNERS, STRATEGIES, Strategy

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.loop import Loop
    from zooactive.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True, help="Play rounds with volunteers: ask for galaxies, tell their votes; or rehearse them first."
)

FolderOption = Annotated[Path | None, typer.Option(help="Folder of the rounds.", show_default=False)]
NumberOption = Annotated[int | None, typer.Option("--n", min=1, help="Galaxies a round.", show_default=False)]
VotesOption = Annotated[int | None, typer.Option(min=1, help="Volunteers that each will be shown to.", show_default=False)]
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
        typer.Option(callback=one_of(STRATEGIES, "strategy"), help=f"{', '.join(STRATEGIES)}.", show_default=False),
    ] = None,
    learner: LearnerOption = None,
    seed: SeedOption = None,
    json: JsonOption = False,
) -> None:
    """Train on the votes so far, measure, and choose the galaxies of the next round; again, until told of, the same."""
    place = _place(workspace, folder, learner).with_options(
        acquire={"n": n, "votes": votes, "seed": seed}, loop={"strategy": strategy}
    )
    start_networks()
    loop = _open(place)
    selection = loop.ask()
    here = loop.rounds[-1]
    print_table(selection if json else selection.head(10), as_json=json)
    _say_how_good(loop)
    _say_when_to_stop(loop)
    export = command_line("export", workspace=workspace, selection=here.selection)
    tell = f"zooactive loop tell VOTES{'' if folder is None else f' --folder {folder}'}"
    last_line(f"round {here.number}, {len(selection)} galaxies: {here.selection}", f"{export}; with their votes, {tell}")


@app.command()
def tell(
    votes: Annotated[Path, typer.Argument(help="Table with ids and vote counts, as `zooactive votes` writes it.")],
    workspace: WorkspaceOption = None,
    folder: FolderOption = None,
    learner: LearnerOption = None,
) -> None:
    """Take the votes that came in, and close the round."""
    place = _place(workspace, folder, learner)
    start_networks()
    loop = _open(place)
    table = _table_of(votes, loop)
    number, told = loop.rounds[-1].number, loop.tell(table)
    note(f"round {number}: {told['told']} galaxies with {told['told_clicks']:.0f} votes")
    if told["strangers"]:
        note(f"warning: {told['strangers']} galaxies with votes in {votes} are neither labelled nor in the pool: left out")
    if "told_acquired" in told:
        rates = [f"{told[f'told_{arm}']:.2g} ({arm})" for arm in ("acquired", "random") if f"told_{arm}" in told]
        note(f"a vote has told {' and '.join(rates)} nats")
    _say_when_to_stop(loop)
    last_line(f"votes of round {number}: {loop.folder}", command_line("loop ask", workspace=workspace, folder=folder))


@app.command()
def status(workspace: WorkspaceOption = None, folder: FolderOption = None, json: JsonOption = False) -> None:
    """Show the rounds so far: what they cost, how good the model was, and what the votes told."""
    from zooactive.foundation.errors import WorkspaceError
    from zooactive.loop.rounds import history_of

    place = _place(workspace, folder, None)
    history = history_of(place.loop.folder)
    if history.empty:
        raise WorkspaceError(f"{place.loop.folder} holds no rounds; `zooactive loop ask` plays the first")
    print_table(history if json else _short(history), as_json=json)
    number = "1 round" if len(history) == 1 else f"{len(history)} rounds"
    last_line(f"{number}: {place.loop.folder}", command_line("loop ask", workspace=workspace, folder=folder))


@app.command()
def rehearse(
    workspace: WorkspaceOption = None,
    out: Annotated[Path, typer.Option(help="Folder of the rehearsal.")] = Path("rehearsal"),
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="A strategy to compare; may be given again (default: all).", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions, each from other galaxies.")] = 5,
    start: Annotated[int, typer.Option(min=1, help="Galaxies labelled at the start.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each.")] = 5,
    n: NumberOption = None,
    drawn: Annotated[
        int | None,
        typer.Option(min=1, help="Draw the votes of so many volunteers by the recorded fractions.", show_default=False),
    ] = None,
    learner: LearnerOption = None,
    json: JsonOption = False,
) -> None:
    """Compare strategies on galaxies whose votes are known: what each needs for what random choice reaches."""
    place = _place(workspace, None, learner).with_options(acquire={"n": n})
    start_networks()
    from zooactive.loop import draw_votes, rehearse
    from zooactive.workspace.loop import config_of, learner_of, survey_parts

    place = replace(place, survey=replace(place.survey, rehearsal=None))
    galaxies, test = survey_parts(place)
    learns = learner_of(place, out, galaxies, test)
    if drawn is not None:
        galaxies, test = draw_votes(galaxies, volunteers=drawn), draw_votes(test, volunteers=drawn, seed=1)
    names = cast("list[Strategy]", strategy) or list(STRATEGIES)
    with progress_bar("rounds", len(names) * seeds * rounds) as progress:
        done = 0

        def told(name: str, seed: int, number: int) -> None:
            nonlocal done
            done += 1
            progress(done)

        table = rehearse(
            out,
            learns,
            galaxies,
            test=test,
            strategies=names,
            seeds=range(seeds),
            start=start,
            rounds=rounds,
            config=config_of(place),
            progress=told,
        )
    _report(table, out, as_json=json)


# Inside --------------------------------------------------------------------------------------------------------------


def _place(workspace: Path | None, folder: Path | None, learner: str | None) -> Workspace:
    return open_workspace(workspace, loop={"folder": folder, "learner": learner})


def _open(place: Workspace) -> Loop:
    from zooactive.workspace.loop import open_loop

    def told(epoch: int, losses: dict[str, float]) -> None:
        note(f"epoch {epoch}: loss {losses['loss']:.3f}, validation {losses['val_loss']:.3f} nats a galaxy")

    return open_loop(place, progress=told)


def _table_of(votes: Path, loop: Loop) -> pd.DataFrame:
    """The galaxies of a table that have votes."""
    from zooactive.catalogue import read_catalogue
    from zooactive.loop import vote_table

    return vote_table(read_catalogue(votes, tree=loop.tree))


def _short(history: pd.DataFrame) -> pd.DataFrame:
    """What people look for first: cost, merit and what votes told, in nats a thousand votes."""
    import pandas as pd

    on = "test" if "test_likelihood" in history else "random"
    known = history.reindex(columns=[f"{on}_likelihood", f"{on}_accuracy", "told_acquired", "told_random"]).to_numpy(float)
    return pd.DataFrame(
        {
            "round": history["round"],
            "galaxies with votes": history["labelled"],
            "votes": history["clicks"].round().astype(int),
            f"nats a galaxy ({on})": known[:, 0],
            f"accuracy ({on})": known[:, 1],
            "1000 votes told": 1000 * known[:, 2],
            "those at random": 1000 * known[:, 3],
        }
    )


def _say_how_good(loop: Loop) -> None:
    metrics = loop.learn()
    for name, of in (("test", "test galaxies"), ("random", "galaxies drawn at random before")):
        if f"{name}_likelihood" in metrics:
            note(
                f"on {metrics[f'{name}_galaxies']} {of}: {metrics[f'{name}_likelihood']:.3f} nats a galaxy, accuracy "
                f"{metrics[f'{name}_accuracy']:.3f}; {metrics['labelled']} galaxies are labelled"
            )
            return


def _say_when_to_stop(loop: Loop) -> None:
    from zooactive.loop import stops_at

    stop = stops_at(loop.history(), share=loop.config.stop_share, rounds=loop.config.stop_rounds)
    if stop is not None:
        note(
            f"since round {stop} a click tells less than {loop.config.stop_share:.0%} of what it told in the best round: "
            "another survey may need these volunteers more"
        )


def _draw(table: pd.DataFrame, path: Path) -> None:
    """Likelihood and accuracy against galaxies and against clicks."""
    from zooactive.foundation.writing import aside
    from zooactive.loop import learning_curves
    from zooactive.report.plots import strategy_curves
    from zooactive.report.plots.style import paper

    figure = paper(9, 7, layout="constrained")
    for row, merit in zip(figure.subplots(2, 2), ("test_likelihood", "test_accuracy"), strict=True):
        for axes, cost in zip(row, ("labelled", "clicks"), strict=True):
            strategy_curves(axes, learning_curves(table, cost=cost, merit=merit), cost=cost, merit=merit)
    with aside(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _report(table: pd.DataFrame, out: Path, *, as_json: bool) -> None:
    """Print and draw what a rehearsal found."""
    import pandas as pd

    from zooactive.foundation.writing import aside
    from zooactive.loop import label_efficiency

    merits = {"test_likelihood": False, "test_accuracy": True}
    if table["strategy"].nunique() > 1 and (table["strategy"] == "random").any():
        ratios = pd.concat(
            [
                label_efficiency(table, cost=cost, merit=merit, larger_is_better=larger).assign(cost=cost, merit=merit)
                for cost in ("labelled", "clicks")
                for merit, larger in merits.items()
            ]
        )
        with aside(out / "efficiency.csv") as temporary:
            ratios.to_csv(temporary, index=False)
        print_table(ratios, as_json=as_json)
    _draw(table, out / "curves.png")
    last_line(f"rounds.csv, efficiency.csv and curves.png: {out}", "zooactive loop ask, with the strategy that needs least")
