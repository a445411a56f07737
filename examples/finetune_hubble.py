"""Carry the encoder that comes along to the Hubble Space Telescope: the fraction of "features" of distant galaxies.

    python finetune_hubble.py [TABLE]

TABLE is a CSV with survey_id, file_loc and p_features (blank or -999: unknown), as Galaxy Zoo: Hubble publishes it; by
default the 203 GOODS galaxies of a checkout's shared data. Each galaxy is predicted by a fit that it had no part in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import zooactive as za
from zooactive.training.finetuning.config import FinetuneConfig

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "hubble" / "hubble.csv"


def main(table: Path) -> None:
    """Cross-validate the head and look at both ends of the scale."""
    if not table.exists():
        raise SystemExit(f"there is no {table}: give the path of a table with p_features")
    hubble = za.finetune(None, table, task="hubble", config=FinetuneConfig(policy="head", folds=5))
    metrics = hubble.evaluate()
    print(
        f"{metrics['galaxies']:.0f} galaxies, cross-validated: correlation {metrics['correlation']:.2f} "
        f"({metrics['correlation_low']:.2f} to {metrics['correlation_high']:.2f}), mean error {metrics['mean_error']:.3f}; "
        f"always predicting the mean: {metrics['baseline_error']:.3f}"
    )
    found = hubble.held_out.sort_values("features_yes")[["id", "features_yes"]]
    found["p_features"] = hubble.truth()[found.index]
    print(found.iloc[[0, 1, 2, -3, -2, -1]].round(2).to_string(index=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED)
