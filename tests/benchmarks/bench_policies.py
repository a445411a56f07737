"""Does the encoder's stage pay, and what does the default choose? Head alone and staged, by five folds.

    python tests/benchmarks/bench_policies.py [DATA ...]      of rings, hubble, zhu5; default all

From the bundled encoder, on galaxies whose images it has not learnt from: 377 of rings/, 203 of hubble/, and of zhu5/ 500
outside gz2_kaggle, by hashed id. Each galaxy is judged by a fit that it had no part in. Printed are accuracy and AUC or
correlation with 95% intervals, minutes, and the policy that "auto" stands for; it gives the same numbers as if it were
named. No bound was set: a default that costs many times the minutes should bring more than the interval is wide.
"""

from __future__ import annotations

import sys
import time

import bench_encoders

import zooactive as za
from zooactive.models import load_network
from zooactive.training.finetuning.checks import decided
from zooactive.training.finetuning.config import FinetuneConfig

bench_encoders.MOST = 500


def main(names: list[str]) -> None:
    """Cross-validate both policies on each table."""
    model = load_network("bundled")
    for name in names:
        task, galaxies = bench_encoders.galaxies_of(name)
        kept, why = decided(FinetuneConfig(folds=5), task.load_tree(), len(galaxies))
        print(f"{name}, {len(galaxies)} galaxies; by default {kept.policy} ({why})", flush=True)
        for policy in ("head", "staged"):
            began, cpu = time.monotonic(), time.process_time()
            tuned = za.finetune(model, galaxies, task=task, config=FinetuneConfig(policy=policy, folds=5), progress=None)
            metrics, minutes = tuned.evaluate(), (time.monotonic() - began) / 60
            told = [
                f"{key} {metrics[key]:.3f} ({metrics[f'{key}_low']:.3f} to {metrics[f'{key}_high']:.3f})"
                for key in ("accuracy", "auc", "correlation", "mean_error")
                if f"{key}_low" in metrics
            ]
            print(
                f"  {policy:7} {', '.join(told)}; {minutes:.1f} min, {(time.process_time() - cpu) / 60:.1f} of CPU",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:] or ["rings", "hubble", "zhu5"])
