"""Who should choose the prior of a head: a fifth of the galaxies or all in turn, by the weights alone or by draws?

    python tests/benchmarks/bench_prior.py FOLDER [SEEDS [FIRST_SEED]]

100, 300 and 1,000 galaxies are learnt from: the Kaggle challenge's as ImageNet's Lite0 sees them (FOLDER/embeddings, as for
bench_choices.py), by 5 and by 10 volunteers each, and the clean classes of galaxies that the bundled encoder was not trained
on, a label each. Printed is what each way's choice costs on a fifth of the galaxies that took no part: nats a galaxy above
the best of the priors that are tried, as the test galaxies themselves would choose it, the mean over seeds with its 95%
interval. "before" is what zooactive did until December 2026, "in turn, draws" what it does. Seeds 0 to 5 were looked at when
that was decided. A minute of a processor a seed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from bench_automatic import survey_of
from bench_choices import DATA
from scipy import stats

import zooactive as za
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop import draw_votes
from zooactive.models import FeatureAxes, find_axes, load_model
from zooactive.models.head.bayesian import JUDGED_DRAWS, PRECISIONS, _Problem, _Rows
from zooactive.models.head.laplace import losses_of
from zooactive.prediction import open_predictions

SIZES, FOLDS = (100, 300, 1000), 5


def worlds(folder: Path) -> Iterator[tuple[str, za.Catalogue, np.ndarray, int]]:
    """Yield each survey with its features and the number of volunteers."""
    survey = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    ids, features = open_predictions(folder / "embeddings").embeddings_of(survey.ids)
    for volunteers in (5, 10):
        yield f"votes of {volunteers}", survey.select(ids), features, volunteers
    survey = survey_of("zhu5")
    survey = survey.take(np.sort(np.argsort(uniform_from_ids(survey.ids, purpose="sky", seed=0))[:4000]))
    assert survey.tree is not None
    seen = za.Preprocessing(size=64, crop=240 / 256)
    model = load_model("bundled").with_tree(survey.tree, preprocessing=seen, concentrations="fraction")
    stored = za.predict(model, survey.without_votes(), out=folder / "embeddings-of-zhu5", draws=1, progress=None)
    ids, features = stored.embeddings_of(survey.ids)
    yield "a class", survey.select(ids), features, 1


def costs(survey: za.Catalogue, x: np.ndarray, volunteers: int, seed: int) -> Iterator[dict[str, float]]:
    """Yield what each way's choice costs, for each number of galaxies."""
    assert survey.tree is not None
    classes, tree = survey.tree.votes == "class", survey.tree
    same = FeatureAxes(np.zeros(x.shape[1], "f4"), np.eye(x.shape[1], dtype="f4"))
    problem = _Problem(tree, "fraction" if classes else "softplus")
    test = uniform_from_ids(survey.ids, purpose="split", seed=seed) < 0.2
    votes, judged = (
        survey.require_votes().votes if classes else draw_votes(survey, volunteers=number, seed=drawn).require_votes().votes
        for number, drawn in ((volunteers, 2 * seed), (40, 2 * seed + 1))
    )
    order = np.argsort(uniform_from_ids(survey.ids, purpose="sky", seed=seed))
    for number in SIZES:
        rows = order[~test[order]][:number]

        def part(some: np.ndarray) -> _Rows:
            return _Rows(x[some], votes[some].astype(np.float64), np.ones(len(some)))

        start, loss = problem.constant(part(rows).votes, x.shape[1]), {}
        for prior in PRECISIONS:
            start = problem.fit(part(rows), prior, start)
            head = problem.laplace(part(rows).x, part(rows).votes, start, prior, same)
            loss[prior] = float(losses_of(head, x[test], judged[test], draws=64).mean())
        told: dict[str, list[list[float]]] = {"weights": [], "draws": []}
        for fold in range(FOLDS):
            mine = np.arange(number) % FOLDS == fold
            for how, draws in (("weights", 0), ("draws", JUDGED_DRAWS)):
                _, losses = problem.judged(part(rows[~mine]), part(rows[mine]), PRECISIONS, draws=draws)
                told[how].append([losses[prior] for prior in PRECISIONS])
        chosen = {
            "a fifth, weights (before)": np.array(told["weights"][0]),
            "a fifth, draws": np.array(told["draws"][0]),
            "in turn, weights": np.mean(told["weights"], axis=0),
            "in turn, draws (now)": np.mean(told["draws"], axis=0),
        }
        yield {
            "galaxies": number,
            **{way: loss[PRECISIONS[values.argmin()]] - min(loss.values()) for way, values in chosen.items()},
        }


def main(folder: Path, seeds: range) -> None:
    """Measure, and print the means."""
    for name, survey, features, volunteers in worlds(folder):
        x = find_axes([features]).of(features)
        table = pd.DataFrame([row for seed in seeds for row in costs(survey, x, volunteers, seed)])
        print(f"{name}, {len(seeds)} seeds: nats a galaxy above the best prior")
        half = stats.t.ppf(0.975, len(seeds) - 1) / np.sqrt(len(seeds))
        for number, group in table.groupby("galaxies"):
            means = (f"{way} {group[way].mean():.3f} +- {half * group[way].std():.3f}" for way in table.columns[1:])
            print(f"  {number} galaxies: {'; '.join(means)}")
            fall = group[table.columns[-1]] - group[table.columns[1]]
            told = f"{fall.mean():.3f} +- {half * fall.std():.3f}, {(fall < 0).sum()} seeds better, {(fall > 0).sum()} worse"
            print(f"    now less before: {told}", flush=True)


if __name__ == "__main__":
    amount, first = (int(word) for word in [*sys.argv[2:], *("8", "100")[len(sys.argv) - 2 :]])
    main(Path(sys.argv[1]).resolve(), range(first, first + amount))
