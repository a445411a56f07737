"""Strategies compared on galaxies whose votes are known: whether active learning pays here, and which strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import AcquisitionError, CatalogueError
from zooactive.foundation.showing import watch_of
from zooactive.foundation.stopping import kept_when_stopped
from zooactive.foundation.telling import Auto, RehearsalProgress, Watch
from zooactive.foundation.vocabulary import LoopStrategy
from zooactive.foundation.writing import aside
from zooactive.loop.config import LoopConfig
from zooactive.loop.learners import Learner
from zooactive.loop.oracle import vote_table
from zooactive.loop.rounds import Loop

if TYPE_CHECKING:
    import pandas as pd


def rehearse(
    folder: str | Path,
    learner: Learner,
    catalogue: Catalogue,
    *,
    test: Catalogue,
    strategies: Sequence[LoopStrategy] = ("mutual_information", "random"),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    start: int = 200,
    rounds: int = 5,
    config: LoopConfig | None = None,
    progress: Auto | RehearsalProgress | Watch[RehearsalProgress] = "auto",
) -> pd.DataFrame:
    """Play rounds of every strategy with every seed, with votes taken from the catalogue.

    A seed decides the galaxies labelled at the start (the same for every strategy), the noise of the selections, and the
    training. A rehearsal that was stopped resumes when you call it again.

    Parameters
    ----------
    folder : path
        Receives a `Loop` for each strategy and seed, and ``rounds.csv``.
    learner : Learner
    catalogue : Catalogue
        Labelled galaxies, whose votes are hidden until a round asks for them: recorded votes, or those of `draw_votes`.
    test : Catalogue
        Other galaxies, on which every round is measured.
    strategies : sequence of str
        Members of `zooactive.foundation.vocabulary.LOOP_STRATEGIES`.
    seeds : sequence of int
    start : int
        The number of galaxies labelled at the start.
    rounds : int
        The number of rounds, of `config.n` galaxies each.
    config : LoopConfig, optional
        The settings of the loops; the strategy and the seed are replaced.
    progress : callable, "auto" or None
        Called after each round with its strategy, its seed and its number. "auto" and None mean the same as in
        `zooactive.train`.

    Returns
    -------
    DataFrame
        One row per round: strategy, seed, and the columns of `Loop.history`.

    Raises
    ------
    AcquisitionError
        When there are too few galaxies for this many rounds.
    """
    import pandas as pd

    folder, config = Path(folder), config or LoopConfig()
    labelled = catalogue.take(catalogue.labelled)
    if start + rounds * config.n > len(labelled):
        raise AcquisitionError(
            f"{start} galaxies at the start and {rounds} rounds of {config.n} need more than the {len(labelled)} labelled "
            f"galaxies of {catalogue.source}; play fewer or smaller rounds"
        )
    known = vote_table(labelled)
    watch, tables = watch_of(progress), list[pd.DataFrame]()
    shown = watch.show("rehearsing", len(seeds) * len(strategies) * rounds, "rounds")
    with shown as report, kept_when_stopped(lambda: f"the finished rounds are kept in {folder}; run it again to resume"):
        for seed in seeds:
            begun = labelled.rehearse(start, seed=seed)
            for strategy in strategies:
                before, doing = len(tables) * rounds, f"rehearsing, {strategy}, seed {seed}"
                place = folder / strategy / f"seed-{seed:03d}"
                loop = Loop(place, learner, begun, test=test, config=replace(config, strategy=strategy, seed=seed))
                report(before + len(loop.rounds) - 1, doing)
                while len(loop.rounds) <= rounds:
                    loop.tell(known[known["id"].isin(loop.ask()["id"])])
                    watch.tell(strategy, seed, len(loop.rounds) - 1)
                    report(before + len(loop.rounds) - 1, doing)
                loop.learn()
                tables.append(loop.history().assign(strategy=strategy, seed=seed))
                _write(pd.concat(tables, ignore_index=True), folder)
    return pd.concat(tables, ignore_index=True)


def _write(table: pd.DataFrame, folder: Path) -> None:
    with aside(folder / "rounds.csv") as temporary:
        table.to_csv(temporary, index=False)


# Results -------------------------------------------------------------------------------------------------------------


def learning_curves(table: pd.DataFrame, *, cost: str = "labelled", merit: str = "test_likelihood") -> pd.DataFrame:
    """Average each strategy's rounds over the seeds.

    Parameters
    ----------
    table : DataFrame
        The result of `rehearse`.
    cost : {"labelled", "clicks"}
        The number of galaxies with votes, or of the votes themselves, including those at the start.
    merit : str
        A column of the table.

    Returns
    -------
    DataFrame
        strategy, round, the mean cost, and the mean of the column `merit` with the ends of its 95% interval, ``low`` and
        ``high``, by Student's t over the seeds.
    """
    import pandas as pd
    from scipy import stats

    rows = []
    for (strategy, number), group in table.groupby(["strategy", "round"], sort=False):
        values = group[merit].to_numpy(dtype=float)
        half = np.nan
        if len(values) > 1:
            half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
        mean = float(values.mean())
        rows.append(
            {
                "strategy": strategy,
                "round": number,
                cost: float(group[cost].mean()),
                merit: mean,
                "low": mean - half,
                "high": mean + half,
            }
        )
    return pd.DataFrame(rows)


def label_efficiency(
    table: pd.DataFrame,
    *,
    cost: str = "labelled",
    merit: str = "test_likelihood",
    larger_is_better: bool = False,
    against: str = "random",
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate the cost at which each strategy reaches the final result of another one, as a share of that one's cost of it.

    Curves are means over seeds, made monotone by isotonic regression, with straight lines between rounds. For a strategy
    that does not reach the other one's final result, its own final result is compared: the ratio is its cost of that result
    divided by the other one's, and is above 1. Costs are those at which a curve first reaches a result, for both, so that
    equal curves have the ratio 1 even if their last rounds bring nothing.

    Parameters
    ----------
    table : DataFrame
        The result of `rehearse`.
    cost : {"labelled", "clicks"}
        As in `learning_curves`.
    merit : str
        A column of the table.
    larger_is_better : bool
    against : str
        The strategy to compare with.
    resamples, seed : int
        The number of resamples and the seed of the bootstrap over seeds.

    Returns
    -------
    DataFrame
        strategy, ``ratio``, and the ends of its 95% interval, ``low`` and ``high``. Below 1, the strategy needs less. It is
        infinite where the other one needs nothing at all, because its rounds, which began at no cost, brought nothing.

    Raises
    ------
    CatalogueError
        When the table lacks `against`, or a strategy lacks a seed or a round.
    """
    import pandas as pd

    wide = table.assign(merit=table[merit] * (1 if larger_is_better else -1))
    strategies = list(dict.fromkeys(table["strategy"]))
    if against not in strategies:
        raise CatalogueError(f"the rehearsal has no strategy '{against}' to compare with; it has {', '.join(strategies)}")
    costs = {name: _by_seed(wide, name, cost) for name in strategies}
    metrics = {name: _by_seed(wide, name, "merit") for name in strategies}
    number = len(costs[against])
    if any(len(values) != number or np.isnan(values).any() for values in costs.values()):
        raise CatalogueError("the strategies were not played with the same seeds and rounds; run the rehearsal to its end")
    rng = np.random.default_rng(seed)
    # Few seeds give few different resamples, and the order of the seeds in one does not matter.
    samples, times = np.unique(np.sort(rng.integers(0, number, (resamples, number))), axis=0, return_counts=True)
    rows = []
    for name in strategies:
        if name == against:
            continue

        def ratio(seeds: np.ndarray, name: str = name) -> float:
            mine, other = ((costs[one][seeds].mean(0), metrics[one][seeds].mean(0)) for one in (name, against))
            return _ratio(mine, other)

        found = np.repeat([ratio(sample) for sample in samples], times)
        # Between two ratios that are infinite there is nothing to interpolate.
        method: Literal["linear", "inverted_cdf"] = "linear" if np.isfinite(found).all() else "inverted_cdf"
        low, high = (float(end) for end in np.percentile(found, [2.5, 97.5], method=method))
        rows.append({"strategy": name, "ratio": ratio(np.arange(number)), "low": low, "high": high})
    return pd.DataFrame(rows)


def _by_seed(table: pd.DataFrame, strategy: str, column: str) -> np.ndarray:
    """Return one strategy's values of a column, (seed, round)."""
    part = table[table["strategy"] == strategy].pivot_table(index="seed", columns="round", values=column)
    return part.to_numpy(dtype=float)


def _ratio(mine: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the cost of the lower of both final results, as a share of what it costs the other; curves rise with rounds."""
    from sklearn.isotonic import isotonic_regression

    curves = [(cost, isotonic_regression(merit)) for cost, merit in (mine, other)]
    (my_cost, my_merit), (their_cost, their_merit) = curves
    level = min(my_merit[-1], their_merit[-1])
    own, needed = _reached(my_cost, my_merit, level), _reached(their_cost, their_merit, level)
    if own == needed:
        return 1.0
    return own / needed if needed > 0 else float("inf")


def _reached(cost: np.ndarray, merit: np.ndarray, level: float) -> float:
    """Return the lowest cost at which a curve that never falls reaches a level."""
    after = int(np.searchsorted(merit, level, side="left"))
    if after == 0:
        return float(cost[0])
    share = (level - merit[after - 1]) / (merit[after] - merit[after - 1])
    return float(cost[after - 1] + share * (cost[after] - cost[after - 1]))
