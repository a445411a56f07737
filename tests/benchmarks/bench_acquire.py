"""How long does `zooactive acquire --n 500` take from the stored predictions of 100,000 galaxies?

DECaLS tree, 64 draws by dropout from embeddings of 1280 features, 40 volunteers. The predictions are made up, in the format
of `zooactive predict`. Wall time of the command as a user types it, the interpreter's start included; the median of five,
beside the time of reading the predictions with their embeddings in the same run, and of loading the interpreter and the
imports.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GALAXIES, PART, FEATURES, REPEATS = 100_000, 2048, 1280, 5


def write_predictions(folder: Path) -> None:
    """Write embeddings, screening scores and a head."""
    import zooactive as za
    from zooactive.acquisition import one_vote_information
    from zooactive.foundation.metadata import with_about
    from zooactive.models import LinearHead

    tree, rng = za.load_tree("decals_dr5"), np.random.default_rng(0)
    kernel = rng.normal(0, 0.06, (FEATURES, len(tree.columns))).astype(np.float32)
    head = LinearHead(kernel, np.full(len(tree.columns), 3.0, dtype=np.float32), 0.2, "softplus", tree)
    head.save(folder / "head.npz")
    for number, start in enumerate(range(0, GALAXIES, PART)):
        rows = min(PART, GALAXIES - start)
        embedding = np.maximum(rng.normal(0, 1, (rows, FEATURES)), 0).astype(np.float16)
        ids = [f"J{i:018d}" for i in range(start, start + rows)]
        posterior = za.Posterior(head.posterior_concentrations(embedding, draws=64, seed=0), ids, tree)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(embedding.ravel()), FEATURES)
        columns = {"id": ids, "one_vote_information": one_vote_information(posterior), "embedding": lists}
        about = {"fingerprint": "made up", "tree": tree.to_dict(), "passed": [], "failures": [], "part": number}
        part = with_about(pa.table(columns), about)
        pq.write_table(part, folder / f"part-{number:05d}.parquet", compression="zstd", use_dictionary=["id"])
    journal = {"fingerprint": "made up", "model": "made up", "draws": 64, "seed": 0, "rows_per_part": PART, "finished": True}
    (folder / "journal.json").write_text(json.dumps(journal))


def seconds(command: list[str], folder: Path) -> float:
    """Median wall time."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Make the predictions and time the command."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "predictions"
        folder.mkdir()
        write_predictions(folder)
        python = [sys.executable, "-c"]
        whole = seconds(
            [sys.executable, "-m", "zooactive", "acquire", "--n", "500", "--predictions", "predictions"], Path(place)
        )
        code = "import glob, pyarrow.parquet as pq\nfor part in sorted(glob.glob('predictions/part-*')): pq.read_table(part)"
        reading = seconds([*python, code], Path(place))
        start = seconds([*python, "import zooactive.acquisition.compiled.vote_trees, pandas"], Path(place))
    print(f"zooactive acquire --n 500 from {GALAXIES:,} galaxies: {whole:.1f} s (median of {REPEATS})")
    print(f"ratio to reading the predictions whole: {whole / reading:.1f}; of it the imports are {start / whole:.0%}")


if __name__ == "__main__":
    main()
