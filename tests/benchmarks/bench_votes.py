"""How fast do classifications become votes, in how much memory, and are they the votes that were given?

    python tests/benchmarks/bench_votes.py [ROWS ...]        default 100000 400000

A simulated crowd of 2,000 volunteers writes an export in the Zooniverse's form for tree `gz2`, 40 classifications a galaxy;
each size is read by a process of its own, whose peak memory is told. Peer: the bare loop of Python's csv and json over the
same file, which every reader of these exports has to pay.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "labels"))
from crowd import annotated, one_answer_each, row, wording, write

VOLUNTEERS, EACH = 2000, 40


def main(sizes: list[int]) -> None:
    """Simulate, import and compare."""
    from zooactive.tree import load_tree

    tree = load_tree("gz2")
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder, rng = Path(name), np.random.default_rng(size)
            galaxies = size // EACH
            given = np.zeros((galaxies, len(tree.columns)), dtype=np.int64)
            rows = []
            for galaxy in range(galaxies):
                chances = np.concatenate([rng.dirichlet(np.ones(len(question.answers))) for question in tree.questions])
                for each, volunteer in enumerate(rng.choice(VOLUNTEERS, EACH, replace=False)):
                    columns = one_answer_each(tree, chances, rng)
                    given[galaxy, columns] += 1
                    rows.append(row(galaxy * EACH + each, f"G{galaxy:06d}", f"v{volunteer}", annotated(tree, columns)))
            write(folder / "export.csv", rows)
            (folder / "wording.toml").write_text(wording("gz2", tree))
            subprocess.run([sys.executable, __file__, "--import", folder], check=True)
            votes = pd.read_parquet(folder / "votes.parquet")
            same = np.array_equal(votes[list(tree.columns)], given)
            print(f"  {galaxies} galaxies, the votes are {'those that were given' if same else 'OTHERS'}", flush=True)


def bring_in(folder: Path) -> None:
    """Import one export in this process, beside the bare loop."""
    from zooactive.labels import Dropped, Ledger, load_wording, read_export

    export = folder / "export.csv"
    before = peak()
    words, dropped = load_wording(folder / "wording.toml"), Dropped()
    began = time.perf_counter()
    ledger = Ledger(folder / "ledger", words.tree)
    merged = ledger.merge(read_export(export, words, dropped))
    votes = ledger.votes(dropped)
    seconds = time.perf_counter() - began
    most = peak()
    votes.to_parquet(folder / "votes.parquet")
    began = time.perf_counter()
    with export.open(newline="", encoding="utf-8") as stream:
        for cells in csv.DictReader(stream):
            json.loads(cells["annotations"])
            json.loads(cells["subject_data"])
    bare = time.perf_counter() - began
    print(
        f"{merged.new:,} rows, {export.stat().st_size / 2**20:.0f} MiB: {merged.new / seconds:,.0f} rows/s, "
        f"{seconds / bare:.1f} times the bare loop; peak {most:.0f} MiB, {before:.0f} before; dropped {dropped.rows()}"
    )


def peak() -> float:
    """MiB that this process has held at most."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


if __name__ == "__main__":
    if sys.argv[1:2] == ["--import"]:
        bring_in(Path(sys.argv[2]))
    else:
        main([int(number) for number in sys.argv[1:]] or [100_000, 400_000])
