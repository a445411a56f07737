"""Does a prediction run keep its pace and its memory from 20,000 to 200,000 galaxies, and how near the bare network is it?

    python tests/benchmarks/bench_survey.py [GALAXIES[@PIXELS] ...]        default 20000 200000 10000@128

Shards of real galaxies at 64 px or so many, repeated under new ids; EfficientNet-B0, T = 64, everything that is kept by
default. Each survey is predicted by a process of its own, which beforehand and afterwards times the bare step of the
network on a batch that lies in memory. Peak memory is that of the whole process.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "gz2_kaggle"
REAL, ROWS, BATCH = 2000, 2000, 128


def main(surveys: list[str]) -> None:
    """Predict surveys of several sizes."""
    for survey in surveys:
        galaxies, pixels = (int(number) for number in f"{survey}@64".split("@")[:2])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shards = make_survey(folder, galaxies, pixels)
            bytes_of_shards = sum(part.stat().st_size for part in shards.glob("part-*"))
            print(
                f"{galaxies:,} galaxies of {pixels} px, shards of {bytes_of_shards / galaxies:,.0f} bytes each", flush=True
            )
            subprocess.run([sys.executable, __file__, "--predict", shards, folder / "out", str(pixels)], check=True)


def make_survey(folder: Path, galaxies: int, pixels: int) -> Path:
    """Pack real galaxies once, and repeat them under new ids."""
    from zooactive.catalogue import Preprocessing, read_catalogue
    from zooactive.catalogue.shards import write_shards

    real = read_catalogue(DATA / "galaxies.csv", images=DATA / "images").take(np.arange(REAL))
    write_shards(real, folder / "real", Preprocessing(size=pixels), rows_per_shard=REAL)
    table = pq.read_table(folder / "real" / "part-00000.parquet", columns=["id", "image"])
    about = json.loads(table.schema.metadata[b"zooactive"])
    parts = galaxies // ROWS
    out = folder / "shards"
    out.mkdir()
    for part in range(parts):
        ids = pa.array([f"{part:04d}{row:04d}-{name}" for row, name in enumerate(table["id"].to_pylist())])
        stored = about | {"part": part, "parts": parts, "tree": None}
        renamed = table.set_column(0, "id", ids).replace_schema_metadata({"zooactive": json.dumps(stored)})
        pq.write_table(renamed, out / f"part-{part:05d}.parquet")
    return out


def predict_survey(shards: Path, out: Path, pixels: int) -> None:
    """Predict one survey in this process, and say how fast and in how much memory."""
    import zooactive as za
    from zooactive.models import folded

    model = za.load_model("bundled").with_tree("gz2", preprocessing=za.Preprocessing(size=pixels))
    encoder = folded(model.encoder)
    bare = [bare_step(encoder, pixels)]
    marks: list[tuple[int, float, float]] = [(0, time.perf_counter(), resident())]
    every = 20_000

    def note(done: int) -> None:
        if done >= marks[-1][0] + every:
            marks.append((done, time.perf_counter(), resident()))

    began = time.perf_counter()
    predictions = za.predict(model, shards, out=out, progress=note)
    seconds = time.perf_counter() - began
    bare.append(bare_step(encoder, pixels))
    galaxies = len(predictions)
    pace = galaxies / seconds
    print(f"  {galaxies:,} predicted, {pace:.0f} galaxies/s, {pace / max(bare):.2f} of the bare step's pace")
    for (done, at, memory), (before, then, _) in zip(marks[1:], marks, strict=False):
        print(f"    to {done:7,}: {(done - before) / (at - then):5.0f} galaxies/s, {memory:.2f} GiB resident")
    print(f"  bare step {bare[0]:.0f} before, {bare[1]:.0f} after; peak {peak():.2f} GiB")
    for name in ("means", "embedding"):
        print(f"  {name}: {bytes_of(out, name) / galaxies * 1e6 / 1e9:.2f} GB a million galaxies", end="")
    print(f", all: {sum(part.stat().st_size for part in out.glob('part-*')) / galaxies * 1e6 / 1e9:.2f}", flush=True)


def bare_step(encoder: Any, pixels: int) -> float:
    """Galaxies a second of the network alone, median of 20 batches that lie in memory."""
    batch = np.random.default_rng(0).random((BATCH, pixels, pixels, 3), dtype=np.float32)
    encoder.predict_on_batch(batch)
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        np.asarray(encoder.predict_on_batch(batch))
        seconds.append(time.perf_counter() - began)
    return BATCH / statistics.median(seconds)


def bytes_of(out: Path, what: str) -> int:
    """Stored bytes of the embeddings, or of what `keep="means"` stores."""
    total = 0
    for part in out.glob("part-*"):
        groups = pq.read_metadata(part)
        for group in range(groups.num_row_groups):
            for number in range(groups.num_columns):
                column = groups.row_group(group).column(number)
                name = column.path_in_schema
                embedding = name.startswith("embedding")
                mean = not embedding and not name.endswith(("_low", "_high"))
                total += column.total_compressed_size if (embedding if what == "embedding" else mean) else 0
    return total


def resident() -> float:
    """GiB of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**30


def peak() -> float:
    """GiB of this process at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if sys.argv[1:2] == ["--predict"]:
        predict_survey(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main(sys.argv[1:] or ["20000", "200000", "10000@128"])
