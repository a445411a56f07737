"""What does a choice of galaxies to label save? Answers to a given AUC, and rare kinds found, by each way to choose.

    python tests/benchmarks/bench_label_savings.py FOLDER [PART ...]    of curves, cigar, lens, ring; default all

FOLDER keeps the features of the bundled encoder. Labels come from `rings` and from those galaxies of `zhu5` whose images
the encoder has not learnt from; the head is fitted to nothing but the answers. The session is the one behind the page: one
galaxy in ten is drawn at random, one in twenty is asked again, and all these count as answers. After every five answers it
has learnt them before it goes on. In every seed a tenth of all galaxies, by hashed id, judges and is never offered (of
rings, of which there are 377, three tenths).

curves: rings, and 1,000 galaxies of zhu5 in five classes. How many answers does it take until the mean AUC of the last three
fits is that of the head fitted to the whole pool, less .01? A seed that is not there after 250 and 400 answers counts as all
galaxies of the pool. Ratios are to "random", intervals by the bootstrap over seeds.

rare kinds: 60 of them in a pool of 3,000. Cigars are as common in zhu5 itself. Lenses are those of spacewarps_cfhtls with a
grade of 2 or more; the others are the doubtful ones there, below 1, so that the survey does not tell them, and zhu5. Rings
are among the galaxies of `rings` without one and those of zhu5 that are no spirals. One example is given; what looks like it
comes in turn with what is unlike all seen, until there is a fit. Judged are average precision, and how many of the kind are
in the top 2% of the judging tenth, of as many as there may be, both on galaxies in the same shares, and how many of the 60
were found, after 30, 60 and 100 answers; beside them the head fitted to the whole pool. Differences between ways are of the
same seeds.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bench_encoders
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

import zooactive as za
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop.labelling import background
from zooactive.loop.labelling.learning import axes_of, learn
from zooactive.loop.labelling.session import Session
from zooactive.tree import DecisionTree, Question

background._lower_priority = lambda: None  # nobody waits for a key here, and everything for the fit
SHARED = bench_encoders.SHARED
MODES = ("informative", "surest", "both", "random")
SEEDS, TIMES, EVERY = 10, 2000, 5
POOL, RARE, MARKS = 3000, 60, (30, 60, 100)
TOP = 0.02


@dataclass(frozen=True)
class Known:
    """Galaxies whose features and labels are known; `near` marks those of the survey that the rare kind is from."""

    ids: NDArray[np.object_]
    features: NDArray[np.float16]
    labels: NDArray[np.int64]
    answers: tuple[str, ...]
    near: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> Known:
        """Return some of them."""
        return Known(self.ids[rows], self.features[rows], self.labels[rows], self.answers, self.near[rows])

    @property
    def tree(self) -> DecisionTree:
        """One question, with these answers."""
        return DecisionTree("labels", (Question("kind", self.answers),), votes="class")

    def parts(self, seed: int, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows that may be offered, and those that judge."""
        judges = uniform_from_ids(self.ids, purpose="held-out", seed=seed) < share  # type: ignore[arg-type]
        return np.flatnonzero(~judges), np.flatnonzero(judges)


# What is known -------------------------------------------------------------------------------------------------------


def features_of(name: str, folder: Path) -> tuple[NDArray[np.object_], NDArray[np.float16], NDArray[np.float64]]:
    """Return ids, features and labels of `rings`, of `lenses`, whose labels are grades, or of the unseen part of `zhu5`."""
    model = za.load_model("bundled")
    if name == "lenses":
        home = SHARED / "spacewarps_cfhtls"
        galaxies = za.read_catalogue(home / "galaxies.csv", images=home / "images")
        grades = pd.read_csv(home / "galaxies.csv", dtype={"id": str}).set_index("id")["lens_grade"]
        labels = grades[galaxies.ids.tolist()].to_numpy(float)
    else:
        bench_encoders.MOST = 100_000
        task, galaxies = bench_encoders.galaxies_of(name)
        model = model.with_tree(model.tree, preprocessing=task.preprocessing(model.preprocessing))
        labels = galaxies.votes.argmax(1).astype(float)
    known = za.embed(model, galaxies, folder / name, progress=None)
    rows = known.rows_of(galaxies.ids)
    return galaxies.ids[rows >= 0], known.features[rows[rows >= 0]], labels[rows >= 0]


