"""Does a command that a batch system ends with SIGTERM say so, keep what is finished, and go on to the same bytes?

Each command is played on the survey of `drill_kills`: once undisturbed, and then again and again, each time sent SIGTERM at
a random moment from its first line of code to its end. It must end with exit code 143 and one sentence as its last line,
without a traceback, within `PATIENCE` seconds; no half-written file and no lock may be left; and the same command must then
come to the bytes of the undisturbed run. One that had ended already is sent another, at another moment.

    python tests/drills/drill_sigterm.py                      # predict, train, finetune and votes, 20 times each
    python tests/drills/drill_sigterm.py votes --times 5
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from drill_kills import IN_A_FORK, LONGEST, Drill, drilled
from warm_interpreter import AS_COMMAND, start

ENDED = ("predict", "train", "finetune", "votes")
PATIENCE = 30
"""Seconds between SIGTERM and SIGKILL in Slurm, as it comes."""

BEGUN = "print('begun', flush=True)\n"


def sent(drill: Drill, share: float) -> tuple[int, str, float]:
    """Send SIGTERM after a share of the time that the job takes, and return exit code, words, and seconds until the end."""
    process: Any = start(IN_A_FORK + BEGUN + AS_COMMAND, 0, "-", *drill.words, folder=drill.place.run)
    process.stdout.readline()
    time.sleep(share * (drill.first + drill.span))
    with suppress(ProcessLookupError):  # it has ended meanwhile
        process.send_signal(signal.SIGTERM)
    at = time.monotonic()
    told = process.communicate(timeout=LONGEST)[1]
    return process.returncode, told, time.monotonic() - at


def ended(drill: Drill, times: int) -> list[str]:
    """End a job so often, and let it go on; return the cells of its row."""
    shares: list[float] = []
    slowest, equal, late, early, sayings = 0.0, 0, 0, 0, set[str]()
    while len(shares) < times:
        drill.place.fresh()
        before = drill.place.files()
        share = drill.dice.random()
        code, told, seconds = sent(drill, share)
        what = f"SIGTERM at {share:.2f}"
        if code == 0:
            late += 1
            assert late < 10 * times, "it ends before it is told to"
            continue
        if code == -signal.SIGTERM and drill.place.files() == before and not told:
            early += 1  # Python was importing the command line still, and nothing had been done
            continue
        shares.append(share)
        slowest = max(slowest, seconds)
        last = (told.strip().splitlines() or [""])[-1]
        if code != 143 or "Traceback" in told or not last.startswith("zooactive: ended by SIGTERM; ") or seconds > PATIENCE:
            drill.odd.append(f"{drill.name}, {what}: exit code {code} after {seconds:.1f} s: {told[-600:]}")
        sayings.add(last)
        drill.odd += [f"{drill.name}, {what}: {name} {why}" for name, why in drill.leftovers()]
        try:
            drill.place.typed(*drill.words)
        except AssertionError as error:
            drill.odd.append(f"{drill.name}, {what}: {error}")
            continue
        equal += drill.compare(what)
    for said in sorted(sayings):
        print(f"  {said}")
    print(f"  {late} had ended, {early} had not begun, and were sent another", flush=True)
    return [str(len(shares)), f"{min(shares):.2f}-{max(shares):.2f}", f"{slowest:.1f} s", f"{equal} of {times}"]


def main() -> int:
    """Play the jobs, and print a table of what came out."""
    return drilled(__doc__, ENDED, {"times": 20}, ("SIGTERM", "at shares", "slowest end", "then equal"), ended)


if __name__ == "__main__":
    sys.exit(main())
