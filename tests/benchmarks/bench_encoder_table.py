"""Is another encoder better than the bundled one? Once, on four tests that neither has seen, galaxy by galaxy.

    python tests/benchmarks/bench_encoder_table.py FOLDER ENCODER [ENCODER ...]

An ENCODER is "bundled", a model's folder, or a .safetensors file of Lite0 such as `examples/long/lite0_weights.py` writes;
the first is what the others are compared with. Each is frozen, and only heads learn: votes of the Galaxy Zoo challenge (its
learning part teaches, a tenth of it chooses the prior, its test tenth judges), rings (five folds, cut to 0.6), the fraction
of features of Hubble's galaxies (five folds), and the five clean classes (five folds of their test tenth, which
`train_encoder.py` leaves alone). Brackets hold 95% intervals over galaxies, by 2,000 resamples, the same for all encoders.
Every look at these galaxies makes them a worse judge: choose by `bench_encoder_tries.py`, and come here at the end.
Predictions are kept in FOLDER. An encoder takes some five minutes of two cores.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import zooactive as za
from zooactive.evaluation.asked import each_asked
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.models import find_axes, fit_bayesian_head, load_network, load_published
from zooactive.models.features import embed
from zooactive.models.head.laplace import losses_of
from zooactive.posterior import Posterior
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.tasks import Task, load_task
from zooactive.training.weights import votes_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPLIT, SIZE, CROP, RESAMPLES = (0.85, 0.05, 0.10), 192, 0.85, 2000
Arrays = dict[str, NDArray[np.float64]]


def load(name: str) -> za.GalaxyModel:
    """Load an encoder by its name or place."""
    if not name.endswith(".safetensors"):
        return load_network(name)
    model = load_published(name, "gz2_kaggle", image_size=SIZE)
    return model.with_tree("gz2_kaggle", preprocessing=replace(model.preprocessing, crop=CROP))


def votes(model: za.GalaxyModel) -> Arrays:
    """Judge a head by the votes of the challenge's test tenth."""
    catalogue = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    learning, _, test = catalogue.split(SPLIT)
    assert learning.tree is not None
    tree = learning.tree
    x, k, unseen, truth = embed(model, learning)[0], votes_of(learning), embed(model, test)[0], votes_of(test)
    judges = uniform_from_ids(learning.ids, purpose="judges", seed=0) < 0.1
    axes = find_axes([x.astype(np.float32)], components=128)
    head = fit_bayesian_head((x[~judges], k[~judges]), (x[judges], k[judges]), tree, axes).head
    posterior = Posterior(head.posterior_concentrations(unseen, draws=64, seed=0), test.ids, tree)
    mean, right, asked = posterior.mean(), np.zeros(len(test)), np.zeros(len(test))
    for one in each_asked(truth, tree):
        asked[one.rows] += 1
        right[one.rows] += one.of(mean).argmax(1) == one.votes.argmax(1)
    return {"nats": losses_of(head, unseen, truth, draws=64), "right": right, "asked": asked}


def task(where: Path, how: Task | str, test: bool = False) -> Callable[[za.GalaxyModel], Arrays]:
    """Return what cross-validates a head on a small task: each galaxy is judged by a head that has not learnt from it."""

    def judged(model: za.GalaxyModel) -> Arrays:
        chosen = load_task(how)
        labels = chosen.read(where)
        labels = labels.split(SPLIT)[2] if test else labels
        tuned = za.finetune(model, labels, task=chosen, config=FinetuneConfig(policy="head", folds=5), progress=None)
        columns = list(tuned.model.tree.columns)
        held = tuned.held_out.sort_values("id")
        return {
            "expected": held[columns].to_numpy(dtype=float),
            "votes": held[[f"{column}_votes" for column in columns]].to_numpy(dtype=float),
        }

    return judged


