"""Do few votes on many galaxies teach more a click than many votes on few, where galaxies are drawn at random?

    python tests/benchmarks/bench_votes_a_galaxy.py FOLDER [SEEDS [FIRST_SEED]]

Galaxies, features and head are those of bench_choices.py: FOLDER/embeddings are predictions of the Kaggle
challenge's galaxies by ImageNet's Lite0, and the test tenth is judged by 40 volunteers. Each seed parts the galaxies anew,
and 5, 10, 20 or 40 volunteers answer, in whole for 2,000 times 1, 2, 4, 8 and 16 looks at a galaxy (40 volunteers see 50 to
800 galaxies, 5 see 400 to 6,400, or all there are). Clicks are answers to all questions. Printed is what share of the clicks
of 40 votes a galaxy fewer votes need for the mean likelihood and the mean accuracy that 40 have at their end, with intervals
by the bootstrap over seeds, and drawn are the curves with 95% intervals of the mean: FOLDER/votes_a_galaxy.png. Finished
seeds are kept.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from bench_choices import DATA, fitted, posterior_of, sky_of

import zooactive as za
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop import label_efficiency, learning_curves
from zooactive.loop.metrics import metrics_of
from zooactive.models.head.bayesian import find_axes
from zooactive.prediction import open_predictions

VOLUNTEERS, LOOKS = (5, 10, 20, 40), tuple(2000 * 2**step for step in range(5))


def play(survey: za.Catalogue, x: np.ndarray, volunteers: int, seed: int) -> pd.DataFrame:
    """Learn from more and more galaxies, so many volunteers each; return what it cost and how good it is."""
    sky = sky_of(survey, x, volunteers, seed)
    order, rows = np.argsort(uniform_from_ids(sky.ids, purpose="sky", seed=seed)), []
    for step, looks in enumerate(LOOKS):
        known = order[: looks // volunteers]
        head = fitted(sky, known).head
        measured = metrics_of(posterior_of(head, sky.test_x, (str(i) for i in range(len(sky.test_x)))), sky.test_votes)
        cost = {"round": step, "labelled": len(known), "clicks": float(sky.votes[known].sum())}
        rows.append(cost | {f"test_{name}": value for name, value in measured.items()})
    return pd.DataFrame(rows).assign(strategy=f"{volunteers} votes", seed=seed)


def main(folder: Path, seeds: range) -> None:
    """Play what was not played before, print the ratios and draw the curves."""
    survey = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    ids, features = open_predictions(folder / "embeddings").embeddings_of(survey.ids)
    survey, x = survey.select(ids), find_axes([features]).of(features)
    for seed in seeds:
        for volunteers in VOLUNTEERS:
            file = folder / "votes-a-galaxy" / f"{volunteers}-{seed:03d}.csv"
            if not file.exists():
                file.parent.mkdir(exist_ok=True)
                began = time.process_time()
                play(survey, x, volunteers, seed).to_csv(file, index=False)
                print(f"seed {seed}, {volunteers} votes: {time.process_time() - began:.0f} s of a processor", flush=True)
    report(folder)


def report(folder: Path) -> None:
    """Print the ratios of all finished seeds, and draw their curves."""
    from matplotlib.figure import Figure

    files = sorted((folder / "votes-a-galaxy").glob("*.csv"))
    table = pd.concat([pd.read_csv(file) for file in files]).sort_values(["seed", "round"], kind="stable")
    finished = table.groupby("seed")["strategy"].transform("nunique") == len(VOLUNTEERS)
    table = table[finished].sort_values("strategy", key=lambda names: names.str.split().str[0].astype(int), kind="stable")
    print(f"{table['seed'].nunique()} seeds; of the clicks of 40 votes a galaxy, to what 40 have at their end")
    figure = Figure(figsize=(9.5, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (merit, larger) in zip(panels, {"test_likelihood": False, "test_accuracy": True}.items(), strict=True):
        found = label_efficiency(table, cost="clicks", merit=merit, larger_is_better=larger, against="40 votes")
        print(
            merit,
            *(f"  {row.strategy}: {row.ratio:.2f} ({row.low:.2f}-{row.high:.2f})" for row in found.itertuples()),
            sep="\n",
        )
        za.plots.strategy_curves(axes, learning_curves(table, cost="clicks", merit=merit), cost="clicks", merit=merit)
        axes.set_xscale("log")
    figure.savefig(folder / "votes_a_galaxy.png", dpi=110)
    ends = table[table["round"] == len(LOOKS) - 1].groupby("strategy", sort=False)
    print(ends[["labelled", "clicks", "test_likelihood", "test_accuracy"]].mean().round(4).to_string())


if __name__ == "__main__":
    number, first = (int(word) for word in [*sys.argv[2:], *("8", "0")[len(sys.argv) - 2 :]])
    main(Path(sys.argv[1]).resolve(), range(first, first + number))
