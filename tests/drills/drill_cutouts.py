"""Ten thousand cutouts from a service on loopback, one in ten with a fault, the command killed five times on the way.

    python tests/drills/drill_cutouts.py [GALAXIES [KILLS]]

Printed: what became of each kind of fault, whether every image is there with the bytes that the service gave, how often
anything was asked for that had come already, the most requests at a time, and images a second beside what the service gives
to a client that only reads. Ends with 1 where any of it is not as it should be.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pandas as pd

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS)]

from sky_service import Sky, jpeg, sky  # noqa: E402

FAULTS = {
    "off": "off the survey", "white": "off the survey", "clipped": "another size", "text": "no image", "404": "refused",
    "503": "fault", "cut": "fault", "damaged": "cut off",
}  # fmt: skip
PASSING = (("503", ""), ("429", ""), ("cut", ""), ("later 0", "500", ""))
SIDE = 32


def place(i: int) -> tuple[str, str]:
    """Return where a galaxy is, as its address says it."""
    return f"{1 + i % 350 + (i % 16) / 16:g}", f"{-60 + (i // 350) / 4:g}"


def planned(number: int, dice: random.Random) -> dict[int, tuple[str, ...]]:
    """Return the faults of one galaxy in ten: half of them pass."""
    words = [(fault,) for fault in FAULTS]
    return {
        i: dice.choice(PASSING) if dice.random() < 0.5 else dice.choice(words) for i in range(number) if dice.random() < 0.1
    }


def start(folder: Path, table: Path, service: Path, out: str) -> subprocess.Popen[str]:
    """Type the command."""
    words = ("cutouts", table, "--survey", service, "--arcsec", "16", "--size", SIDE, "--out", out, "--max-failed", "1")
    asked = [sys.executable, "-m", "zooactive", *map(str, words)]
    return subprocess.Popen(asked, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def bare(server: Sky, number: int) -> float:
    """Return images a second for two connections that only read."""
    import httpx2

    def read(first: int) -> None:
        with httpx2.Client() as client:
            for i in range(first, number, 2):
                ra, dec = place(i)
                client.get(f"{server.base}/jpeg-cutout?ra={ra}&dec={dec}&layer=sky&pixscale=0.5&size={SIDE}")

    threads = [threading.Thread(target=read, args=(first,)) for first in (0, 1)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return number / (time.perf_counter() - began)


def main(number: int = 10_000, kills: int = 5) -> int:
    """Play it."""
    dice, wrong = random.Random(0), list[str]()
    faults = planned(number, dice)
    with tempfile.TemporaryDirectory() as place_of, sky() as server:
        folder = Path(place_of)
        table, service = folder / "table.csv", server.write_service(folder)
        pd.DataFrame([{"id": f"g{i}", "ra": place(i)[0], "dec": place(i)[1]} for i in range(number)]).to_csv(
            table, index=False
        )
        reading = bare(server, min(number, 2000))
        server.faults = {place(i): said for i, said in faults.items()}
        server.asked.clear()
        server.begun.clear()
        began, images, killed = time.perf_counter(), folder / "images", 0
        while killed < kills:
            before, process = len(list(images.glob("*.jpg"))), start(folder, table, service, "images")
            share = dice.uniform(0.3, 1.0) * number / (kills + 1)
            while process.poll() is None and len(list(images.glob("*.jpg"))) < before + share:
                time.sleep(0.02)
            if process.poll() is not None:
                wrong.append("it came to its end before it was killed")
                break
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        told = (last := start(folder, table, service, "images")).communicate()[1]
        took = time.perf_counter() - began
        if last.returncode:
            wrong.append(f"the last run ended with {last.returncode}: {told[-300:]}")
        wrong += _looked_at(images, faults, number, server, kills)
        files = len(list(images.glob("*.jpg")))
        print(f"{killed} kills, {files} images, {files / took:.0f} a second with the starts; bare reading {reading:.0f}")
    for line in wrong:
        print(f"WRONG: {line}")
    return int(bool(wrong))


def _looked_at(images: Path, faults: dict[int, tuple[str, ...]], number: int, server: Sky, kills: int) -> list[str]:
    """Print what came, and return what is not as it should be."""
    wrong = []
    failures = pd.read_parquet(images / "failures.parquet").set_index("id")
    expected = {f"g{i}": FAULTS[said[-1]] for i, said in faults.items() if said[-1]}
    found = failures["what"].to_dict()
    print(Counter(found.values()))
    if found != expected:
        wrong.append(f"failures are {Counter(found.values())} and not {Counter(expected.values())}")
    there = {f"g{i}": jpeg(float(place(i)[0]), float(place(i)[1]), SIDE) for i in range(number) if f"g{i}" not in expected}
    files = {file.stem: file.read_bytes() for file in images.glob("*.jpg")}
    if files != there:
        wrong.append(
            f"{len(files)} images, of which {sum(files.get(name) == content for name, content in there.items())} right"
        )
    if pd.read_parquet(images / "cutouts.parquet")["id"].tolist() != [f"g{i}" for i in range(number) if f"g{i}" in there]:
        wrong.append("the table has other galaxies")
    passing = {i for i, said in faults.items() if said[-1]}
    extra = sum(times - 1 for key, times in server.asked.items() if key not in {place(i) for i in faults})
    print(f"{sum(server.asked.values())} requests; {extra} for what had come already, {2 * kills} at most were on their way")
    print(f"{len(faults)} faults, of which {len(faults) - len(passing)} passed")
    if extra > 2 * kills:
        wrong.append(f"{extra} requests were made again")
    print(f"at most {server.most_at_once} requests at a time")
    if server.most_at_once > 2 + 2:  # a killed client's last two may still be answered
        wrong.append(f"{server.most_at_once} requests ran at a time")
    return wrong


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
