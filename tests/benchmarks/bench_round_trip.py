"""Does the circle close: are the votes that come back those that were given, and how fast and large is their import?

    python tests/benchmarks/bench_round_trip.py [GALAXIES [FOLDER]]        default 2500, of 40 volunteers each: 100,000 rows

By the commands: a simulated sky, a small network trained on 1,200 of its galaxies, the others predicted, a selection, its
subject set, a crowd's classification export, votes, the catalogue with them, and a second training. The votes in that
catalogue are compared with those that the crowd gave. Time and peak memory are of the whole process `zooactive votes`; the
bound printed beside is the bare loop of Python's csv and json over the same export.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import zooactive as za
from zooactive.labels import load_wording
from zooactive.labels.simulate import write_export


def typed(folder: Path, *words: object) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "zooactive", *map(str, words)], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"zooactive {' '.join(map(str, words))} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main(galaxies: int, folder: Path) -> None:
    """Walk the circle once."""
    typed(folder, "simulate", "sky", "sky", "--n", galaxies + 1500, "--labelled", 1200, "--size", 32)
    survey = ("--tree", "simulated", "--catalogue", "sky/galaxies.csv", "--image-size", 32)
    typed(folder, "init", *survey, "--backbone", "small_cnn", "--epochs", 3)
    typed(folder, "train")
    typed(folder, "predict")
    typed(folder, "acquire", "--n", galaxies)
    typed(folder, "export", "--credit", "simulated")
    manifests = sorted((folder / "subjects").glob("manifest*.csv"))
    manifest = pd.concat([pd.read_csv(path, dtype=str) for path in manifests], ignore_index=True)
    words, truth = load_wording(folder / "sky" / "wording.toml"), pd.read_csv(folder / "sky" / "truth.csv")
    given = write_export(folder / "export.csv", manifest, truth, words, votes=40)
    back = ("--wording", "sky/wording.toml", "--catalogue", "sky/galaxies.csv", "--out", "sky/galaxies-2.csv")
    seconds, peak = typed(folder, "votes", "export.csv", *back)
    catalogue = za.read_catalogue(folder / "sky" / "galaxies-2.csv", tree="simulated")
    votes = catalogue.select(given["id"]).votes
    same = np.array_equal(votes, given[list(catalogue.tree.columns)].to_numpy())
    typed(folder, "train", "--catalogue", "sky/galaxies-2.csv", "--run-dir", "runs/second")
    rows, bare = bare_loop(folder / "export.csv")
    size = (folder / "export.csv").stat().st_size / 2**20
    print(f"{rows:,} rows, {size:.0f} MiB, of {len(given):,} galaxies: the votes are {'those given' if same else 'OTHERS'}")
    print(f"zooactive votes: {rows / seconds:,.0f} rows/s, {seconds / bare:.1f} times the bare loop, peak {peak:.0f} MiB")
    print(f"labelled before {1200}, after {int(catalogue.labelled.sum())}")


def bare_loop(export: Path) -> tuple[int, float]:
    """Rows of an export, and the seconds that csv and json alone take over it."""
    began, rows = time.perf_counter(), 0
    with export.open(newline="", encoding="utf-8") as stream:
        for cells in csv.DictReader(stream):
            json.loads(cells["annotations"])
            json.loads(cells["subject_data"])
            rows += 1
    return rows, time.perf_counter() - began


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2500
    if len(sys.argv) > 2:
        Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
        main(number, Path(sys.argv[2]).resolve())
    else:
        with tempfile.TemporaryDirectory() as name:
            main(number, Path(name))
