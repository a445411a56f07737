"""What does it cost to have Ray's workers predict what one process could?

    python tests/benchmarks/bench_ray.py [GALAXIES]        default 16000

The same shards at 64 px, EfficientNet-B0, T = 64: this process, and two workers of a Ray cluster on this machine, in turn.
The cluster's start is timed by itself, the workers' (each imports Keras and builds the network) is in the run. Peer: the
local engine, whose bytes must come out; a ratio of 1 is the bound where both have the same cores. Needs zooactive[ray].
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench_survey import make_survey

PIXELS, ROUNDS = 64, 3


def main(galaxies: int) -> None:
    """Measure in turn."""
    import ray

    import zooactive as za
    from zooactive.prediction import RayEngine

    model = za.load_model("bundled").with_tree("gz2", preprocessing=za.Preprocessing(size=PIXELS))
    began = time.perf_counter()
    ray.init(include_dashboard=False, log_to_driver=False)
    print(f"a cluster on this machine starts in {time.perf_counter() - began:.0f} s")
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shards = za.read_catalogue(make_survey(folder, galaxies, PIXELS))
        for turn in range(ROUNDS):
            seconds = {}
            for kind, engine in (("local", None), ("ray", RayEngine(workers=2))):
                began = time.perf_counter()
                za.predict(model, shards, out=folder / f"{kind}-{turn}", engine=engine)
                seconds[kind] = time.perf_counter() - began
            ratios.append(seconds["ray"] / seconds["local"])
            contents = [
                {part.name: part.read_bytes() for part in (folder / f"{kind}-{turn}").glob("*.parquet")} for kind in seconds
            ]
            same = "the same bytes" if contents[0] == contents[1] else "OTHER BYTES"
            paces = ", ".join(f"{kind} {len(shards) / time_of:.0f} galaxies/s" for kind, time_of in seconds.items())
            print(f"{len(shards)} galaxies: {paces}, {same}", flush=True)
    print(f"two workers take {statistics.median(ratios):.2f} times as long as this process, their start included")


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16_000)
