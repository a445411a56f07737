"""How long does `zooactive allocate` take over the stored predictions of a million galaxies, and in how much memory?

Embeddings of 1280 features: those of the Galaxy Zoo challenge's test tenth by the bundled encoder, repeated with noise, in
parts as `zooactive predict` writes them. The head is the bundled one, for the eleven questions of tree gz2_kaggle. Measured
in a process of its own: wall and CPU seconds of the whole job, the most memory that was resident, and the time that another
budget takes, for which nothing is computed again. A second process reads the columns that the job uses, id and embedding.
The folder is made once, and kept if it is named. See --help for the options.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PART = 2048
NOISE = 0.1
CLICKS_A_GALAXY = 40


def write_predictions(folder: Path, galaxies: int, draws: int, data: Path) -> None:
    """Write the head and parts with embeddings."""
    import pyarrow as pa

    import zooactive as za
    from zooactive.foundation.parts_folder import PartsFolder
    from zooactive.models import LinearHead
    from zooactive.models.saved_form import BUNDLED
    from zooactive.prediction.part_files import about_part

    model, tree = za.load_model(BUNDLED), za.load_tree("gz2_kaggle")
    _, _, test = za.read_catalogue(data / "gz2_kaggle" / "galaxies.csv", tree=tree).split((0.85, 0.05, 0.10))
    with tempfile.TemporaryDirectory() as place:
        stored = za.predict(model, test, draws=1, out=Path(place) / "predictions")
        seen = np.concatenate([features for _, features in stored.embeddings()]).astype(np.float32)
    whole = model.linear_head()
    own = [whole.tree.columns.index(column) for column in tree.columns]
    head = LinearHead(whole.kernel[:, own], whole.bias[own], whole.dropout, whole.concentrations, tree)
    folder.mkdir(parents=True)
    head.save(folder / "head.npz")
    parts, rng, spread = PartsFolder(folder, galaxies, PART, about_part), np.random.default_rng(0), seen.std(0)
    for number in range(parts.parts):
        rows = parts.rows_of(number)
        noise = NOISE * spread * rng.standard_normal((len(rows), seen.shape[1]), dtype=np.float32)
        embedding = (seen[np.array(rows) % len(seen)] + noise).astype(np.float16)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(embedding.ravel()), embedding.shape[1])
        ids = [f"J{row:018d}" for row in rows]
        about = {"fingerprint": "made up", "tree": tree.to_dict(), "passed": [], "failures": [], "part": number}
        parts.write(number, pa.table({"id": ids, "embedding": lists}), about, compression="zstd", use_dictionary=["id"])
    journal = {"fingerprint": "made up", "model": "made up", "draws": draws, "seed": 0, "rows_per_part": PART}
    parts.write_journal(journal | {"parts": parts.parts, "galaxies": galaxies, "finished": True})


def allocate(folder: Path, options: dict[str, int]) -> dict[str, float]:
    """Allocate once, and again from what is kept; runs in a process of its own."""
    import zooactive as za

    galaxies = json.loads((folder / "journal.json").read_text())["galaxies"]
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        (Path(place) / "zooactive.toml").touch()
        began, worked = time.perf_counter(), time.process_time()
        plan = za.load_workspace(place).allocate(
            CLICKS_A_GALAXY * galaxies, predictions=folder, out=Path(place) / "allocation.csv", **options
        )
        found = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - worked, "peak": peak()}
        began = time.perf_counter()
        za.load_workspace(place).allocate(
            CLICKS_A_GALAXY * galaxies / 2, predictions=folder, out=Path(place) / "allocation.csv", **options
        )
        found["again"] = time.perf_counter() - began
    return found | {"value": plan.attrs["value"], "spent": plan.attrs["spent"], "galaxies": galaxies}


def read(folder: Path) -> dict[str, float]:
    """Read the columns that the job uses; runs in a process of its own."""
    from zooactive.prediction import open_predictions

    stored = open_predictions(folder)
    began, worked = time.perf_counter(), time.process_time()
    for _ in stored.embeddings():
        pass
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - worked}


def peak() -> float:
    """The most memory of this process that was ever resident, in GiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def apart(work: str, folder: Path, options: dict[str, int]) -> dict[str, float]:
    """Do some work in a process of its own and return what it measured."""
    command = [sys.executable, __file__, "--work", work, "--folder", str(folder), "--options", json.dumps(options)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


def main() -> None:
    """Make the predictions, measure and tell."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--galaxies", type=int, default=1_000_000)
    ask.add_argument("--folder", type=Path)
    ask.add_argument("--draws", type=int, default=64)
    ask.add_argument("--options", type=json.loads, default={}, help='of allocate, such as {"trees": 32}')
    ask.add_argument("--data", type=Path, default=DATA)
    ask.add_argument("--work", choices=("allocate", "read"))
    asked = ask.parse_args()
    if asked.work:
        print(json.dumps(allocate(asked.folder, asked.options) if asked.work == "allocate" else read(asked.folder)))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or Path(place) / "predictions"
        if not (folder / "journal.json").is_file():
            write_predictions(folder, asked.galaxies, asked.draws, asked.data)
        reading, found = apart("read", folder, {}), apart("allocate", folder, asked.options)
    galaxies = int(found["galaxies"])
    print(f"zooactive allocate over {galaxies:,} galaxies, {asked.draws} draws, {asked.options or 'default options'}:")
    print(f"  {found['seconds']:.1f} s, CPU {found['cpu']:.1f} s or {1e3 * found['cpu'] / galaxies:.3f} ms a galaxy")
    print(f"  most memory {found['peak']:.2f} GiB; another budget {found['again']:.1f} s")
    print(f"  reading id and embedding: {reading['seconds']:.1f} s, CPU {reading['cpu']:.1f} s")
    ratios = (found["seconds"] / reading["seconds"], found["cpu"] / reading["cpu"])
    print(f"  ratio to reading: {ratios[0]:.1f}, of CPU seconds {ratios[1]:.1f}")
    print(f"  value {found['value']:.4f}, clicks {found['spent']:,.0f}", flush=True)


if __name__ == "__main__":
    main()
