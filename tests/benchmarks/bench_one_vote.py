"""How fast is the one-vote score, beside baal's BALD on the same 100,000 x 3 x 20 array?

baal needs NumPy 1 and PyTorch, so it runs in a virtual environment of its own (made in the folder given as the first
argument, by default ``bench-baal``; some gigabytes), and the two are timed by turns, a process each. Bound: at least 3 times
baal. The scores are compared too: one question has the same information by both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

GALAXIES, ANSWERS, DRAWS, REPEATS = 100_000, 3, 20, 5

TIMED = """
import statistics, sys, time
import numpy as np
fractions = np.load(sys.argv[1])
{prepare}
times = []
for _ in range(12):
    began = time.perf_counter()
    scores = {score}
    times.append(time.perf_counter() - began)
np.save(sys.argv[2], scores)
print(statistics.median(times[2:]))
"""
BAAL = TIMED.format(
    prepare="""
from baal.active.heuristics import BALD
bald = BALD()
whole = np.ascontiguousarray(np.moveaxis(fractions, 0, -1))  # (galaxy, answer, draw), as baal takes it
""",
    score="bald.compute_score(whole)",
)
OURS = TIMED.format(
    prepare="""
import zooactive as za
tree = za.DecisionTree("t", [za.Question("q", ["a", "b", "c"])])
posterior = za.Posterior(fractions * 30, [str(i) for i in range(fractions.shape[1])], tree)
""",
    score="za.acquisition.one_vote_information(posterior)",
)


def main() -> None:
    """Time both, by turns."""
    import numpy as np

    home = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-baal").resolve()
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "baal==2.0.0", "setuptools<81"], check=True)
    seconds: dict[str, list[float]] = {"ours": [], "baal": []}
    with tempfile.TemporaryDirectory() as folder:
        array = Path(folder) / "fractions.npy"
        alpha = np.random.default_rng(0).gamma(2, 5, (DRAWS, GALAXIES, ANSWERS)) + 0.1
        np.save(array, alpha / alpha.sum(-1, keepdims=True))
        for _ in range(REPEATS):
            for name, executable, code in (("ours", sys.executable, OURS), ("baal", python, BAAL)):
                command = [executable, "-c", code, array, Path(folder) / f"{name}.npy"]
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                seconds[name].append(float(printed))
        ours, baal = (np.load(Path(folder) / f"{name}.npy") for name in seconds)
    print(f"largest difference of the scores: {np.abs(ours - baal).max():.1e} nats")
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"medians: {1e3 * medians['ours']:.1f} ms, baal {1e3 * medians['baal']:.1f} ms")
    print(f"ratio: {medians['baal'] / medians['ours']:.1f} (bound 3)")


if __name__ == "__main__":
    main()
