"""What does `strategy = "auto"` decide where people vote, where experts label and on a simulated sky, and what does it save?

    python tests/benchmarks/bench_automatic.py FOLDER [kaggle | zhu5 | sky ...] [report]

"auto" is played beside random choice and beside mutual information, which it tries: the same starts, three rounds, five
seeds, tested on a tenth that is never asked for. The Kaggle challenge's galaxies as ImageNet's Lite0 sees them
(FOLDER/lite0.safetensors, of `examples/long/lite0_weights.py`; FOLDER/embeddings, as for bench_choices.py), 5 volunteers
each; the clean classes of galaxies that the bundled encoder was not trained on, a label each; and simulated galaxies as that
encoder sees them, 5 volunteers each. Printed is what "auto" said in each round, and what it and mutual information need of
random choice's clicks for the same likelihood, with intervals by the bootstrap over seeds. A second run goes on; `report`
prints what is finished.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from learnt import DATA, unseen

import zooactive as za
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop import HeadLearner, LoopConfig, draw_votes, label_efficiency, rehearse
from zooactive.loop.learners import Learner
from zooactive.loop.round_files import rounds_in, why_of
from zooactive.models import load_network, load_published

STRATEGIES = ("random", "mutual_information", "auto")
SEEDS, ROUNDS, GALAXIES = range(5), 3, 4000
SIZES = {
    "kaggle": (400, LoopConfig(n=300, votes=5)),
    "zhu5": (160, LoopConfig(n=120, votes=1)),
    "sky": (400, LoopConfig(n=300, votes=5)),
}
"""Galaxies with votes at the start, and each round's."""


def survey_of(name: str) -> za.Catalogue:
    """Return the galaxies."""
    if name == "sky":
        return za.simulate.simulate_sky(GALAXIES, seed=3, size=64).catalogue(volunteers=40)
    kaggle = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    if name == "kaggle":
        return kaggle
    zhu = za.read_catalogue(DATA / "zhu5" / "galaxies.parquet", tree="zhu5", label_column="label")
    return zhu.take(unseen(zhu))


def main(folder: Path, name: str) -> None:
    """Play, and report."""
    survey = survey_of(name)
    assert survey.tree is not None
    kind = "fraction" if survey.tree.votes == "class" else "softplus"
    if name == "kaggle":
        start: za.GalaxyModel = load_published(folder / "lite0.safetensors", "gz2_kaggle", image_size=192)
    else:
        seen = za.Preprocessing(size=64, crop=240 / 256 if name == "zhu5" else 1.0)
        start = load_network("bundled").with_tree(survey.tree, preprocessing=seen, concentrations=kind)
    place = folder / ("embeddings" if name == "kaggle" else f"embeddings-of-{name}")
    stored = za.predict(start, survey.without_votes(), out=place, draws=1, progress=None)
    rows = np.sort(np.argsort(uniform_from_ids(survey.ids, purpose="sky", seed=0))[:GALAXIES])
    pool, test = survey.take(rows).split((0.9, 0.1))
    first, config = SIZES[name]
    learner = HeadLearner(start, survey.tree, stored, draws=64)
    play(folder / name, learner, (pool, test), config, strategies=STRATEGIES, seeds=SEEDS, start=first, rounds=ROUNDS)
    report(folder, name)


def play(folder: Path, learner: Learner, parts: tuple[za.Catalogue, za.Catalogue], config: LoopConfig, **how: Any) -> None:
    """Rehearse on a pool and test galaxies, with as many volunteers as `config` says; 40, or a class, test."""
    (pool, test), began = parts, time.process_time()
    rehearse(
        folder,
        learner,
        draw_votes(pool, volunteers=config.votes, seed=0),
        test=draw_votes(test, volunteers=1 if learner.tree.votes == "class" else 40, seed=1),
        config=config,
        progress=lambda strategy, seed, done: print(
            f"{folder.name}: {strategy}, seed {seed}, round {done}:",
            f"{(time.process_time() - began) / 60:.1f} min of a processor",
            flush=True,
        ),
        **how,
    )


def report(folder: Path, name: str) -> None:
    """Print what was decided and what it came to, of all seeds that are whole."""
    table = pd.read_csv(folder / name / "rounds.csv")
    table = table.groupby("seed").filter(lambda rows: len(rows) == len(STRATEGIES) * (ROUNDS + 1))
    print(f"\n{name}, {table['seed'].nunique()} seeds")
    for seed in sorted(table["seed"].unique()):
        for entry in rounds_in(folder / name / "auto" / f"seed-{seed:03d}")[:ROUNDS]:
            print(f"  seed {seed}, round {entry.number}: {why_of(entry)}")
    for cost in ("clicks", "labelled"):
        for merit, larger in {"test_likelihood": False, "test_accuracy": True}.items():
            found = label_efficiency(table, cost=cost, merit=merit, larger_is_better=larger)
            told = (f"{row.strategy} {row.ratio:.2f} ({row.low:.2f}-{row.high:.2f})" for row in found.itertuples())
            print(f"  {cost} of random choice's, by {merit}: {', '.join(told)}")


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    words = sys.argv[2:]
    for word in [word for word in words if word != "report"] or list(SIZES):
        if "report" in words:
            report(place, word)
        else:
            main(place, word)
