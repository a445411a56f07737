"""What does it cost to choose 500 galaxies from three million stored scores?

Bounds: a peak of memory under 1.5 GiB, and at most 3 times the time of reading the Parquet. The parts hold what `zooactive
predict` stores of a galaxy on the DECaLS tree (id, 112 fractions, interval ends and probabilities, screening score) but the
embeddings. Choosing reads ids and scores alone, so it is set against both: streaming all stored columns, and streaming these
two. Each is a process of its own; medians of five, by turns. The posteriors of the shortlist are made up; they are drawn and
scored at a cost that does not grow with the pool up to two million galaxies, and is printed apart.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zooactive.acquisition.pool import Screening
from zooactive.posterior import Posterior

GALAXIES, PART, DRAWS, CHOSEN, REPEATS = 3_000_000, 65_536, 64, 500, 5
SCORES = ["id", "one_vote_information"]


def write_pool(folder: Path) -> None:
    """Write ids of eighteen digits, screening scores, and the other stored numbers."""
    rng = np.random.default_rng(0)
    for number, start in enumerate(range(0, GALAXIES, PART)):
        rows = min(PART, GALAXIES - start)
        columns = {"id": pa.array([str(587722981741363294 + 7 * i) for i in range(start, start + rows)])}
        columns |= {"one_vote_information": pa.array(rng.lognormal(-3, 0.7, rows))}
        columns |= {f"number_{i}": pa.array(rng.random(rows, dtype=np.float32)) for i in range(112)}
        pq.write_table(pa.table(columns), folder / f"part-{number:05d}.parquet", compression="zstd")


class Stored:
    """The pool on disk, and posteriors that are made up, the same whenever they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.parts = sorted(folder.glob("part-*.parquet"))

    def screenings(self, score: str, *, artifacts: bool) -> Iterator[Screening]:
        """Stream the stored scores."""
        for part in self.parts:
            rows = pq.read_table(part, columns=SCORES)
            yield Screening(rows["id"].combine_chunks(), rows["one_vote_information"].to_numpy())

    def posteriors(self, ids: Collection[str]) -> Iterator[Posterior]:
        """Make up posteriors."""
        import zooactive as za

        tree, names = za.load_tree("decals_dr5"), sorted(ids)
        for start in range(0, len(names), 2048):
            some = names[start : start + 2048]
            rng = np.random.default_rng(int(some[0]) % 2**32)
            alpha = rng.random((DRAWS, len(some), len(tree.columns)), dtype=np.float32) * 20 + 0.1
            yield za.Posterior(alpha, some, tree)


def choose(folder: Path) -> None:
    """Choose, from the first look to the table."""
    from zooactive.acquisition import acquire

    assert acquire(Stored(folder), n=CHOSEN)["id"].nunique() == CHOSEN


def screen(folder: Path) -> None:
    """Do what grows with the pool: the screening, the random arm, the threshold of the shortlist."""
    from zooactive.acquisition.config import AcquisitionConfig
    from zooactive.acquisition.eligible import screen

    eligible = screen(Stored(folder), frozenset(), AcquisitionConfig())
    np.partition(eligible.screened, -GALAXIES // 200)
    eligible.first_by_hash(51)


def read_scores(folder: Path) -> None:
    """Stream ids and scores."""
    for part in sorted(folder.glob("part-*.parquet")):
        pq.read_table(part, columns=SCORES)


def read_all(folder: Path) -> None:
    """Stream every stored column."""
    for part in sorted(folder.glob("part-*.parquet")):
        pq.read_table(part)


WORK = {work.__name__: work for work in (choose, screen, read_scores, read_all)}


def main() -> None:
    """Time each, by turns."""
    if len(sys.argv) == 3:
        work, folder = WORK[sys.argv[1]], Path(sys.argv[2])
        work(folder)  # once to compile and to warm the file cache
        began = time.perf_counter()
        work(folder)
        print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    found: dict[str, list[list[float]]] = {name: [] for name in WORK}
    with tempfile.TemporaryDirectory() as place:
        write_pool(Path(place))
        for _ in range(REPEATS):
            for name, results in found.items():
                command = [sys.executable, __file__, name, place]
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                results.append([float(word) for word in printed.split()])
    seconds = {name: statistics.median(time for time, _ in results) for name, results in found.items()}
    print("  ".join(f"{name} {time:.2f} s" for name, time in seconds.items()))
    print(f"choosing against reading all stored columns: {seconds['choose'] / seconds['read_all']:.1f} (bound 3)")
    print(f"its part that grows with the pool, against the same: {seconds['screen'] / seconds['read_all']:.1f}")
    print(f"and against reading nothing but ids and scores: {seconds['screen'] / seconds['read_scores']:.1f}")
    print(f"peak memory of choosing: {max(memory for _, memory in found['choose']) / 2**20:.2f} GiB (bound 1.5)")


if __name__ == "__main__":
    main()
