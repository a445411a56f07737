"""Is there a choice of galaxies that teaches more a click than random choice, where people vote and the encoder is frozen?

    python tests/benchmarks/bench_choices.py FOLDER VOTES FIRST_SEED SEEDS [WAY ...]      default: all of WAYS
    python tests/benchmarks/bench_choices.py FOLDER VOTES report
    python tests/benchmarks/bench_choices.py FOLDER VOTES keep

The Kaggle challenge's galaxies as ImageNet's Lite0 sees them (FOLDER/embeddings: predictions of them by that encoder), 128
principal axes, a head with a Gaussian posterior learnt anew in every round. Every seed has a test tenth, a start and votes
of its own: so many volunteers answer by the recorded fractions, and the test tenth is judged by 40. All ways have the same
start, and its galaxies choose the prior of all heads in turn, so that its choice adds nothing to the differences. All learn
from all that they paid for, the random tenth of each round too. Clicks are answers to all questions. A
ratio is what a way needs for the mean likelihood that random choice has at its end, of random choice's clicks; intervals by
the bootstrap over seeds. Nothing is chosen or tuned by this script: it is run with other seeds than those looked at before.
A way and a seed takes ten seconds of a processor. What FOLDER has finished is not played again, nor what `keep` has put
into choices.csv, beside this script.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import zooactive as za
from zooactive.acquisition import epig, expected_clicks, mutual_information
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop import draw_votes, label_efficiency
from zooactive.loop.metrics import metrics_of
from zooactive.models import FeatureAxes, find_axes, fit_bayesian_head
from zooactive.models.head.bayesian import BayesianFit, _Problem, _Rows
from zooactive.models.head.laplace import LaplaceHead
from zooactive.posterior import Posterior
from zooactive.prediction import open_predictions

KEPT = Path(__file__).with_name("choices.csv")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SIZES = {1: (800, 500, 4), 3: (500, 400, 4), 5: (400, 300, 4), 10: (300, 200, 4), 40: (200, 150, 4)}
"""By the number of volunteers: galaxies at the start, in each round, and rounds."""

DRAWS, TARGETS, RANDOM = 128, 2000, 0.1


@dataclass(frozen=True)
class Way:
    """How galaxies are chosen: a score, how sharply, within what, and how much each counts in the fit."""

    score: str = "none"
    beta: float = 1.0
    random: float = RANDOM
    weighted: float = 0.0
    """Power of 1 / (inclusion probability over that of random choice), as which a galaxy counts; 0: all alike."""

    cells: str = ""
    """One galaxy of each of n cells, equal in number: of "features", of "outputs"; or "typical", by clusters."""


WAYS = {
    "random": Way(),
    "mutual_information": Way("information", 4.0),
    "mutual_information, beta 1": Way("information"),
    "mutual_information, weighted": Way("information", 4.0, weighted=1.0),
    "mutual_information, beta 1, weighted": Way("information", weighted=1.0),
    "mutual_information, beta 1, half random": Way("information", random=0.5),
    "a click": Way("a click"),
    "a click, weighted": Way("a click", weighted=1.0),
    "epig": Way("epig", 4.0),
    "epig, beta 1": Way("epig"),
    "epig, beta 1, weighted": Way("epig", weighted=1.0),
    "epig a click": Way("epig a click"),
    "cells of features": Way(cells="features"),
    "cells of outputs": Way(cells="outputs"),
    "cells of features, information": Way("information", cells="features"),
    "cells of features, epig a click": Way("epig a click", cells="features"),
    "typical": Way(cells="typical"),
}


@dataclass(frozen=True)
class Sky:
    """The galaxies of a seed, as components of their features, with the votes of the volunteers who would answer."""

    ids: NDArray[np.object_]
    x: NDArray[np.float32]
    votes: NDArray[np.float64]
    test_x: NDArray[np.float32]
    test_votes: NDArray[np.float64]
    tree: za.DecisionTree


def sky_of(survey: za.Catalogue, x: NDArray[np.float32], volunteers: int, seed: int) -> Sky:
    """Part the galaxies, and let volunteers answer."""
    assert survey.tree is not None
    test = uniform_from_ids(survey.ids, purpose="split", seed=seed) < 0.1
    pool = draw_votes(survey.take(~test), volunteers=volunteers, seed=2 * seed)
    judged = draw_votes(survey.take(test), volunteers=40, seed=2 * seed + 1)
    return Sky(pool.ids, x[~test], pool.require_votes().votes, x[test], judged.require_votes().votes, survey.tree)


def fitted(sky: Sky, rows: NDArray[np.intp]) -> BayesianFit:
    """Learn from some galaxies, which choose the prior in turn."""
    same = FeatureAxes(np.zeros(sky.x.shape[1], "f4"), np.eye(sky.x.shape[1], dtype="f4"))
    return fit_bayesian_head(None, (sky.x[rows], sky.votes[rows]), sky.tree, same, in_turn=True)


def counted(sky: Sky, rows: NDArray[np.intp], counts: NDArray[np.float64], precision: float) -> LaplaceHead:
    """Learn from some galaxies under one prior, each counting so much."""
    problem = _Problem(sky.tree, "softplus")
    whole = _Rows(sky.x[rows], sky.votes[rows], counts)
    same = FeatureAxes(np.zeros(sky.x.shape[1], "f4"), np.eye(sky.x.shape[1], dtype="f4"))
    weights = problem.fit(whole, precision, problem.constant(whole.votes, sky.x.shape[1]))
    return problem.laplace(whole.x, whole.votes, weights, precision, same)


def posterior_of(head: LaplaceHead, x: NDArray[np.float32], ids: Iterable[str]) -> Posterior:
    """Draw for galaxies, all at once."""
    from zooactive.models.head.activation import activate

    kernels, biases = head.draw_weights(0, DRAWS, 0)
    outputs = np.stack([x @ kernel + bias for kernel, bias in zip(kernels, biases, strict=True)])
    return Posterior(activate(outputs, head.concentrations, head.tree), ids, head.tree)


def scores_of(way: Way, posterior: Posterior, volunteers: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return what a galaxy is worth."""
    if way.score == "none":
        return np.ones(len(posterior))
    if way.score.startswith("epig"):
        target = posterior.take(rng.choice(len(posterior), min(TARGETS, len(posterior)), replace=False))
        score = epig(posterior, target, votes=volunteers, exact=False)
    else:
        score = mutual_information(posterior, volunteers)
    return score / expected_clicks(posterior, volunteers) if way.score.endswith("click") else score


