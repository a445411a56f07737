"""How well are Hubble's magnitudes told, and is the noise that was put into labels found again?

    python tests/benchmarks/bench_numbers.py [hubble] [synthetic]

hubble: the magnitude and the surface brightness of 203 galaxies, by five folds on the bundled encoder's features. Beside
predicting the mean and scikit-learn's BayesianRidge, which gets the same features, scaled to a spread of 1, and the same
four folds to learn from. "one view" is the image as it is, "eight views" are its orientations, "the encoder too" is the
policy staged. All intervals are 95% ones of a bootstrap over galaxies.

synthetic: numbers that are linear in features, with noise that is known: constant, depending on a feature, constant with 5%
outliers, constant with errors of each label that are given, and constant where the lower 40% are known by a limit alone.
What is found is compared with the truth on 10,000 galaxies
more, over five draws of the galaxies learnt from. No bound was set.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import BayesianRidge

import zooactive as za
from zooactive.evaluation.numbers import number_metrics
from zooactive.models import load_network
from zooactive.models.head.bayesian import find_axes
from zooactive.models.head.number_fit import fit_number_head
from zooactive.posterior.numbers import LEVELS, NumberPosterior
from zooactive.prediction import Embeddings
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers
from zooactive.training.finetuning.number_tasks import NumberTask
from zooactive.training.finetuning.numbers import clearly_better
from zooactive.training.head_features import head_features

HUBBLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "hubble" / "hubble.csv"
FOLDS, DRAWS, MORE, WIDTH = 5, 5, 10_000, 64


def hubble() -> None:
    """Cross-validate both columns."""
    network = load_network("bundled")
    for column in ("mag_z", "MU_HI"):
        task = NumberTask(column, column)
        measured = task.read(HUBBLE)
        views = head_features(network, measured.catalogue, 8)
        one = Embeddings(measured.catalogue.ids, views[0])
        config = FinetuneConfig(folds=FOLDS)
        print(f"\n{column}: {len(measured)} galaxies, spread {measured.values.std():.3f}", flush=True)
        head = timed(
            lambda one=one, task=task, config=config: za.finetune(
                None, HUBBLE, task=task, embeddings=one, config=config, progress=None
            )
        )
        say(
            "the mean",
            {name.replace("baseline_", ""): value for name, value in head.evaluate().items() if "baseline" in name},
        )
        say("BayesianRidge, one view", ridge(head, views[0], measured.catalogue.ids))
        say("this head, one view", head.evaluate())
        many = timed(lambda task=task, config=config: za.finetune(network, HUBBLE, task=task, config=config, progress=None))
        say("this head, eight views", many.evaluate())
        staged = FinetuneConfig(folds=FOLDS, policy="staged")
        deep = timed(lambda task=task, staged=staged: za.finetune(network, HUBBLE, task=task, config=staged, progress=None))
        say("the encoder too", deep.evaluate())
        print("  kept:", deep.history.loc[deep.history["kept"], "stage"].iloc[0])
        for name, tuned in (("one view", head), ("eight views", many), ("the encoder too", deep)):
            kept = tuned.model.head
            print(f"  {name}: noise {'constant' if kept.constant else 'of the features'}, outliers {kept.share:.3f}")


def timed(work) -> FinetunedNumbers:
    """Do it, and say how long it took."""
    began = time.monotonic()
    done = work()
    print(f"  {time.monotonic() - began:.1f} s", flush=True)
    return done


def ridge(head: FinetunedNumbers, features: NDArray[np.float32], ids: NDArray[np.object_]) -> dict[str, float]:
    """Measure scikit-learn's on the same folds."""
    row_of = {name: row for row, name in enumerate(ids)}
    table = head.held_out.set_index("id").loc[list(ids)].reset_index()
    y, fold = table["label"].to_numpy(float), table["fold"].to_numpy()
    mean, deviation = np.empty(len(y)), np.empty(len(y))
    assert list(map(row_of.__getitem__, table["id"])) == list(range(len(y)))
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        spread = features[train].std(0)
        x = (features - features[train].mean(0)) / np.where(spread > 1e-6, spread, 1)
        found = BayesianRidge(max_iter=1000).fit(x[train], y[train])
        mean[test], deviation[test] = found.predict(x[test], return_std=True)
    return number_metrics(NumberPosterior(mean, np.zeros(len(y)), deviation**2), y)


