"""Do credible intervals hold the true vote probabilities, and does one factor a question set them right?

    python tests/benchmarks/bench_simulated_truth.py [FOLDER]

8,000 simulated galaxies, whose probability of every answer is known exactly, with the votes of 40 volunteers each: of
perfect ones, and of a crowd with skills and leanings, whose expected answers are known too. A small network learns from 60%;
a tenth chooses its best epoch, a tenth fits the factors, a fifth is tested on. Coverage should be 50, 80 and 95%. For a
question those galaxies count that at least half of all volunteers would be asked it of. In the folder (default
``bench-truth``) a second run goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import zooactive as za
from zooactive.evaluation.calibration import coverage, fraction_coverage
from zooactive.labels.simulate import Crowd, simulate_sky
from zooactive.posterior.loss import negative_log_likelihood
from zooactive.training.calibrate import fit_concentration_factors, scale_concentrations


def main(folder: Path, crowd: Crowd | None) -> None:
    """Train, calibrate, and hold both against the truth."""
    sky = simulate_sky(8000, seed=1, size=64)
    catalogue = sky.catalogue(volunteers=40, crowd=crowd)
    probabilities = sky.probabilities if crowd is None else crowd.probabilities(sky.probabilities, sky.tree)
    truth = dict(zip(sky.ids, probabilities, strict=True))
    learning, judging, fitting, test = catalogue.split((0.6, 0.1, 0.1, 0.2))
    model = za.GalaxyModel(sky.tree, backbone="small_cnn", image_size=64)
    config = za.TrainingConfig(epochs=30, patience=30, learning_rate=2e-3)
    za.train(model, learning, validation=judging, run_dir=folder, config=config)
    factors = fit_concentration_factors(za.predict(model, fitting), fitting.votes)
    before = za.predict(model, test)
    after = scale_concentrations(before, factors.values)
    known = np.stack([truth[galaxy_id] for galaxy_id in test.ids])
    asked = sky.tree.asked(known) >= 0.5
    assert test.votes is not None
    print(f"\n{'perfect volunteers' if crowd is None else 'a crowd with skills and leanings'}, {len(test)} test galaxies")
    losses = [negative_log_likelihood(posterior, test.votes).mean() for posterior in (before, after)]
    constant = za.evaluation.constant_concentrations(learning.votes, sky.tree)
    unseen = za.evaluation.constant_negative_log_likelihood(constant, test.votes, sky.tree).mean()
    print(f"nats a galaxy: {losses[0]:.3f}, calibrated {losses[1]:.3f}; best constant {unseen:.3f}")
    print(factors.table.to_string(index=False, float_format="{:.3f}".format))
    for name, tables in (
        ("true probabilities", [fraction_coverage(one, known, counted=asked) for one in (before, after)]),
        ("votes", [coverage(one, test.votes) for one in (before, after)]),
    ):
        both = tables[0].merge(tables[1].drop(columns="galaxies"), on="question", suffixes=("", " calibrated"))
        print(f"coverage of {name}\n{both.to_string(index=False, float_format='{:.3f}'.format)}")
        for level in ("0.5", "0.8", "0.95"):
            gaps = [np.average(np.abs(table[level] - float(level)), weights=table["galaxies"]) for table in tables]
            print(f"mean distance from {level}: {gaps[0]:.3f}, calibrated {gaps[1]:.3f}")
    error = np.abs(before.mean() - known)
    rows = [float(error[asked[:, q], where].mean()) for q, where in enumerate(sky.tree.slices)]
    print(
        "mean error of the expected fraction:",
        dict(zip((q.name for q in sky.tree.questions), np.round(rows, 3), strict=True)),
    )


if __name__ == "__main__":
    pd.set_option("display.width", 200)
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-truth").resolve()
    main(place / "perfect", None)
    main(place / "crowd", Crowd(skill=0.85, bias=0.5))