def cells_of(way: Way, x: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the cell of each galaxy: halved at the median of the widest axis, again and again, as equal as can be."""
    cells, waiting = np.zeros(len(x), dtype=np.intp), [(np.arange(len(x)), n)]
    number = 0
    while waiting:
        rows, parts = waiting.pop()
        if parts == 1:
            cells[rows], number = number, number + 1
            continue
        axis = int(np.argmax(x[rows].var(0)))
        order = rows[np.argsort(x[rows, axis], kind="stable")]
        left = parts // 2
        cut = len(order) * left / parts
        cut = int(cut) + int(rng.random() < cut % 1)
        waiting += [(order[:cut], left), (order[cut:], parts - left)]
    return cells


def typical(x: NDArray[np.float32], n: int, known: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Return the most typical galaxy of each of the largest clusters without a label (Hacohen et al. 2022, TypiClust)."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.neighbors import NearestNeighbors

    clusters = MiniBatchKMeans(len(known) + n, random_state=seed, n_init=1, batch_size=4096).fit_predict(x)
    distance = NearestNeighbors(n_neighbors=20).fit(x).kneighbors(x)[0][:, 1:].mean(1)
    size, labelled = np.bincount(clusters), np.bincount(clusters[known], minlength=clusters.max() + 1)
    chosen: list[int] = []
    free = np.ones(len(x), dtype=bool)
    free[known] = False
    for cluster in np.lexsort((-size, labelled)):
        inside = np.flatnonzero((clusters == cluster) & free)
        if len(inside) and len(chosen) < n:
            chosen.append(int(inside[np.argmin(distance[inside])]))
    return np.array(chosen)


def chosen_by(
    way: Way,
    sky: Sky,
    left: NDArray[np.intp],
    known: NDArray[np.intp],
    head: LaplaceHead,
    n: int,
    volunteers: int,
    seed: int,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the galaxies of a round, and how much each counts."""
    rng = np.random.default_rng(seed)
    if way.cells == "typical":
        return typical(sky.x, n, known, seed), np.ones(n)
    posterior = posterior_of(head, sky.x[left], sky.ids[left])
    worth = np.log(np.maximum(scores_of(way, posterior, volunteers, rng), 1e-12)) * way.beta
    noisy = worth + rng.gumbel(size=len(left))
    if way.cells:
        axes = sky.x[left] if way.cells == "features" else np.log(posterior.mean() + 0.01)
        cells = cells_of(way, np.asarray(axes, dtype=np.float64), n, rng)
        best = np.lexsort((-noisy, cells))
        return left[best[np.unique(cells[best], return_index=True)[1]]], np.ones(n)
    if way.score == "none":
        return left[rng.permutation(len(left))[:n]], np.ones(n)
    reserved = round(way.random * n)
    drawn = rng.choice(len(left), reserved, replace=False)
    noisy[drawn] = -np.inf
    order = np.argsort(-noisy)
    acquired, bar = order[: n - reserved], noisy[order[n - reserved]]
    picked = np.concatenate([acquired, drawn])
    r = reserved / len(left)
    p = r + (1 - r) * -np.expm1(-np.exp(np.minimum(worth[picked] - bar, 30)))
    counts = (n / len(left) / p) ** way.weighted
    return left[picked], counts / counts.mean()


def play(
    way: Way, sky: Sky, volunteers: int, seed: int, begun: BayesianFit | None
) -> tuple[list[dict[str, float]], BayesianFit]:
    """Play all rounds of one way with one seed; the fit to the start, and the prior, are the same for all."""
    start, n, rounds = SIZES[volunteers]
    known = np.argsort(uniform_from_ids(sky.ids, purpose="sky", seed=seed))[:start]
    begun = begun or fitted(sky, known)
    counts, told = np.ones(start), []
    for number in range(rounds + 1):
        head = counted(sky, known, counts, begun.precision) if number else begun.head
        measured = metrics_of(posterior_of(head, sky.test_x, (str(i) for i in range(len(sky.test_x)))), sky.test_votes)
        cost = {"labelled": len(known), "clicks": float(sky.votes[known].sum())}
        told.append({"round": number, **cost, **{f"test_{name}": value for name, value in measured.items()}})
        if number < rounds:
            left = np.setdiff1d(np.arange(len(sky.ids)), known)
            more, weights = chosen_by(way, sky, left, known, head, n, volunteers, 1000 * seed + number)
            known = np.concatenate([known, more])
            counts = np.concatenate([counts, weights])
    return told, begun


def main(folder: Path, volunteers: int, seeds: range, names: list[str]) -> None:
    """Play what was not played before, and report."""
    survey = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    ids, features = open_predictions(folder / "embeddings").embeddings_of(survey.ids)
    survey = survey.select(ids)
    x = find_axes([features]).of(features)
    known = finished(folder, volunteers)
    done = set(zip(known["strategy"], known["seed"], strict=True))
    for seed in seeds:
        sky, begun = sky_of(survey, x, volunteers, seed), None
        for name in names:
            if (name, seed) in done:
                continue
            file = folder / f"votes-{volunteers}" / name / f"seed-{seed:03d}.csv"
            began = time.perf_counter()
            rows, begun = play(WAYS[name], sky, volunteers, seed, begun)
            file.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).assign(strategy=name, seed=seed).to_csv(file, index=False)
            print(f"seed {seed}, {name}: {rows[-1]['test_likelihood']:.4f}, {time.perf_counter() - began:.0f} s", flush=True)
    report(folder, volunteers)