def known_of(name: str, folder: Path) -> Known:
    """Return the galaxies of a part."""
    if name == "rings":
        ids, features, labels = features_of("rings", folder)
        return Known(ids, features, labels.astype(int), ("yes", "no"), np.ones(len(ids), bool))
    zhu5 = features_of("zhu5", folder)
    kinds = zhu5[2].astype(int)
    if name == "zhu5":
        answers = ("round", "between", "cigar", "edge", "spiral")
        return Known(zhu5[0], zhu5[1], kinds, answers, np.ones(len(kinds), bool))
    if name == "cigar":
        return Known(zhu5[0], zhu5[1], (kinds != 2).astype(int), ("yes", "no"), np.zeros(len(kinds), bool))
    near = features_of("lenses" if name == "lens" else "rings", folder)
    yes = near[2] >= 2 if name == "lens" else near[2] == 0
    sure = yes | (near[2] < 1) if name == "lens" else np.ones(len(yes), bool)
    far = kinds >= 0 if name == "lens" else kinds != 4
    ids = np.concatenate([[f"near {galaxy}" for galaxy in near[0][sure]], [f"far {galaxy}" for galaxy in zhu5[0][far]]])
    labels = np.concatenate([~yes[sure], np.ones(far.sum(), bool)]).astype(np.int64)
    of_near = np.arange(len(ids)) < sure.sum()
    return Known(
        ids.astype(object), np.concatenate([near[1][sure], zhu5[1][far]]), labels.astype(np.int64), ("yes", "no"), of_near
    )


def rare_parts(known: Known, seed: int) -> tuple[Known, Known]:
    """Return a pool with `RARE` of the rare kind, and judges with as large a share of it."""
    offered, judges = known.parts(seed, 0.1)
    rng = np.random.default_rng(seed)

    def some(rows: NDArray[np.int64], yes: int) -> Known:
        wanted = rng.permutation(rows[known.labels[rows] == 0])[:yes]
        others = rng.permutation(rows[known.labels[rows] == 1])
        others = others[np.argsort(~known.near[others], kind="stable")][: round(len(wanted) * (POOL - RARE) / RARE)]
        return known.take(rng.permutation(np.concatenate([wanted, others])))

    return some(offered, RARE), some(judges, len(judges))


# A labeller who knows ------------------------------------------------------------------------------------------------


def ceiling(pool: Known, judges: Known) -> NDArray[np.float32]:
    """Return what the head says of the judges that was fitted to the whole pool, (galaxy, answer)."""
    votes = np.eye(len(pool.answers))[pool.labels]
    axes = axes_of(pool.features)
    return learn(pool.features, votes, pool.ids.tolist(), pool.tree, axes).probabilities(judges.features)


def labelled(pool: Known, judges: Known, mode: str, seed: int, answers: int, *, example: bool):
    """Label, and yield after each fit: answers, what the head says of the judges (or None), and rows with a label."""
    order = np.random.default_rng(1000 + seed)
    with tempfile.TemporaryDirectory() as folder:
        session = Session(pool.ids, pool.tree, Path(folder) / "kind", seed=seed)
        try:
            session.embedded(pool.features)
            session.wait()
            if example:
                first = int(order.choice(np.flatnonzero(pool.labels == 0)))
                session.answer(str(pool.ids[first]), pool.answers[0], "me")
                session.wait()
            for number in range(1, answers + 1):
                found = session.next("page", "me", mode=mode)  # type: ignore[arg-type]
                if found is None:
                    return
                said = pool.answers[pool.labels[found.row]]
                session.answer(str(pool.ids[found.row]), said, "me", chosen=found.chosen, probability=found.probability)
                if number % EVERY == 0:
                    session.wait()
                    learnt = session.learnt
                    told = None if learnt is None else learnt.probabilities(judges.features)
                    yield number, told, [session.row_of(galaxy) for galaxy in session.answers.galaxies]
        finally:
            session.close()


