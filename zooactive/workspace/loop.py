"""The loop of a workspace: ask for rounds, record their votes, and rehearse them, as ``zooactive.toml`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zooactive.acquisition.config import AcquisitionConfig
from zooactive.catalogue import Catalogue
from zooactive.catalogue.surveys import join_catalogues
from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import Making
from zooactive.foundation.showing import watch_of
from zooactive.foundation.telling import NOTHING, Show, ShownBy, Tell, Watch, silent
from zooactive.foundation.vocabulary import STRATEGIES, LoopStrategy
from zooactive.foundation.writing import aside, file_hash, write_how
from zooactive.loop import HeadLearner, Learner, Loop, LoopConfig, NetworkLearner
from zooactive.models.saved_form import BUNDLED
from zooactive.models.start import start_networks
from zooactive.tree import DecisionTree
from zooactive.workspace.embeddings import read_given
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.origin import read_pictured
from zooactive.workspace.sections import Rounds
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import galaxies_from
from zooactive.workspace.told import epoch_told

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.foundation.telling import Auto, EpochProgress
    from zooactive.models.loading import AnyModel
    from zooactive.prediction import Embeddings


OPTIONS: Options = options_of("acquire", AcquisitionConfig) | options_of("loop", Rounds) | {"n": "acquire.n"}
_METRICS = {"test_likelihood": False, "test_accuracy": True}
"""The metrics of a rehearsal, and whether larger values are better."""


class Rehearsal(NamedTuple):
    """The result of a rehearsal: the rounds, and how many labels each strategy needs."""

    rounds: pd.DataFrame
    """One row per round of each strategy and seed."""

    efficiency: pd.DataFrame | None
    """The number of labels each strategy needs to match random choice; None if there is nothing to compare."""


def ask(settings: Settings, *, progress: Show = NOTHING, tell: Tell = silent) -> pd.DataFrame:
    """Train on the votes so far, measure the model, and choose the galaxies of the next round.

    Asking again returns the same galaxies until their votes are in. The selection's ``attrs`` say the round, where its file
    is, why its strategy was used if "auto" decided, and whether any of its galaxies has an image to show.
    """
    from zooactive.loop.round_files import why_of

    loop = _opened(settings, progress, tell)
    told = {f"votes of round {entry.number}": entry.votes for entry in loop.rounds if entry.told.exists()}
    made = Making("loop ask", galaxies_from(settings) | told, unmarked=("images",))
    selection = loop.ask()
    here = loop.rounds[-1]
    made.done(
        here.selection,
        outputs=[here.selection, here.selection.with_suffix(".parquet")],
        counts={"round": here.number, "galaxies": len(selection)},
    )
    pictured = settings.pool.embeddings is None or read_pictured(settings, selection["id"]) is not None
    selection.attrs |= {"round": here.number, "file": str(here.selection), "why": why_of(here), "pictured": pictured}
    return selection


def tell_votes(settings: Settings, table: str | Path, *, progress: Show = NOTHING, tell: Tell = silent) -> dict[str, Any]:
    """Record the votes in a table, close the round, and return its number and the information that the votes brought."""
    from zooactive.catalogue import read_catalogue
    from zooactive.loop import vote_table

    loop = _opened(settings, progress, tell)
    here = loop.rounds[-1]
    made = Making("loop tell", {"votes": Path(table), "selection": here.selection})
    told = loop.tell(vote_table(read_catalogue(table, tree=loop.tree)))
    write_how(here.votes, command="loop tell", options={"round": here.number}, inputs={str(table): file_hash(table)})
    made.done(here.votes, outputs=[here.votes], counts={"round": here.number, "galaxies": int(told["told"])})
    return {"round": here.number} | told


def status(settings: Settings) -> pd.DataFrame:
    """Return one row per round: its cost, how good the model was, and the information that the votes brought."""
    from zooactive.loop.round_files import history_of

    history = history_of(settings.loop.folder)
    if history.empty:
        raise WorkspaceError(f"{settings.loop.folder} holds no rounds; `zooactive loop ask` starts the first")
    return history


def rehearse(
    settings: Settings,
    *,
    out: str | Path = "rehearsal",
    strategies: Sequence[LoopStrategy] = STRATEGIES,
    seeds: int = 5,
    start: int = 200,
    rounds: int = 5,
    drawn: int | Sequence[int] | None = None,
    progress: Show = NOTHING,
) -> Rehearsal:
    """Compare strategies on galaxies whose votes are known, and write and draw how many labels each needs.

    `start` galaxies are labelled at first. `drawn` draws the votes of this many volunteers from the recorded fractions. Each
    of several numbers is rehearsed in its own folder. With fewer volunteers, proportionally more galaxies are asked for, so
    that every round costs the same, until no galaxies are left. All are measured on votes of the largest number.
    """
    import pandas as pd

    from zooactive.loop import rehearse as play

    numbers = sorted({drawn} if isinstance(drawn, int) else set(drawn or ()), reverse=True)
    settings = replace(settings, survey=replace(settings.survey, rehearsal=None))
    galaxies, test = survey_parts(settings)
    settings.model.check()
    if settings.loop.learner == "network" or settings.pool.embeddings is None:
        start_networks()
    inner: Watch[EpochProgress] = Watch(NOTHING if isinstance(progress, ShownBy) else progress)
    made = Making("loop rehearse", galaxies_from(settings), unmarked=("images",))
    learns = learner_of(settings, Path(out), galaxies, test, progress=inner)
    as_recorded = _Game(galaxies, test, config_of(settings), start, rounds)
    games = [as_recorded.with_volunteers(number, most=numbers[0]) for number in numbers] or [as_recorded]
    tables = []
    for game in games:
        table = play(
            out if len(games) == 1 else Path(out) / f"drawn-{game.config.votes}",
            learns,
            game.galaxies,
            test=game.test,
            strategies=strategies,
            seeds=range(seeds),
            start=game.start,
            rounds=game.rounds,
            config=game.config,
            progress=Watch(progress),
        )
        named = f", {game.config.votes} votes" if len(games) > 1 else ""
        tables.append(table.assign(strategy=table["strategy"] + named))
    table = pd.concat(tables, ignore_index=True)
    if len(games) > 1:
        with aside(Path(out) / "rounds.csv") as temporary:
            table.to_csv(temporary, index=False)
    found = Rehearsal(table, _efficiency(table))
    if found.efficiency is not None:
        with aside(Path(out) / "efficiency.csv") as temporary:
            found.efficiency.to_csv(temporary, index=False)
    _draw(table, Path(out) / "curves.png")
    target = Path(out) / "rounds.csv"
    options = {"strategies": list(strategies), "seeds": seeds, "start": start, "rounds": rounds, "drawn": numbers}
    write_how(target, command="loop rehearse", options=options, inputs={})
    beside = [Path(out) / name for name in ("efficiency.csv", "curves.png")]
    made.done(target, outputs=[target, *beside], counts={"galaxies": len(galaxies), "rounds": len(table)})
    return found


@dataclass(frozen=True)
class _Game:
    """A rehearsal's setup: galaxies whose votes are hidden, test galaxies, and how many galaxies are asked for."""

    galaxies: Catalogue
    test: Catalogue
    config: LoopConfig
    start: int
    rounds: int

    def with_volunteers(self, number: int, *, most: int) -> _Game:
        """Return the game with this many volunteers, and with more galaxies if there are fewer volunteers than `most`."""
        from zooactive.loop import draw_votes

        galaxies = draw_votes(self.galaxies, volunteers=number)
        n, start = round(self.config.n * most / number), round(self.start * most / number)
        labelled = int(galaxies.labelled.sum())
        rounds = self.rounds if number == most else min(self.rounds, (labelled - start) // n)
        if rounds < 1:
            raise WorkspaceError(
                f"with {number} votes each, {start} galaxies at the start and {n} per round cost as much as {self.start} "
                f"and {self.config.n} with {most} votes, but there are {labelled}; lower --start and --n, or leave out "
                f"--drawn {number}"
            )
        test = draw_votes(self.test, volunteers=most, seed=1)
        return _Game(galaxies, test, replace(self.config, n=n, votes=number), start, rounds)


def _efficiency(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the ratio of labels each strategy needs to match random choice, with the most votes if there are several."""
    import pandas as pd

    from zooactive.loop import label_efficiency

    against = next((name for name in table["strategy"] if name.partition(",")[0] == "random"), None)
    if table["strategy"].nunique() < 2 or against is None:
        return None
    ratios = [
        label_efficiency(table, cost=cost, merit=metric, larger_is_better=larger, against=against).assign(
            cost=cost, merit=metric
        )
        for cost in ("labelled", "clicks")
        for metric, larger in _METRICS.items()
    ]
    return pd.concat(ratios)


def _draw(table: pd.DataFrame, path: Path) -> None:
    """Draw likelihood and accuracy against galaxies and against clicks."""
    from zooactive.loop import learning_curves
    from zooactive.report.plots import strategy_curves
    from zooactive.report.plots.style import paper

    figure = paper(9, 7, layout="constrained")
    for row, metric in zip(figure.subplots(2, 2), _METRICS, strict=True):
        for axes, cost in zip(row, ("labelled", "clicks"), strict=True):
            strategy_curves(axes, learning_curves(table, cost=cost, merit=metric), cost=cost, merit=metric)
    with aside(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _opened(settings: Settings, progress: Show, tell: Tell) -> Loop:
    watch = Watch(progress, lambda epoch, losses: tell(epoch_told(epoch, losses)))
    return open_loop(settings, progress=watch)


def open_loop(settings: Settings, *, progress: Auto | EpochProgress | Watch[EpochProgress] = None) -> Loop:
    """Open the workspace's loop, or begin it.

    The galaxies are those of the survey without its test part, on which rounds are measured, and those of the pool's own
    catalogue if it has one. `progress` is that of `zooactive.train`. Raises a ZooactiveError if the workspace names no
    catalogue or no tree, the folder holds another loop, or an image cannot be read.
    """
    galaxies, test = survey_parts(settings)
    if settings.pool.catalogue is not None:
        galaxies = join_catalogues(galaxies, settings.read_pool())
    settings.model.check()
    if settings.loop.learner == "network" or settings.pool.embeddings is None:
        start_networks()
    return Loop(
        settings.loop.folder,
        learner_of(settings, settings.loop.folder, galaxies, test, progress=progress),
        galaxies,
        test=test if test.labelled.any() else None,
        config=config_of(settings),
    )


def config_of(settings: Settings) -> LoopConfig:
    """Return what ``[acquire]`` and ``[loop]`` say about rounds."""
    rounds = settings.loop
    said = asdict(settings.acquire.acquisition())
    score = said.pop("score")
    return LoopConfig(
        **said,
        strategy=rounds.strategy or "auto",
        candidate=score,
        n=settings.acquire.n,
        warm=rounds.warm,
        judge_share=rounds.judge_share,
        stop_share=rounds.stop_share,
        stop_rounds=rounds.stop_rounds,
    )


def survey_parts(settings: Settings) -> tuple[Catalogue, Catalogue]:
    """Return the survey's galaxies that may be trained on, and its test part.

    A head on the features of another network reads the original images, even if images were packed for the workspace's
    own network.
    """
    if settings.loop.learner == "head":
        settings = replace(settings, survey=replace(settings.survey, shards=Path("no shards")))
    train, validation, test = settings.split_survey()
    return join_catalogues(train, validation), test


def learner_of(
    settings: Settings,
    folder: Path,
    galaxies: Catalogue,
    test: Catalogue,
    *,
    progress: Auto | EpochProgress | Watch[EpochProgress] = None,
) -> Learner:
    """Return the learner that ``[loop]`` names; for a head, all galaxies' features are computed or found in the folder."""
    tree = settings.survey_tree()
    if settings.loop.learner == "network":
        return NetworkLearner(
            tree,
            settings.model,
            settings.training,
            draws=settings.pool.draws,
            draws_from=settings.pool.draws_from,
            batch_size=settings.pool.batch_size,
            progress=progress,
        )
    from zooactive.prediction import predict

    everything = join_catalogues(galaxies, test).without_votes()
    start, seen = _features_of(settings, everything, tree)
    with watch_of(progress).show("features of the images", len(everything)) as done:
        embeddings = predict(
            start,
            seen,
            out=folder / "embeddings",
            draws=1,
            batch_size=settings.pool.batch_size,
            max_failures=settings.pool.max_failures,
            progress=done,
        )
    return HeadLearner(start, tree, embeddings, draws=settings.pool.draws)


def _features_of(settings: Settings, galaxies: Catalogue, tree: DecisionTree) -> tuple[AnyModel, Catalogue | Embeddings]:
    """Return the model that gives features, and its input: the images, or the embeddings that ``[pool]`` names."""
    from zooactive.models import EmbeddingModel, load_network

    if settings.pool.embeddings is None:
        return load_network(settings.model.start or BUNDLED), galaxies
    found = read_given(settings)
    start = EmbeddingModel(
        tree,
        features=found.width,
        encoder=found.encoder,
        scale=found.scale(),
    )
    return start, found.of_galaxies(galaxies)
