"""What do 203 Hubble galaxies teach about their fraction of "features", and what do 45 examples from CANDELS?

Hubble: five folds by hashed id; correlation and mean absolute error beside predicting the mean. No bound was set. The
bundled encoder has seen SDSS galaxies alone.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import zooactive as za
from zooactive.training.finetuning.config import FinetuneConfig

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "hubble" / "hubble.csv"


def main(policies: list[str]) -> None:
    """Cross-validate each policy."""
    for policy in policies:
        began = time.monotonic()
        config = FinetuneConfig(policy=policy, folds=5)  # type: ignore[arg-type]  # a word that is checked
        metrics = za.finetune(None, DATA, task="hubble", config=config).evaluate()
        print(
            f"{policy:7} correlation {metrics['correlation']:.3f} ({metrics['correlation_low']:.3f} to "
            f"{metrics['correlation_high']:.3f}), mean error {metrics['mean_error']:.3f} "
            f"({metrics['mean_error_low']:.3f} to {metrics['mean_error_high']:.3f}), "
            f"predicting the mean {metrics['baseline_error']:.3f}; "
            f"{metrics['galaxies']:.0f} galaxies, {(time.monotonic() - began) / 60:.1f} min",
            flush=True,
        )


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main(sys.argv[1:] or ["head", "staged"])
