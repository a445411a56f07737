"""Carry the encoder that comes along to a new question: rings, from 377 labelled galaxies of DECaLS.

    python finetune_rings.py [MODEL]

MODEL is the folder of a run or of a saved model to start from instead. Some minutes on two processor cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import zooactive as za
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.training.finetuning.config import FinetuneConfig

RINGS = catalogs_folder() / "samples" / "rings.parquet"  # columns: id, image, ring (1 or 0, yes or no)


def main(folder: Path, trained: Path | None) -> None:
    """Fine-tune, say how well that went on galaxies held out, save, and predict."""
    encoder = None if trained is None else za.load_model(trained)
    for policy in ("head", "staged"):
        config = FinetuneConfig(policy=policy, unfreeze_epochs=8)
        rings = za.finetune(encoder, RINGS, task="rings", config=config)
        metrics = rings.evaluate()
        print(
            f"{policy}: {metrics['galaxies']:.0f} galaxies held out, accuracy {metrics['accuracy']:.2f} "
            f"({metrics['accuracy_low']:.2f} to {metrics['accuracy_high']:.2f}), AUC {metrics['auc']:.2f}"
        )
    rings.save(folder / "rings")

    again = za.load_finetuned(folder / "rings")
    table = again.predict(za.read_catalogue(RINGS)).to_table()
    print(table.nlargest(5, "ring_yes")[["id", "ring_yes", "ring_yes_low", "ring_yes_high"]].to_string(index=False))
    print(f"the model is in {folder / 'rings'}")


if __name__ == "__main__":
    main(Path(tempfile.mkdtemp(prefix="zooactive-")), Path(sys.argv[1]) if len(sys.argv) > 1 else None)
