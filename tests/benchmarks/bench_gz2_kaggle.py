"""Does the network learn from images? Kaggle's galaxies at 64 px, EfficientNet-B0, split 70/20/10 by hashed id.

Bound: mean test negative log-likelihood per galaxy at least 10% below that of the best constant concentrations, which are
fitted on the training galaxies. By the commands, in a folder given as the first argument (default: ``bench-kaggle``), where
a second run goes on. Half an hour on two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def zooactive(folder: Path, *arguments: str) -> None:
    """Run a command in the folder, its tables and progress shown."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "zooactive", *arguments], cwd=folder, check=True)
    print(f"$ zooactive {' '.join(arguments)}   ({(time.perf_counter() - began) / 60:.1f} minutes)", flush=True)


def main() -> None:
    """Pack, train and evaluate."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-kaggle").resolve()
    folder.mkdir(exist_ok=True)
    if not (folder / "zooactive.toml").exists():
        catalogue = ["--tree", "gz2_kaggle", "--catalogue", str(DATA / "gz2_kaggle" / "galaxies.csv")]
        zooactive(folder, "init", ".", *catalogue, "--image-size", "64", "--epochs", "20")
    for command in ("prepare", "train", "evaluate"):
        zooactive(folder, command)
    run = folder / "runs" / "first"
    metrics = json.loads((run / "evaluation.json").read_text())
    first = pd.read_csv(run / "evaluation.csv").iloc[0]
    print(f"test: {metrics['likelihood']:.2f} nats a galaxy, best constant {metrics['constant_likelihood']:.2f}")
    print(f"ratio to the constant: {metrics['likelihood'] / metrics['constant_likelihood']:.3f} (bound 0.9)")
    print(f"{first['question']}: accuracy {first['accuracy']:.3f}, always the commonest answer {first['baseline']:.3f}")
    print(f"epochs: {len(pd.read_csv(run / 'history.csv'))}")


if __name__ == "__main__":
    main()
