"""Cutouts of archives that list their files first, on loopback: a galaxy in ten with a fault in a step, the command killed.

    python tests/drills/drill_archives.py [GALAXIES [KILLS]]

Of both archives is printed: what became of each kind of fault, whether every image is there with the pixels that the archive
has, how often a list or a cutout was asked for that had come already, and the most requests at a time. Ends with 1 where any
of it is not as it should be.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS)]

from sky_archives import Archive, archive, plane  # noqa: E402
from sky_service import jpeg  # noqa: E402

SIDE = 32
LISTED = {"none": "off the survey", "text": "fault", "404": "refused", "503": "fault", "empty": "fault"}
CUT = {
    "edge": "off the survey", "off": "off the survey", "clipped": "another size", "text": "no image", "404": "refused",
    "503": "fault", "damaged": "cut off",
}  # fmt: skip
PASSING = (("503", ""), ("429", ""), ("cut", ""), ("later 0", "500", ""))
EUCLID = {"VIS": "VIS", "Y": "NIR_Y", "J": "NIR_J", "H": "NIR_H"}
ARCHIVES = {
    "panstarrs-stsci": (("list", "irg"), ("--arcsec", "16", "--size", str(SIDE)), "jpg"),
    "euclid-q1-esa": (("list", *EUCLID), ("--arcsec", "3.2", "--form", "fits"), "fits"),
}
"""Steps, words of the command, and the kind of files."""


def place(i: int) -> tuple[str, str]:
    """Return where a galaxy is, as its addresses say it."""
    return f"{1 + i % 350 + (i % 16) / 16:g}", f"{-20 + (i // 350) / 4:g}"


def planned(number: int, steps: tuple[str, ...], dice: random.Random) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Return the step and the faults of one galaxy in ten: half of them pass."""
    found = {}
    for i in range(number):
        if dice.random() < 0.1:
            step = dice.choice(steps)
            words = [(fault,) for fault in (LISTED if step == "list" else CUT)]
            found[i] = (step, dice.choice(PASSING) if dice.random() < 0.5 else dice.choice(words))
    return found


def start(folder: Path, survey: Path, words: tuple[str, ...]) -> subprocess.Popen[str]:
    """Type the command."""
    asked = ("cutouts", "table.csv", "--survey", str(survey), *words, "--out", "images", "--max-failed", "1")
    line = [sys.executable, "-m", "zooactive", *asked]
    return subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def is_right(file: Path, i: int) -> bool:
    """Return whether a file holds what the archive has at a place."""
    from astropy.io import fits

    ra, dec = map(float, place(i))
    if file.suffix == ".jpg":
        return file.read_bytes() == jpeg(ra, dec, SIDE)
    with fits.open(file) as hdus:
        names = [hdu.header["EXTNAME"] for hdu in hdus[1:]]
        return names == list(EUCLID) and all(
            np.array_equal(hdu.data, plane(ra, dec, SIDE, EUCLID[name])) for name, hdu in zip(names, hdus[1:], strict=True)
        )


def play(survey: str, number: int, kills: int) -> list[str]:
    """Fetch from an archive, and return what is not as it should be."""
    steps, words, kind = ARCHIVES[survey]
    dice, wrong = random.Random(0), list[str]()
    faults = planned(number, steps, dice)
    with tempfile.TemporaryDirectory() as where, archive() as server:
        folder, images = Path(where), Path(where) / "images"
        pd.DataFrame([{"id": f"g{i}", "ra": place(i)[0], "dec": place(i)[1]} for i in range(number)]).to_csv(
            folder / "table.csv", index=False
        )
        file = server.write_archive(folder, survey)
        server.faults = {(step, *place(i)): said for i, (step, said) in faults.items()}
        began = time.perf_counter()
        for _ in range(kills):
            before, process = len(list(images.glob(f"*.{kind}"))), start(folder, file, words)
            share = dice.uniform(0.3, 1.0) * number / (kills + 1)
            while process.poll() is None and len(list(images.glob(f"*.{kind}"))) < before + share:
                time.sleep(0.02)
            if process.poll() is not None:
                wrong.append("it came to its end before it was killed")
                break
            process.send_signal(signal.SIGKILL)
            process.communicate()
        told = (last := start(folder, file, words)).communicate()[1]
        if last.returncode:
            wrong.append(f"the last run ended with {last.returncode}: {told[-300:]}")
        wrong += _looked_at(images, faults, number, server, kills)
        there = [i for i in range(number) if (images / f"g{i}.{kind}").exists()]
        right = sum(is_right(images / f"g{i}.{kind}", i) for i in there)
        took = time.perf_counter() - began
        print(f"{survey}: {kills} kills, {len(there)} images of which {right} right, {len(there) / took:.0f} a second")
        lost = {i for i, (_, said) in faults.items() if said[-1]}
        if right < len(there) or set(there) != set(range(number)) - lost:
            wrong.append(f"{len(there)} images are there and {right} are right, of {number - len(lost)}")
    return [f"{survey}: {line}" for line in wrong]


def _looked_at(
    images: Path, faults: dict[int, tuple[str, tuple[str, ...]]], number: int, server: Archive, kills: int
) -> list[str]:
    wrong = []
    found = pd.read_parquet(images / "failures.parquet").set_index("id")["what"].to_dict()
    expected = {f"g{i}": (LISTED if step == "list" else CUT)[said[-1]] for i, (step, said) in faults.items() if said[-1]}
    print(Counter(found.values()))
    if found != expected:
        wrong.append(f"failures are {Counter(found.values())} and not {Counter(expected.values())}")
    if pd.read_parquet(images / "cutouts.parquet")["id"].tolist() != [
        f"g{i}" for i in range(number) if f"g{i}" not in expected
    ]:
        wrong.append("the table has other galaxies")
    faulty = {place(i) for i in faults}
    again = Counter[str]()
    for (step, *where), times in server.asked.items():
        again[step] += times - 1 if tuple(where) not in faulty else 0
    print(
        f"{sum(server.asked.values())} requests; asked for again: {dict(again)}, 2 a step and kill at most were on their way"
    )
    # Of a galaxy whose bands were not all there when the command was killed, those that were there are asked for again.
    if any(times > 2 * kills for times in again.values()):
        wrong.append(f"asked for again: {again}")
    print(f"at most {server.most_at_once} requests at a time")
    if server.most_at_once > 2 + 2:  # a killed client's last two may still be answered
        wrong.append(f"{server.most_at_once} requests ran at a time")
    return wrong


def main(number: int = 2_000, kills: int = 5) -> int:
    """Play it with both."""
    wrong = [line for survey in ARCHIVES for line in play(survey, number, kills)]
    for line in wrong:
        print(f"WRONG: {line}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
