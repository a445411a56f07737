"""Does the command line answer at once? Medians of whole processes, beside a bare interpreter in the same run.

Bounds: ``zooactive --help`` 0.6 s, ``import zooactive`` 0.3 s, with a warm file cache.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    'python -c "import zooactive"': [sys.executable, "-c", "import zooactive"],
    "zooactive --help": [sys.executable, "-m", "zooactive", "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Run the commands in turn, so that a slow moment of the machine meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(12):
        for name, command in COMMANDS.items():
            elapsed = seconds(command)
            if run:  # the first one warms the file cache
                times[name].append(elapsed)
    bare = statistics.median(times["python -c pass"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:30s} median {median:.3f} s of {len(values)}, {median / bare:5.1f} times a bare interpreter")


if __name__ == "__main__":
    main()
