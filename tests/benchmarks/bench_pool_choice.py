"""Is the choice from a pool the same whatever the order of its file and the size of the batches?

With the votes of 2,000 Kaggle galaxies as the labelled catalogue and all others, votes hidden, as the pool: trains, predicts
the pool, the pool's file shuffled, and the pool in another batch size, and compares the three selections of 500. By the
commands, in a folder given as the first argument (default: ``bench-pool``), where a second run goes on.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

import zooactive as za

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "gz2_kaggle"
LABELLED, CHOSEN = 2000, 500


def write_tables(folder: Path) -> set[str]:
    """Write labelled.csv, pool.csv and shuffled.csv; return the ids of the labelled."""
    survey = za.read_catalogue(DATA / "galaxies.csv", tree="gz2_kaggle")
    labelled = set(survey.ids[survey.rehearse(LABELLED).labelled])
    table = pd.read_csv(DATA / "galaxies.csv", dtype=str)
    table["file_loc"] = [str(DATA / path) for path in table["file_loc"]]
    known = table["GalaxyID"].isin(labelled)
    table[known].to_csv(folder / "labelled.csv", index=False)
    pool = table.loc[~known, ["GalaxyID", "file_loc"]]
    pool.to_csv(folder / "pool.csv", index=False)
    pool.sample(frac=1, random_state=0).to_csv(folder / "shuffled.csv", index=False)
    return labelled


def zooactive(folder: Path, *arguments: str) -> None:
    """Run a command in the folder."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "zooactive", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    print(f"$ zooactive {' '.join(arguments)}   ({time.perf_counter() - began:.0f} s)", flush=True)


def main() -> None:
    """Make the three selections and compare them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-pool").resolve()
    folder.mkdir(exist_ok=True)
    labelled = write_tables(folder)
    if not (folder / "zooactive.toml").exists():
        options = ["--tree", "gz2_kaggle", "--catalogue", "labelled.csv", "--pool", "pool.csv"]
        zooactive(folder, "init", ".", *options, "--image-size", "64", "--epochs", "20")
    zooactive(folder, "train")
    runs = {"pool": [], "shuffled": ["--catalogue", "shuffled.csv"], "batch-96": ["--batch-size", "96"]}
    chosen, scores = {}, {}
    for name, options in runs.items():
        zooactive(folder, "predict", *options, "--out", f"predictions-{name}")
        zooactive(
            folder, "acquire", "--n", str(CHOSEN), "--predictions", f"predictions-{name}", "--out", f"chosen-{name}.csv"
        )
        selection = pd.read_csv(folder / f"chosen-{name}.csv", dtype={"id": str})
        chosen[name], scores[name] = list(selection["id"]), selection.set_index("id")["score"]
    ids = chosen["pool"]
    print(f"{len(set(ids))} distinct ids of {len(ids)}; labelled among them: {len(labelled & set(ids))}")
    print(f"shuffled pool: the same ids in the same order: {chosen['shuffled'] == ids}")
    print(f"batches of 96 in place of 128: {len(set(ids) - set(chosen['batch-96']))} of {CHOSEN} ids differ")
    shared = scores["pool"].index.intersection(scores["batch-96"].index)
    difference = np.abs(scores["pool"][shared] / scores["batch-96"][shared] - 1)
    print(f"scores of {len(shared)} in both: median difference {difference.median():.1e}, largest {difference.max():.1e}")


if __name__ == "__main__":
    main()
