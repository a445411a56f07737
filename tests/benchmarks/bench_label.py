"""How long from a key to the next picture on the page to label on, with a million galaxies, without and during a fit?

    python tests/benchmarks/bench_label.py [GALAXIES]

Embeddings of the 1,280 features of the bundled encoder: those of the rings that come along, repeated with noise. The page is
open in headless Chromium. Each of 500 answers is a key event in the page; the clock stops two frames after the next picture
is drawn. Without a fit the fits are held up; during one they follow each other without a pause. Bounds: the 95th percentile
below 150 ms without, and at most 1.5 times that during a fit. Also printed: seconds of a fit with 500 labels, and memory
beside that of the embeddings. Needs Chromium and the packages of the tests.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from browser import Browser

import zooactive as za
from zooactive.catalogue import Catalogue
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.loop.labelling.learning import axes_of, learn
from zooactive.loop.labelling.queues import orders_of
from zooactive.loop.labelling.session import Session
from zooactive.report.labelling_page.server import PageServer
from zooactive.tree import DecisionTree, Question

RING = DecisionTree("labels", (Question("ring", ("yes", "no")),), votes="class")
ANSWERS, LABELS = 500, 500
ON_SCREEN = "document.getElementById('galaxy')?.naturalWidth > 0"
ONE = """new Promise((done) => {
  const image = document.getElementById("galaxy"), before = image.dataset.id, began = performance.now();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: Math.random() < 0.5 ? "1" : "2" }));
  const look = () => {
    if (image.dataset.id !== before && image.complete && image.naturalWidth) {
      requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
    } else setTimeout(look, 1);
  };
  look();
})"""


def pool_of(galaxies: int, folder: Path) -> tuple[Catalogue, np.ndarray]:
    """Return a pool, and its features as float16."""
    rings = za.read_catalogue(catalogs_folder() / "samples" / "rings.parquet")
    known = za.embed(za.load_model("bundled"), rings, folder / "embeddings", progress=None)
    rng = np.random.default_rng(0)
    features = np.empty((galaxies, known.width), dtype=np.float16)
    spread = 0.3 * known.features.std(0)
    for start in range(0, galaxies, 10_000):
        rows = rng.integers(0, len(known), min(10_000, galaxies - start))
        features[start : start + len(rows)] = known.features[rows] + spread * rng.normal(size=(len(rows), known.width))
    ids = np.array([f"g{i:07d}" for i in range(galaxies)], dtype=object)
    images = tuple(rings.images[i % len(rings)] for i in range(galaxies))
    import pandas as pd

    return Catalogue(ids, images, None, None, pd.DataFrame(index=range(galaxies)), "the pool"), features


def main(galaxies: int) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool, features = pool_of(galaxies, folder)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        session = Session(pool.ids, RING, folder / "ring")
        server = PageServer(session, pool)
        server.start()
        rng = np.random.default_rng(1)
        some = np.sort(rng.choice(galaxies, LABELS, replace=False))
        votes = np.eye(2)[(features[some, 0] > np.median(features[some, 0])).astype(int)]
        axes = axes_of(features)
        began = time.monotonic()
        learnt = learn(features[some], votes, pool.ids[some].tolist(), RING, axes)
        fitted = time.monotonic() - began
        orders_of(learnt, features, some, turn=0)
        print(
            f"{galaxies:,} galaxies; a fit with {LABELS} labels {fitted:.1f} s, with orders {time.monotonic() - began:.1f} s"
        )
        with Browser() as browser:
            browser.goto(server.address)
            browser.wait(ON_SCREEN)
            without = measured(browser)
            session.embedded(features)
            busy = threading.Event()

            def fit_again() -> None:
                while not busy.is_set():
                    session.wait()

            thread = threading.Thread(target=fit_again)
            thread.start()
            during = measured(browser)
            busy.set()
            thread.join()
        server.stop()
        session.close()
        for what, times in (("without a fit", without), ("during a fit", during)):
            print(f"  {what}: p50 {np.quantile(times, 0.5):.0f} ms, p95 {np.quantile(times, 0.95):.0f} ms of {len(times)}")
        print(f"  ratio of p95 {np.quantile(during, 0.95) / np.quantile(without, 0.95):.2f}")
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
        print(f"  embeddings {features.nbytes / 2**30:.2f} GiB, most memory beside them {peak:.2f} GiB")


def measured(browser: Browser) -> np.ndarray:
    """Return milliseconds from key to picture."""
    return np.array([browser.run(ONE) for _ in range(ANSWERS)])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
