"""Carry the encoder of a model to a new question: rings.

    python finetune_rings.py [MODEL]

MODEL is the folder of a run or of a saved model; without it a small encoder is trained for some seconds first, which is
too short to be of use: the numbers printed are then near those of a guess.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import zooactive as za
from zooactive.tree_files import catalogs_folder

SAMPLES = catalogs_folder() / "samples"
RINGS = SAMPLES / "rings.parquet"  # columns: id, image, ring (1 or 0, yes or no)


def train_encoder(run_dir: Path) -> za.GalaxyModel:
    """Train a small model on the votes of Galaxy Zoo 2."""
    catalogue = za.read_catalogue(SAMPLES / "gz2_votes.parquet", tree="gz2")
    model = za.GalaxyModel("gz2", backbone="small_cnn", image_size=64)
    za.train(model, catalogue, run_dir=run_dir, config=za.TrainingConfig(epochs=8, batch_size=16, learning_rate=3e-3))
    return model


def main(folder: Path, trained: Path | None) -> None:
    """Fine-tune, say how well that went on galaxies held out, save, and predict."""
    encoder = train_encoder(folder / "encoder") if trained is None else za.load_model(trained)
    rings = za.finetune(encoder, RINGS, task="rings")
    metrics = rings.evaluate()
    print(f"{metrics['galaxies']:.0f} galaxies held out: accuracy {metrics['accuracy']:.2f}, AUC {metrics['auc']:.2f}")
    rings.save(folder / "rings")

    again = za.load_finetuned(folder / "rings")
    table = again.predict(za.read_catalogue(RINGS)).to_table()
    print(table.nlargest(5, "ring_yes")[["id", "ring_yes", "ring_yes_low", "ring_yes_high"]].to_string(index=False))
    print(f"the model is in {folder / 'rings'}")


if __name__ == "__main__":
    main(Path(tempfile.mkdtemp(prefix="zooactive-")), Path(sys.argv[1]) if len(sys.argv) > 1 else None)
