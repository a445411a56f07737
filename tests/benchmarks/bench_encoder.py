"""What does the bundled encoder know? Its own test tenth of the Galaxy Zoo challenge and of the clean classes of Zhu et al.

Bound: negative log-likelihood of the challenge's votes at least 20% below that of the best constant concentrations. Accuracy
is that of galaxies of which at least half of the volunteers were asked the question, beside always giving the commonest
answer and, where a question is the same, Walmsley et al. 2022 on DECaLS. Some minutes on two cores.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

import zooactive as za
from zooactive.catalogue import Catalogue
from zooactive.evaluation import evaluate
from zooactive.tree_files import BUNDLED

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPLIT = (0.85, 0.05, 0.10)
PUBLISHED = {
    "smooth-or-featured": 0.9352, "disk-edge-on": 0.9871, "has-spiral-arms": 0.9349, "bar": 0.8185, "bulge-size": 0.8419,
    "how-rounded": 0.9314, "bulge-shape": 0.9111, "spiral-winding": 0.7832, "spiral-arm-count": 0.7742,
}  # fmt: skip


def main() -> None:
    """Evaluate on both test tenths."""
    model = za.load_model(BUNDLED)
    votes = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    classes = za.read_catalogue(DATA / "zhu5" / "galaxies.parquet", tree="zhu5", label_column="label")
    merits = measure(model, votes)
    table = merits.questions.assign(published=merits.questions["question"].map(PUBLISHED))
    print(table.drop(columns=["weighted_f1", "auc"]).round(3).to_string(index=False))
    print(
        f"{merits.galaxies} test galaxies: {merits.likelihood:.2f} nats a galaxy, best constant "
        f"{merits.constant_likelihood:.2f}: {merits.gain:.1%} below (bound 20%)"
    )
    # These images show more of the sky.
    merits = measure(model, replace(classes, field_crops=np.full(len(classes), 240 / 256)))
    print(merits.classification[0].to_table().round(3).to_string(index=False))
    print(merits.questions.round(4).to_string(index=False))
    print(merits.classification[0].confusion_table().to_string())


def measure(model: za.GalaxyModel, catalogue: Catalogue):  # type: ignore[no-untyped-def]
    """Evaluate the model's answers to a catalogue's own questions, on its test tenth."""
    learning, _, test = catalogue.split(SPLIT)
    assert learning.tree is not None
    everything = za.predict(model, test, draws=64)
    columns = [model.tree.columns.index(column) for column in learning.tree.columns]
    posterior = za.Posterior(everything.concentrations[..., columns], everything.ids, learning.tree)
    return evaluate(posterior, test.votes, seen=learning.votes)


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main()
