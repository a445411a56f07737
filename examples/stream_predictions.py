"""Predict into a folder, read the posterior back in chunks, and write a table with a score of one's own choice.

    python stream_predictions.py [FOLDER]

This is the form for catalogues that do not fit in memory: `predict` with `out` keeps one part (2048 galaxies) at a time and
goes on where it was stopped, and the chunks are computed from the stored embeddings, without pixels.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import zooactive as za
from zooactive.foundation.catalogs import catalogs_folder

VOTES = catalogs_folder() / "samples" / "gz2_votes.parquet"


def train_model(run_dir: Path) -> za.GalaxyModel:
    """Train a small model for a few epochs; a pipeline would call `za.load_model` on a run that is finished."""
    model = za.GalaxyModel("gz2", backbone="small_cnn", image_size=64)
    za.train(model, VOTES, run_dir=run_dir, config=za.TrainingConfig(epochs=5, batch_size=16, learning_rate=3e-3))
    return model


def main(folder: Path) -> None:
    """Predict every galaxy of the sample and write its fractions with the information of 40 votes."""
    model = train_model(folder / "run")
    predictions = za.predict(model, VOTES, out=folder / "predictions", draws=64, seed=0)
    print(f"{len(predictions.parts)} part in {predictions.folder}, {len(predictions.failures())} images that failed")

    scored = folder / "scored"
    scored.mkdir(exist_ok=True)
    for number, chunk in enumerate(predictions):  # one Posterior a part
        table = chunk.to_table(probability=0.9)
        table["information_40_votes"] = za.acquisition.mutual_information(chunk, votes=40)
        table.to_parquet(scored / f"part-{number:05d}.parquet", index=False)
        best = table.loc[table["information_40_votes"].idxmax()]
        print(f"chunk {number}: {len(chunk)} galaxies, {chunk.draws} draws; {best['id']} would tell most, ", end="")
        print(f"{best['information_40_votes']:.2f} nats")
    print(f"the tables are in {scored}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="zooactive-")))