def say(name: str, metrics: dict[str, float]) -> None:
    """Print one row."""
    shown = ("rmse", "r2", "scatter", "outlier_fraction", "coverage_50", "coverage_80", "coverage_95", "log_density")
    cells = [
        f"{key} {metrics[key]:.3f} ({metrics[f'{key}_low']:.3f} to {metrics[f'{key}_high']:.3f})"
        for key in shown
        if key in metrics
    ]
    print(f"  {name:24}", "; ".join(cells), flush=True)


# Known noise ---------------------------------------------------------------------------------------------------------


def world(kind: str, galaxies: int, rng: np.random.Generator):
    """Return features, labels, their errors and the true noise of galaxies."""
    x = rng.normal(size=(galaxies, WIDTH)) * np.linspace(2, 0.5, WIDTH)
    x[:, 0] *= 3
    weights = np.random.default_rng(7).normal(size=WIDTH) / np.sqrt(WIDTH)
    noise = np.full(galaxies, 0.5)
    if kind == "of a feature":
        noise = np.exp(-1 + 0.6 * x[:, 0] / 6)
    errors = rng.uniform(0.2, 1.5, galaxies) if kind == "errors given" else None
    y = 11 + x @ weights + noise * rng.normal(size=galaxies)
    if kind == "5% outliers":
        bad = rng.random(galaxies) < 0.05
        y[bad] += 6 * rng.normal(size=bad.sum())
    if errors is not None:
        y += errors * rng.normal(size=galaxies)
    return x, y, errors, noise


def hidden(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return labels of which the lower 40% are known by a limit alone, and the sides of these."""
    limit = np.quantile(y, 0.4)
    return np.maximum(y, limit), np.where(y < limit, -1, 0)


def synthetic() -> None:
    """Recover the noise."""
    for kind in ("constant", "of a feature", "5% outliers", "errors given", "limits"):
        for galaxies in (200, 1000, 4000):
            rows = []
            for draw in range(DRAWS):
                rng = np.random.default_rng(draw)
                x, y, errors, _ = world(kind, galaxies, rng)
                limits: np.ndarray = np.zeros(galaxies)
                if kind == "limits":
                    y, limits = hidden(y)
                more, labels, theirs, noise = world(kind, MORE, rng)
                cut = galaxies * 4 // 5
                judged = slice(cut, None)
                fits = {}
                for which in ("constant", "features"):
                    fit = fit_number_head(
                        x[:cut],
                        y[:cut],
                        find_axes([x[:cut]]),
                        errors=None if errors is None else errors[:cut],
                        limits=limits[:cut],
                        noise=which,
                    )
                    told = fit.head.predict(x[judged])
                    told = told if errors is None else told.with_errors(errors[judged])
                    beyond = told.log_beyond(y[judged], limits[judged] > 0)
                    fits[which] = np.where(limits[judged] == 0, told.log_density(y[judged]), beyond)
                chosen = "features" if clearly_better(fits["features"], fits["constant"]) else "constant"
                head = fit_number_head(x, y, find_axes([x]), errors=errors, limits=limits, noise=chosen).head  # type: ignore[arg-type]
                told = head.predict(more)
                found = np.sqrt(told.noise)
                whole = told if theirs is None else told.with_errors(theirs)
                ends = [whole.interval(level) for level in LEVELS]
                rows.append(
                    [
                        np.exp(np.log(found / noise).mean()),
                        np.corrcoef(np.log(found), np.log(noise))[0, 1] if np.ptp(noise) and np.ptp(found) else np.nan,
                        chosen == "features",
                        head.share,
                        *[((end[:, 0] <= labels) & (labels <= end[:, 1])).mean() for end in ends],
                    ]
                )
            table = pd.DataFrame(rows, columns=["noise/true", "correlation", "of features", "outliers", "50%", "80%", "95%"])
            means = "; ".join(f"{name} {table[name].mean():.3f} ± {table[name].std():.3f}" for name in table)
            print(f"{kind:13} {galaxies:5} galaxies: {means}", flush=True)


if __name__ == "__main__":
    asked = sys.argv[1:] or ["hubble", "synthetic"]
    if "synthetic" in asked:
        synthetic()
    if "hubble" in asked:
        hubble()
