"""From a table of votes to the galaxies that volunteers should see next.

    python train_and_acquire.py [FOLDER]

FOLDER gets the run and the selection; without it a temporary folder does. A second run in the same folder finds the model
trained and goes straight on.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import zooactive as za
from zooactive.foundation.catalogs import catalogs_folder

VOTES = catalogs_folder() / "samples" / "gz2_votes.parquet"  # put your own table and tree here


def main(folder: Path) -> None:
    """Train on part of the sample, and choose 20 galaxies of the rest."""
    catalogue = za.read_catalogue(VOTES, tree="gz2")
    learning, validation, pool = catalogue.split((0.6, 0.15, 0.25), seed=0)
    print(f"{len(learning)} training galaxies, {len(validation)} validation galaxies, {len(pool)} in the pool")

    model = za.GalaxyModel(catalogue.tree, backbone="small_cnn", image_size=64)
    config = za.TrainingConfig(epochs=15, batch_size=16, learning_rate=3e-3)
    history = za.train(model, learning, validation=validation, run_dir=folder / "run", config=config)
    best = history.loc[history["val_loss"].idxmin()]
    print(f"best of {len(history)} epochs: {best['epoch']:.0f}, {best['val_loss']:.2f} nats a galaxy")

    posterior = za.predict(model, pool.without_votes(), draws=64, seed=0)
    selection = za.acquire(posterior, n=20, votes=40, seed=0)
    selection.to_csv(folder / "selection.csv", index=False)
    print(selection.head().to_string(index=False))
    print(f"{len(selection)} galaxies: {folder / 'selection.csv'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="zooactive-")))
