"""What does the encoder bring? ImageNet's Lite0 as it comes, against the bundled one, through the same embeddings.

    python tests/benchmarks/bench_encoders.py LITE0 [DATA ...]      of rings, hubble, zhu5; default all

LITE0 is ImageNet's EfficientNet-Lite0 in a file that zooactive reads (`examples/long/lite0_weights.py` writes one). Both
encoders have the same network; the bundled one was then trained on Galaxy Zoo 2. Each looks at the images as its own
weights were trained (ImageNet's at 224 pixels, the bundled one's own size and crop), `za.embed` writes the features, and a
head is fitted to them in five folds by hashed id: every galaxy is judged by a fit that it had no part in.

Of zhu5 only galaxies are taken from whose images the bundled network has not learnt, and 2,000 of these by hashed id.
Printed are accuracy, AUC or correlation with 95% intervals, and the difference between the encoders with the interval of a
paired bootstrap over galaxies.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from learnt import unseen
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import zooactive as za
from zooactive.catalogue import Catalogue
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.models import load_network, load_published
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.finetuned_model import FinetunedModel
from zooactive.training.finetuning.tasks import Task, load_task

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
TABLES = {"rings": "rings/rings.csv", "hubble": "hubble/hubble.csv", "zhu5": "zhu5/galaxies.parquet"}
CROPS = {"rings": 0.6}  # as tests/benchmarks/bench_rings.py says why
MOST, FOLDS, TIMES = 2000, 5, 2000


def galaxies_of(name: str) -> tuple[Task, Catalogue]:
    """Return a task, and its labelled galaxies that the bundled encoder has not learnt from."""
    task = load_task(name)
    if name in CROPS:
        task = replace(task, crop=CROPS[name])
    found = task.read(SHARED / TABLES[name])
    found = found.take(np.flatnonzero(found.labelled))
    if name == "zhu5":
        found = found.take(unseen(found))
        order = np.argsort(uniform_from_ids(found.ids, purpose="folds", seed=1))
        found = found.take(np.sort(order[:MOST]))
    return task, found


def head_on(model: za.GalaxyModel, task: Task, galaxies: Catalogue, folder: Path) -> FinetunedModel:
    """Fit a head in five folds to what an encoder sees."""
    network = model.with_tree(model.tree, preprocessing=task.preprocessing(model.preprocessing))
    known = za.embed(network, galaxies, folder, progress=None)
    config = FinetuneConfig(policy="head", folds=FOLDS)
    return za.finetune(None, galaxies, task=task, embeddings=known, config=config, progress=None)


def score(tuned: FinetunedModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what was expected of each galaxy, (galaxy, answer), and its votes, in the order of ids."""
    table = tuned.held_out.sort_values("id")
    columns = list(tuned.model.tree.columns)
    return table[columns].to_numpy(float), table[[f"{name}_votes" for name in columns]].to_numpy(float)


def value(means: NDArray[np.float64], votes: NDArray[np.float64], *, fractions: bool) -> float:
    """Return the correlation with the fractions, the AUC of yes and no, or the accuracy of more classes."""
    if fractions:
        return float(np.corrcoef(means[:, 0], votes[:, 0] / votes.sum(1))[0, 1])
    if means.shape[1] == 2:
        return float(roc_auc_score(votes[:, 0] > 0, means[:, 0]))
    return float((means.argmax(1) == votes.argmax(1)).mean())


def main(lite0: str, names: list[str]) -> None:
    """Compare the encoders on each table."""
    for name in names:
        task, galaxies = galaxies_of(name)
        fractions = task.load_tree().votes == "fractions"
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            for encoder in ("imagenet", "bundled"):
                published = encoder == "imagenet"
                model = load_published(lite0, "rings", image_size=224) if published else load_network("bundled")
                tuned = head_on(model, task, galaxies, Path(folder) / encoder)
                found[encoder] = score(tuned)
                said = ", ".join(f"{key} {entry:.3f}" for key, entry in tuned.evaluate().items() if key != "galaxies")
                print(f"{name}, {len(galaxies)} galaxies, {encoder}: {said}", flush=True)
        rng, differences = np.random.default_rng(0), []
        rows = len(found["bundled"][0])
        for _ in range(TIMES):
            some = rng.integers(0, rows, rows)
            by = {key: value(means[some], votes[some], fractions=fractions) for key, (means, votes) in found.items()}
            differences.append(by["bundled"] - by["imagenet"])
        measure = "correlation" if fractions else "AUC" if len(task.load_tree().columns) == 2 else "accuracy"
        low, high = np.quantile(differences, [0.025, 0.975])
        whole = {key: value(*both, fractions=fractions) for key, both in found.items()}
        print(
            f"{name}: {measure} bundled less ImageNet {whole['bundled'] - whole['imagenet']:.3f} ({low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:] or list(TABLES))
