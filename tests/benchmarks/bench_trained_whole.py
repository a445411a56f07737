"""Does mutual information teach more a click than random choice, where a network is trained whole in every round?

    python tests/benchmarks/bench_trained_whole.py FOLDER [CASE ...]        default: all of CASES
    python tests/benchmarks/bench_trained_whole.py FOLDER [CASE ...] report

A small network from fresh weights, on the Kaggle challenge's galaxies with 5 volunteers each; the bundled encoder, trained
further as a whole in every round, on the clean classes of galaxies that it was not trained on (one label each) and on a
simulated sky (5 volunteers each). Of 4,000 galaxies a tenth tests and is never asked for; there, 40 volunteers
answer. Draws are those of dropout, the default of `[loop]`. Both ways have the same start, and learn from all that they paid
for but the random arm. Ratios are to random choice's cost at its end, with intervals by the bootstrap over seeds. The number
of epochs and the learning rate were set before the first round and not tuned. A second run goes on. Some 25 s of a processor
a round.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from bench_automatic import GALAXIES, play, survey_of

import zooactive as za
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop import LoopConfig, NetworkLearner, label_efficiency
from zooactive.models.config import Network

STRATEGIES, SEEDS, ROUNDS = ("random", "mutual_information"), range(4), 3


@dataclass(frozen=True)
class Case:
    """A survey, a network and how it is trained."""

    survey: str
    network: Network
    training: za.TrainingConfig
    start: int
    config: LoopConfig


SMALL = Network(backbone="small_cnn", image_size=64, crop=0.6)
BUNDLED = Network(backbone="efficientnet_lite0", image_size=64, start="bundled")
CLASSES = replace(BUNDLED, crop=240 / 256, concentrations="fraction")
FURTHER = za.TrainingConfig(epochs=8, batch_size=32, learning_rate=3e-4, patience=3)
CASES = {
    "scratch": Case(
        "kaggle", SMALL, za.TrainingConfig(epochs=30, batch_size=64, patience=6), 600, LoopConfig(n=500, votes=5)
    ),
    "labels": Case("zhu5", CLASSES, FURTHER, 160, LoopConfig(n=120, votes=1)),
    "sky": Case("sky", BUNDLED, FURTHER, 400, LoopConfig(n=300, votes=5)),
}


def main(folder: Path, name: str) -> None:
    """Play, and report."""
    case, survey = CASES[name], survey_of(CASES[name].survey)
    assert survey.tree is not None
    rows = survey.take(uniform_from_ids(survey.ids, purpose="sky", seed=0).argsort()[:GALAXIES])
    pool, test = rows.split((0.9, 0.1))
    learner = NetworkLearner(survey.tree, case.network, case.training, draws=32, progress=None)
    how = {"strategies": STRATEGIES, "seeds": SEEDS, "start": case.start, "rounds": ROUNDS}
    play(folder / name, learner, (pool, test), case.config, **how)
    report(folder, name)


def report(folder: Path, name: str) -> None:
    """Print the curves and the ratios of all seeds that are whole."""
    table = pd.read_csv(folder / name / "rounds.csv")
    table = table.groupby("seed").filter(lambda rows: len(rows) == len(STRATEGIES) * (ROUNDS + 1))
    print(f"\n{name}, {table['seed'].nunique()} seeds")
    for cost in ("clicks", "labelled"):
        for merit, larger in {"test_likelihood": False, "test_accuracy": True}.items():
            found = label_efficiency(table, cost=cost, merit=merit, larger_is_better=larger).iloc[0]
            print(f"  {cost} of random choice's, by {merit}: {found['ratio']:.2f} ({found['low']:.2f}-{found['high']:.2f})")
    means = table.groupby(["strategy", "round"])[["labelled", "clicks", "test_likelihood", "test_accuracy"]].mean()
    print(means.round(3).to_string())


if __name__ == "__main__":
    place, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    for word in [word for word in words if word != "report"] or list(CASES):
        if "report" in words:
            report(place, word)
        else:
            main(place, word)
