"""How long from the embeddings of 100,000 galaxies, made elsewhere, to a head, its posterior and 500 chosen galaxies?

    python tests/benchmarks/bench_embeddings.py [GALAXIES]

Embeddings of 640 features are written as another program would, one Parquet file with a column of lists in float32, and 500
labels as a table. Then the commands are typed, each as a process of its own: `finetune --embeddings` (with five folds, six
fits), `acquire --task` (which predicts all galaxies first: 64 draws, summaries, scores) and `top`, of another answer. None
may load TensorFlow or Keras, which is looked at. Beside them, in the same run, the peer: a process that reads the same file
with pandas and fits scikit-learn's logistic regression with five folds, which has no posterior and chooses nothing.

And are the numbers those of stored predictions? The galaxies of rings/ are looked at by the bundled encoder once with
`predict` and once with `embed`; what a head on the embeddings says is compared bit by bit with what the same head says of
the stored predictions.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

GALAXIES, WIDTH, LABELS = 100_000, 640, 500
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "rings" / "rings.csv"

TYPED = (
    "import sys; from zooactive.cli import app\n"
    "try:\n    app(sys.argv[1:], standalone_mode=False)\n"
    "finally:\n    print('LOADED', sorted({'keras', 'tensorflow'} & set(sys.modules)), file=sys.stderr)"
)
PEER = """
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
table = pd.read_parquet("embeddings.parquet").set_index("id_str")
labels = pd.read_csv("labels.csv", dtype=str)
x = np.stack(table.loc[labels["id"], "features"].to_numpy())
fit = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000))
print("AUC", cross_val_score(fit, x, labels["ring"] == "yes", cv=5, scoring="roc_auc").mean())
fit.fit(x, labels["ring"] == "yes").predict_proba(np.stack(table["features"].to_numpy()))
"""


def write(folder: Path, galaxies: int) -> None:
    """Write features with a few strong directions, as networks give them, and labels that one of them tells of."""
    rng = np.random.default_rng(0)
    strong = rng.normal(size=(40, WIDTH)) * np.geomspace(3, 0.3, 40)[:, None]
    hidden = rng.normal(size=(galaxies, 40))
    features = (np.maximum(hidden @ strong + rng.normal(size=(galaxies, WIDTH)), 0) / 5).astype(np.float32)
    ids = [f"{587722981736120000 + i}" for i in range(galaxies)]
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), WIDTH)
    pq.write_table(pa.table({"id_str": ids, "features": column}), folder / "embeddings.parquet")
    yes = rng.random(LABELS) < 1 / (1 + np.exp(-2 * hidden[:LABELS, 5]))
    pd.DataFrame({"id": ids[:LABELS], "ring": np.where(yes, "yes", "no")}).to_csv(folder / "labels.csv", index=False)


def timed(*words: str, code: str = TYPED, folder: Path) -> tuple[float, str]:
    """Run a new interpreter in a folder; return its seconds, and what it said."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stdout + done.stderr


def times(folder: Path, galaxies: int) -> None:
    """Print the seconds of each step, in all, and beside the peer."""
    write(folder, galaxies)
    steps = {
        "finetune": ("finetune", "labels.csv", "--column", "ring", "--embeddings", "embeddings.parquet", "--folds", "5"),
        "acquire": ("acquire", "--task", "ring", "--n", "500"),
        "top": ("top", "ring_no", "--task", "ring", "--n", "48"),
    }
    total = 0.0
    for name, words in steps.items():
        took, said = timed(*words, folder=folder)
        total += took
        loaded = next(line for line in said.splitlines() if line.startswith("LOADED"))
        print(f"  {name:9} {took:6.1f} s; TensorFlow or Keras loaded: {loaded[7:]}", flush=True)
    peer, said = timed(code=PEER, folder=folder)
    print(
        f"  together  {total:6.1f} s; pandas and scikit-learn's logistic regression {peer:.1f} s: ratio {total / peer:.2f}"
    )
    print(f"  the peer's {said.strip()}")
    from zooactive.training.finetuning.finetuned_model import load_finetuned

    found = load_finetuned(folder / "tasks" / "ring").evaluate()
    print(f"  the head's AUC {found['auc']:.3f} ({found['auc_low']:.3f}-{found['auc_high']:.3f}), five folds")


def bits(folder: Path) -> None:
    """Print whether a head says the same of stored predictions and of embeddings of the same encoder."""
    import zooactive as za
    from zooactive.training.finetuning.tasks import load_task

    model, rings = za.load_model("bundled"), load_task("rings").read(DATA)
    stored = za.predict(model, rings, out=folder / "predictions", draws=64, progress=None)
    known = za.embed(model, rings, folder / "embeddings", progress=None)
    head = za.finetune(None, rings, task="rings", embeddings=known, progress=None)
    by_stored = stored.redraw(head).posterior().concentrations
    by_embeddings = za.predict(head, known, draws=64, progress=None).concentrations
    print(f"  {len(known)} galaxies, 64 draws: equal bits {np.array_equal(by_stored, by_embeddings)}")


def main(galaxies: int) -> None:
    """Measure both."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "elsewhere").mkdir()
        print(f"{galaxies:,} galaxies of {WIDTH} features, {LABELS} labels")
        times(Path(folder) / "elsewhere", galaxies)
        print("rings/ by the bundled encoder: stored predictions against embeddings")
        bits(Path(folder))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else GALAXIES)