def finished(folder: Path, volunteers: int) -> pd.DataFrame:
    """Return the rounds that were played, those that are kept and those of the folder."""
    kept = pd.read_csv(KEPT) if KEPT.exists() else pd.DataFrame(columns=["votes", "strategy", "seed", "round"])
    files = sorted((folder / f"votes-{volunteers}").rglob("seed-*.csv"))
    found = pd.concat([kept[kept["votes"] == volunteers], *(pd.read_csv(file).assign(votes=volunteers) for file in files)])
    return found.drop_duplicates(["strategy", "seed", "round"]).astype({"seed": int, "round": int, "votes": int})


def keep(folder: Path, volunteers: int) -> None:
    """Put what the folder has finished beside this script, where later runs find it."""
    others = pd.read_csv(KEPT) if KEPT.exists() else pd.DataFrame(columns=["votes"])
    table = pd.concat([others[others["votes"] != volunteers], finished(folder, volunteers)])
    columns = ["votes", "strategy", "seed", "round", "labelled", "clicks", "test_likelihood", "test_accuracy"]
    table[columns].sort_values(columns[:4]).to_csv(KEPT, index=False, float_format="%.7g")


def report(folder: Path, volunteers: int) -> None:
    """Print what every way needs of random choice's clicks and galaxies, and how it ends."""
    table = finished(folder, volunteers)
    against = table[table["strategy"] == "random"]
    rows = []
    for name in table["strategy"].unique():
        if name == "random":
            continue
        mine = table[table["strategy"] == name]
        both = pd.concat([mine, against[against["seed"].isin(mine["seed"])]])
        both = both[both["seed"].isin(both[both["strategy"] == "random"]["seed"])]
        row: dict[str, object] = {"way": name, "seeds": both["seed"].nunique()}
        for cost in ("clicks", "labelled"):
            for merit, larger in (("test_likelihood", False), ("test_accuracy", True)):
                found = label_efficiency(both, cost=cost, merit=merit, larger_is_better=larger).iloc[0]
                row[f"{cost}, {merit[5:]}"] = f"{found['ratio']:.2f} ({found['low']:.2f}-{found['high']:.2f})"
        rows.append(row)
    with pd.option_context("display.width", 220, "display.max_columns", 20, "display.max_colwidth", 60):
        print(f"{volunteers} votes a galaxy; what each way needs of what random choice needs")
        print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    place, voters = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    if sys.argv[3] in ("report", "keep"):
        {"report": report, "keep": keep}[sys.argv[3]](place, voters)
    else:
        begin, number = int(sys.argv[3]), int(sys.argv[4])
        main(place, voters, range(begin, begin + number), sys.argv[5:] or list(WAYS))
