"""Is any answer lost that was acknowledged, when `zooactive label` is killed while somebody answers as fast as it goes?

    python tests/drills/drill_label.py [TIMES]

Each time (default 20) the command is started on the same folder of images, a driver posts answers one after the other, one
in five of them of a galaxy that was answered before, and the process gets SIGKILL after 0.2 to 2 seconds of that. Then
``labels.csv`` has to hold the last acknowledged answer of every galaxy, none twice, and at most the one more that was on its
way; and the next start has to find the same.
"""

from __future__ import annotations

import csv
import http.client
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

GALAXIES = 4000


def main(times: int) -> None:
    """Kill it so many times, and say what was found."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_pool(home / "pool", GALAXIES)
        acknowledged: dict[str, str] = {}
        for number in range(times):
            given, pending = killed_once(home, acknowledged, seconds=random.Random(number).uniform(0.2, 2))
            rows = labels_of(home)
            wrong = {galaxy for galaxy, answer in acknowledged.items() if rows.get(galaxy) != answer} - {pending}
            more = set(rows) - set(acknowledged) - {pending}
            print(
                f"{number + 1}: {given} answers acknowledged, {len(rows)} galaxies in labels.csv, {len(wrong)} lost, "
                f"{len(more)} of nobody",
                flush=True,
            )
            assert not wrong
            assert not more
            if pending in rows:  # it was on the disk, and nobody was told
                acknowledged[pending] = rows[pending]
            else:
                acknowledged.pop(pending, None)
        print(f"{times} of {times}: every acknowledged answer is there, none twice")


def write_pool(folder: Path, number: int) -> None:
    """Write small images."""
    folder.mkdir()
    picture = folder / "g0000.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(picture)
    for i in range(1, number):
        shutil.copyfile(picture, folder / f"g{i:04d}.png")


def killed_once(home: Path, acknowledged: dict[str, str], *, seconds: float, least: int = 0) -> tuple[int, str]:
    """Answer for so long, kill, and return how many answers were acknowledged and the galaxy that was on its way.

    Where the machine is slow, `least` answers are waited for.
    """
    words = [sys.executable, "-m", "zooactive", "label", "--pool", "pool", "--question", "ring", "--no-browser"]
    process = subprocess.Popen([*words, "--model", "nowhere"], cwd=home, stderr=subprocess.PIPE, text=True)
    address = None
    while address is None:
        line = process.stderr.readline()
        assert line, "it ended before it served"
        address = (found := re.search(r"http://\S+", line)) and urlsplit(found[0])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    rng, begun, given, pending = random.Random(len(acknowledged)), time.monotonic(), 0, ""
    killed = False
    try:
        while True:
            if not killed and given >= least and time.monotonic() - begun > seconds:
                process.send_signal(signal.SIGKILL)
                killed = True
            known = list(acknowledged)
            again = bool(known) and rng.random() < 0.2
            pending = rng.choice(known) if again else f"g{rng.randrange(GALAXIES):04d}"
            answer = rng.choice(["yes", "no"])
            body = json.dumps({"id": pending, "answer": answer, "labeller": "driver"})
            connection.request("POST", f"{address.path}api/answer", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            assert response.status == 200
            acknowledged[pending] = answer
            given += 1
            pending = ""
    except (OSError, http.client.HTTPException):
        process.wait()
        process.stderr.close()
        return given, pending


def labels_of(home: Path) -> dict[str, str]:
    """Return the answers in the table; no galaxy may be there twice."""
    with (home / "labelling" / "ring" / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {row["id"]: row["ring"] for row in rows}
    assert len(found) == len(rows)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