JUDGES: dict[str, Callable[[za.GalaxyModel], Arrays]] = {
    "votes": votes,
    "rings": task(DATA / "rings" / "rings.csv", replace(load_task("rings"), crop=0.6)),
    "hubble": task(DATA / "hubble" / "hubble.csv", "hubble"),
    "classes": task(
        DATA / "zhu5" / "galaxies.parquet", Task("zhu5", "zhu5", label_column="label", crop=CROP * 240 / 256), test=True
    ),
}


def hits(found: Arrays, rows: NDArray[np.int64]) -> float:
    """Return the accuracy over the pairs of a galaxy and a question that most of its volunteers were asked."""
    return float(found["right"][rows].sum() / found["asked"][rows].sum())


def accuracy(found: Arrays, rows: NDArray[np.int64]) -> float:
    """Return the share of galaxies whose label is expected."""
    return float((found["expected"][rows].argmax(1) == found["votes"][rows].argmax(1)).mean())


def area(found: Arrays, rows: NDArray[np.int64]) -> float:
    """Return the AUC of the first answer."""
    return float(roc_auc_score(found["votes"][rows, 0] > 0, found["expected"][rows, 0]))


def log_loss(found: Arrays, rows: NDArray[np.int64]) -> float:
    """Return the nats per label."""
    return float(-np.log((found["expected"] * (found["votes"] > 0)).sum(1)[rows]).mean())


def error(found: Arrays, rows: NDArray[np.int64]) -> float:
    """Return the mean absolute error of the first fraction."""
    return float(np.abs(found["expected"][rows, 0] - shares(found)[rows]).mean())


def correlation(found: Arrays, rows: NDArray[np.int64]) -> float:
    """Return Pearson's correlation of the first fraction."""
    return float(np.corrcoef(found["expected"][rows, 0], shares(found)[rows])[0, 1])


def shares(found: Arrays) -> NDArray[np.float64]:
    """Return the fractions of votes for the first answer."""
    return np.asarray(found["votes"][:, 0] / found["votes"].sum(1))


METRICS: dict[str, tuple[str, Callable[[Arrays, NDArray[np.int64]], float]]] = {
    "votes, nats": ("votes", lambda found, rows: float(found["nats"][rows].mean())),
    "votes, accuracy": ("votes", hits),
    "rings, accuracy": ("rings", accuracy),
    "rings, AUC": ("rings", area),
    "hubble, correlation": ("hubble", correlation),
    "hubble, error": ("hubble", error),
    "classes, accuracy": ("classes", accuracy),
    "classes, nats": ("classes", log_loss),
}


def main(folder: Path, names: list[str]) -> None:
    """Measure each encoder by each judge, and print the table."""
    folder.mkdir(exist_ok=True)
    for name in names:
        model = load(name)
        for judge, measured in JUDGES.items():
            file = folder / f"{Path(name).stem} {judge}.npz"
            if not file.exists():
                began = time.process_time()
                np.savez(file, **measured(model))  # type: ignore[arg-type]
                minutes = (time.process_time() - began) / 60
                print(f"{name}: {judge}, {minutes:.1f} min of a processor", flush=True)
    rows = []
    for metric, (judge, value) in METRICS.items():
        found = [dict(np.load(folder / f"{Path(name).stem} {judge}.npz")) for name in names]
        number = len(next(iter(found[0].values())))
        drawn = np.random.default_rng(0).integers(number, size=(RESAMPLES, number))
        values = np.array([[value(one, rows) for rows in (np.arange(number), *drawn)] for one in found])
        row = {"metric": metric, "galaxies": number}
        for name, own in zip(names, values, strict=True):
            row[Path(name).stem] = with_interval(own)
            if name != names[0]:
                row[f"{Path(name).stem} less {Path(names[0]).stem}"] = with_interval(own - values[0])
        rows.append(row)
    with pd.option_context("display.width", 250, "display.max_columns", 20):
        print(pd.DataFrame(rows).to_string(index=False))


def with_interval(values: NDArray[np.float64]) -> str:
    """Tell the first of some values, with the 95% interval that the others, of resamples, give."""
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{values[0]:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
