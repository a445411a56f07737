"""Strategies side by side on galaxies whose votes are known: does active learning pay here, and which kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

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
    """Play rounds of every strategy with every seed, the votes coming from the catalogue.

    A seed decides which galaxies are labelled at the start, the same ones for every strategy, the noise of the selections,
    and the training. A rehearsal that was stopped goes on when it is called again.

    Parameters
    ----------
    folder : path
        Gets a `Loop` for each strategy and seed, and ``rounds.csv``.
    learner : Learner
    catalogue : Catalogue
        Labelled galaxies, whose votes are hidden until they are asked for: the recorded ones, or those of `draw_votes`.
    test : Catalogue
        Other galaxies, on which every round is measured.
    strategies : sequence of str
        Of `zooactive.foundation.vocabulary.LOOP_STRATEGIES`.
    seeds : sequence of int
    start : int
        Galaxies labelled at the start.
    rounds : int
        Of `config.n` galaxies each.
    config : LoopConfig, optional
        Its strategy and its seed are replaced.
    progress : callable, "auto" or None
        Called after each round with its strategy, its seed and its number; "auto" and None as `zooactive.train`.

    Returns
    -------
    DataFrame
        One row a round: strategy, seed, and `Loop.history`.

    Raises
    ------
    AcquisitionError
        When there are too few galaxies for so many rounds.
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
    with shown as report, kept_when_stopped(lambda: f"rounds that were played are kept in {folder}; run it again to go on"):
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


# What came out -------------------------------------------------------------------------------------------------------


def learning_curves(table: pd.DataFrame, *, cost: str = "labelled", merit: str = "test_likelihood") -> pd.DataFrame:
    """Average each strategy's rounds over the seeds.

    Parameters
    ----------
    table : DataFrame
        Of `rehearse`.
    cost : {"labelled", "clicks"}
        Galaxies with votes, or the votes themselves, those of the start among them.
    merit : str
        A column of the table.

    Returns
    -------
    DataFrame
        strategy, round, the mean cost, and the mean merit with the ends of its 95% interval, ``low`` and ``high``, by
        Student's t over the seeds.
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
    """Tabulate what each strategy costs to get as far as another one with its whole budget, as a share of that budget.

    Curves are means over seeds, made monotone by isotonic regression, with straight lines between rounds. A strategy that
    does not get so far in as many rounds is judged the other way round: the ratio is then the budget over what the other one
    needs to get as far as it did, and above 1.

    Parameters
    ----------
    table : DataFrame
        Of `rehearse`.
    cost : {"labelled", "clicks"}
        As `learning_curves`.
    merit : str
        A column of the table.
    larger_is_better : bool
    against : str
        A strategy.
    resamples, seed : int
        Of the bootstrap over seeds.

    Returns
    -------
    DataFrame
        strategy, ``ratio``, and the ends of its 95% interval, ``low`` and ``high``: below 1, it needs less.

    Raises
    ------
    CatalogueError
        When the table has not every strategy with every seed, or not with all rounds, or lacks `against`.
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
        low, high = (float(end) for end in np.percentile(found, [2.5, 97.5]))
        rows.append({"strategy": name, "ratio": ratio(np.arange(number)), "low": low, "high": high})
    return pd.DataFrame(rows)


def _by_seed(table: pd.DataFrame, strategy: str, column: str) -> np.ndarray:
    """Return one strategy's values of a column, (seed, round)."""
    part = table[table["strategy"] == strategy].pivot_table(index="seed", columns="round", values=column)
    return part.to_numpy(dtype=float)


def _ratio(mine: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the cost to reach the end of the other strategy, as a share of the other's cost; all curves grow by round."""
    from sklearn.isotonic import isotonic_regression

    curves = [(cost, isotonic_regression(merit)) for cost, merit in (mine, other)]
    (my_cost, my_merit), (their_cost, their_merit) = curves
    if my_merit[-1] >= their_merit[-1]:
        return _reached(my_cost, my_merit, their_merit[-1]) / float(their_cost[-1])
    needed = _reached(their_cost, their_merit, my_merit[-1])
    return float(my_cost[-1] / needed) if needed > 0 else float("inf")


def _reached(cost: np.ndarray, merit: np.ndarray, level: float) -> float:
    """Return the least cost at which a curve that never falls reaches a level."""
    after = int(np.searchsorted(merit, level, side="left"))
    if after == 0:
        return float(cost[0])
    share = (level - merit[after - 1]) / (merit[after] - merit[after - 1])
    return float(cost[after - 1] + share * (cost[after] - cost[after - 1]))
