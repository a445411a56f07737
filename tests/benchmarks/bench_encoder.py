"""What does the bundled encoder know? Its own test tenth of the Galaxy Zoo challenge and of the clean classes of Zhu et al.

Bound: negative log-likelihood of the challenge's votes at least 20% below that of the best constant concentrations. Accuracy
is that of galaxies of which at least half of the volunteers were asked the question, and of those of them that volunteers
agree on, beside always giving the commonest answer and, where a question is the same, Walmsley et al. 2022 on DECaLS. Some
minutes on two cores.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

import zooactive as za
from zooactive.catalogue import Catalogue
from zooactive.evaluation import evaluate
from zooactive.models import load_network
from zooactive.models.saved_form import BUNDLED

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPLIT = (0.85, 0.05, 0.10)
PUBLISHED = {  # accuracy on all galaxies that were asked, and on those that volunteers agree on
    "smooth-or-featured": (0.9352, 0.9997), "disk-edge-on": (0.9871, 0.9980), "has-spiral-arms": (0.9349, 0.9921),
    "bar": (0.8185, 0.9945), "bulge-size": (0.8419, 1.0), "how-rounded": (0.9314, 0.9968), "bulge-shape": (0.9111, 0.9961),
    "spiral-winding": (0.7832, 0.9906), "spiral-arm-count": (0.7742, 0.9863),
}  # fmt: skip


def main() -> None:
    """Evaluate on both test tenths."""
    model = load_network(BUNDLED)
    votes = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    classes = za.read_catalogue(DATA / "zhu5" / "galaxies.parquet", tree="zhu5", label_column="label")
    metrics = measure(model, votes)
    table = metrics.questions.drop(columns=["weighted_f1", "auc"])
    table = table.merge(metrics.confident[["question", "confident", "confident_accuracy"]], on="question")
    table["volunteers"] = metrics.worth["volunteers"]
    for i, name in enumerate(("published", "published_confident")):
        table[name] = table["question"].map({question: both[i] for question, both in PUBLISHED.items()})
    print(table.round(3).to_string(index=False))
    print(
        f"{metrics.galaxies} test galaxies: {metrics.likelihood:.2f} nats a galaxy, best constant "
        f"{metrics.constant_likelihood:.2f}: {metrics.gain:.1%} below (bound 20%)"
    )
    print("share of the volunteers' votes inside intervals")
    print(metrics.coverage.round(3).to_string(index=False))
    model.factors = None
    print("without the factors on the concentrations")
    print(measure(model, votes).coverage.round(3).to_string(index=False))
    # These images show more of the sky.
    metrics = measure(model, replace(classes, field_crops=np.full(len(classes), 240 / 256)))
    print(metrics.classification[0].to_table().round(3).to_string(index=False))
    print(metrics.questions.round(4).to_string(index=False))
    print(metrics.classification[0].confusion_table().to_string())


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
