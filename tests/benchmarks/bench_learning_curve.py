"""How many labels does a question need, from the bundled encoder and from fresh weights?

    python tests/benchmarks/bench_learning_curve.py [ARM ...]       of head, staged, scratch; default all

Rings, five folds by hashed id, three of which are judged, by fits that they had no part in. Of the other galaxies 20, 50,
100, 200 and 300 in the order of their hash have labels, of which a fifth chooses the best epoch. ``learning_curve.csv``
beside this file keeps the points, so that one arm can be measured again alone. Writes the docs' figure.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import zooactive as za
from zooactive.catalogue import Catalogue
from zooactive.evaluation.tasks import task_metrics
from zooactive.models import load_network
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.folds import stratified_folds, stratified_split
from zooactive.training.finetuning.tasks import load_task

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "rings" / "rings.csv"
LABELS = (20, 50, 100, 200, 300)
FOLDS, JUDGED = 5, 3
TASK = replace(load_task("rings"), crop=0.6)  # as in bench_rings.py
ARMS = ("head", "staged", "scratch")
WORDS = {"head": "bundled encoder, head alone", "staged": "bundled encoder, staged", "scratch": "fresh weights"}
SHIFT = {"head": 0.97, "staged": 1.0, "scratch": 1.03}  # so that the bars do not hide one another
RATIOS = (0.8, 0.2, 0.0)
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "learning_curve.png"
KEPT = Path(__file__).with_name("learning_curve.csv")


def main(arms: list[str]) -> None:
    """Measure some arms, and draw all."""
    rings = TASK.read(DATA)
    fold = stratified_folds(rings, FOLDS)
    points = pd.read_csv(KEPT) if KEPT.exists() else pd.DataFrame({"labels": [], "arm": []})
    for number in LABELS:
        for arm in arms:
            means, votes = [], []
            for held in range(JUDGED):
                labelled = _first(rings.take(fold != held), number)
                model = scratch(labelled) if arm == "scratch" else tuned(labelled, arm)
                means.append(za.predict(model, rings.take(fold == held)).mean())
                assert rings.votes is not None
                votes.append(rings.votes[fold == held])
            assert rings.tree is not None
            metrics = task_metrics(np.concatenate(means), np.concatenate(votes), rings.tree)
            print(f"{number:4} labels, {arm:7} accuracy {metrics['accuracy']:.3f}, AUC {metrics['auc']:.3f}", flush=True)
            others = points[(points["labels"] != number) | (points["arm"] != arm)]
            point = pd.DataFrame([{"labels": number, "arm": arm, **metrics}]).round(4)
            points = pd.concat([others, point] if len(others) else [point]).sort_values(["arm", "labels"])
            points.to_csv(KEPT, index=False)
    draw(points, PICTURE)


def _first(rings: Catalogue, number: int) -> Catalogue:
    """So many galaxies in the order of their hash, as balanced as all; more of them contain fewer."""
    share = min(1.0, number / len(rings))
    return rings if share == 1 else stratified_split(rings, (share, 1 - share), seed=1)[0]


def tuned(labelled: Catalogue, policy: str) -> za.GalaxyModel:
    """Fine-tune the bundled encoder to all of them: the judges are elsewhere."""
    config = FinetuneConfig(policy=policy, ratios=RATIOS)  # type: ignore[arg-type]  # a word that is checked
    return za.finetune(None, labelled, task=TASK, config=config).model  # type: ignore[return-value]


def scratch(labelled: Catalogue) -> za.GalaxyModel:
    """Train an EfficientNet-B0 from fresh weights, with the same galaxies to choose the best epoch."""
    learning, judging, _ = stratified_split(labelled, RATIOS)
    assert learning.tree is not None
    size = TASK.preprocessing(load_network("bundled").preprocessing)
    model = za.GalaxyModel(learning.tree, preprocessing=size, concentrations="fraction")
    config = za.TrainingConfig(
        epochs=40, batch_size=min(32, len(learning)), patience=12, augmentation=FinetuneConfig().augmentation
    )
    with tempfile.TemporaryDirectory() as folder:
        za.train(model, learning, validation=judging, run_dir=folder, config=config)
    return model


def draw(points: pd.DataFrame, picture: Path) -> None:
    """Accuracy against labels, with Wilson's intervals."""
    from zooactive.report.plots.style import COLOURS, INK, dress, paper

    figure = paper(5.6, 3.6, layout="constrained")
    axes = figure.subplots()
    for arm, colour in zip(ARMS, COLOURS, strict=False):
        own = points[points["arm"] == arm].sort_values("labels")
        x = own["labels"].to_numpy(dtype=float) * SHIFT[arm]
        y, low, high = (own[f"accuracy{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high"))
        axes.errorbar(x, y, (y - low, high - y), color=colour, marker="o", markersize=4, capsize=2, label=WORDS[arm])
    axes.axhline(0.5, color=INK, linewidth=0.6, linestyle=":")
    dress(axes)
    axes.set_xscale("log")
    axes.set_xticks(LABELS, [str(number) for number in LABELS])
    axes.minorticks_off()
    axes.set_xlabel("labelled galaxies", fontsize=9, color=INK)
    axes.set_ylabel("accuracy, rings", fontsize=9, color=INK)
    figure.legend(fontsize=8, frameon=False, loc="outside upper center", ncols=len(ARMS))
    figure.savefig(picture, dpi=150)


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main(sys.argv[1:] or list(ARMS))