def interval(values: NDArray[np.float64]) -> str:
    """Return a mean over seeds with its 95% interval, by the bootstrap."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (TIMES, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return (
        f"{values.mean():.3g} ({low:.3g} to {high:.3g})"
        if values.max() > 9
        else f"{values.mean():.2f} ({low:.2f} to {high:.2f})"
    )


def auc(told: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the area under the ROC curve, of more than two answers its mean over them."""
    return float(np.mean([roc_auc_score(labels == place, told[:, place]) for place in np.unique(labels)]))


def curves(folder: Path) -> None:
    """How many answers until the AUC is that of all labels?"""
    for name, pool_size, share, answers in (("rings", None, 0.3, 250), ("zhu5", 1000, 0.1, 400)):
        known = known_of(name, folder)
        needed = {mode: np.zeros(SEEDS) for mode in MODES if mode != "both"}
        best = np.zeros(SEEDS)
        for seed in range(SEEDS):
            offered, judging = known.parts(seed, share)
            pool = known.take(np.random.default_rng(seed).permutation(offered)[:pool_size])
            judges = known.take(judging)
            best[seed] = auc(ceiling(pool, judges), judges.labels)
            for mode in needed:
                areas: list[float] = []
                needed[mode][seed] = len(pool.ids)
                for number, told, _ in labelled(pool, judges, mode, seed, answers, example=False):
                    areas.append(0.5 if told is None else auc(told, judges.labels))
                    if len(areas) > 2 and np.mean(areas[-3:]) >= best[seed] - 0.01:
                        needed[mode][seed] = number
                        break
        print(f"{name}: AUC of all labels {interval(best)}, {len(pool.ids)} galaxies, {SEEDS} seeds")
        for mode, numbers in needed.items():
            print(
                f"  {mode:12} {interval(numbers)} answers, median {np.median(numbers):.0f}, of random's "
                f"{interval(numbers / needed['random'])}, not there {np.sum(numbers == len(pool.ids))}",
                flush=True,
            )


def rare(name: str, folder: Path) -> None:
    """How well is a rare kind told, and how much of it found?"""
    known = known_of(name, folder)
    parts = [rare_parts(known, seed) for seed in range(SEEDS)]
    measures = {mode: np.full((SEEDS, len(MARKS), 3), np.nan) for mode in MODES}
    best = np.array([judged(ceiling(pool, judges), judges) for pool, judges in parts])
    sizes = f"{len(parts[0][1].ids)} judges with {np.sum(parts[0][1].labels == 0)}"
    print(f"{name}: {len(known.ids):,} galaxies with {np.sum(known.labels == 0)} of the kind; {sizes} (seed 0)")
    print(f"  all labels: average precision {interval(best[:, 0])}, top {TOP:.0%} {interval(best[:, 1])}", flush=True)
    for mode in MODES:
        for seed, (pool, judges) in enumerate(parts):
            for number, told, rows in labelled(pool, judges, mode, seed, MARKS[-1], example=True):
                if number in MARKS:
                    merits = (judges.labels == 0).mean(), TOP  # of a head that says nothing
                    if told is not None:
                        merits = judged(told, judges)
                    share = (pool.labels[rows] == 0).sum() / RARE
                    measures[mode][seed, MARKS.index(number)] = (*merits, share)
        for place, mark in enumerate(MARKS):
            precision, top, share = (interval(measures[mode][:, place, k]) for k in range(3))
            print(f"  {mode:12} {mark:4}: average precision {precision}, top {TOP:.0%} {top}, found {share}", flush=True)
    for mode in MODES[1:3]:
        for other in MODES:
            if other != mode:
                less = measures[mode][:, -1] - measures[other][:, -1]
                print(f"  {mode} less {other}: average precision {interval(less[:, 0])}, found {interval(less[:, 2])}")


def judged(told: NDArray[np.float32], judges: Known) -> tuple[float, float]:
    """Return the average precision, and how much of the kind is in the top, of as much as may be."""
    yes = judges.labels == 0
    top = np.argsort(-told[:, 0], kind="stable")[: max(1, round(TOP * len(yes)))]
    return float(average_precision_score(yes, told[:, 0])), float(yes[top].sum() / min(len(top), yes.sum()))


def main(folder: Path, names: list[str]) -> None:
    """Measure each part."""
    for name in names:
        if name == "curves":
            curves(folder)
        else:
            rare(name, folder)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:] or ["curves", "cigar", "lens", "ring"])
