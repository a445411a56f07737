"""A whole survey on so many workers, played through: hours, cost and storage.

    python plan_survey.py [--galaxies 1e9] [--workers 64] [--rate GALAXIES_A_SECOND] [--price PER_WORKER_HOUR] ...

The rate of one worker and the bytes of one galaxy are measured here, with the bundled encoder on one part of the sample's
galaxies, repeated, unless they are given: measure them on the machine that will do the work. Then the run is played through:
each worker takes a few parts, needs as long for them as was measured, with the measured spread, is lost at random, once in
so many hours, with what it had at work (all of it, which is the worst that can be), and comes back after a while.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
import tempfile
import time
from dataclasses import dataclass, replace

import numpy as np

import zooactive as za
from zooactive.foundation.catalogs import catalogs_folder

SAMPLE = catalogs_folder() / "samples" / "gz2_votes.parquet"
ROWS, PARTS_AT_ONCE = 2048, 4  # of a part, and what one call to a worker of Ray holds


@dataclass(frozen=True)
class Plan:
    """What happened in a run that was played through."""

    hours: float
    worker_hours: float
    losses: int


def measure(rounds: int = 3) -> tuple[list[float], float]:
    """Galaxies/s of this machine in some rounds, and stored bytes a galaxy."""
    sample = za.read_catalogue(SAMPLE)
    again = np.arange(ROWS) % len(sample)
    galaxies = replace(
        sample,
        ids=np.array([f"{row}-{sample.ids[old]}" for row, old in enumerate(again)], dtype=object),
        images=tuple(sample.images[old] for old in again),
        table=sample.table.iloc[again].reset_index(drop=True),
    )
    model = za.load_model("bundled")
    rates, size = [], 0.0
    for turn in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            predictions = za.predict(model, galaxies, out=folder)
            if turn:  # the first one builds the network
                rates.append(len(galaxies) / (time.perf_counter() - began))
            size = sum(part.stat().st_size for part in predictions.parts) / len(galaxies)
    return rates, size


def play(
    galaxies: float,
    workers: int,
    rates: list[float],
    *,
    hours_between_losses: float,
    back_after_minutes: float,
    seed: int = 0,
) -> Plan:
    """Play a run through: one call of a worker is one event."""
    rng = np.random.default_rng(seed)
    mean = ROWS * PARTS_AT_ONCE / statistics.mean(rates)
    spread = statistics.stdev(rates) / statistics.mean(rates) if len(rates) > 1 else 0.0
    calls = int(np.ceil(galaxies / (ROWS * PARTS_AT_ONCE)))
    free_at = [0.0] * workers
    lost_at = list(rng.exponential(hours_between_losses * 3600, workers))
    heap = [(0.0, worker) for worker in range(workers)]
    losses = 0
    while calls:
        now, worker = heapq.heappop(heap)
        takes = mean * float(np.exp(spread * rng.normal()))
        if now + takes < lost_at[worker]:
            calls, free_at[worker] = calls - 1, now + takes
        else:
            losses += 1
            free_at[worker] = lost_at[worker] + back_after_minutes * 60
            lost_at[worker] = free_at[worker] + rng.exponential(hours_between_losses * 3600)
        heapq.heappush(heap, (free_at[worker], worker))
    return Plan(max(free_at) / 3600, sum(free_at) / 3600, losses)


def main(words: list[str] | None = None) -> None:
    """Measure, play, and print the arithmetic beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=float, default=1e9)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--rate", type=float, help="galaxies a second of one worker")
    parser.add_argument("--bytes", type=float, help="stored bytes a galaxy")
    parser.add_argument("--price", type=float, default=2.0, help="of a worker and hour, in whatever currency")
    parser.add_argument("--hours-between-losses", type=float, default=100.0, help="of one worker")
    parser.add_argument("--back-after-minutes", type=float, default=10.0)
    options = parser.parse_args(words)
    rates, size = ([options.rate], options.bytes) if options.rate and options.bytes else measure()
    rates = [options.rate] if options.rate else rates
    size = options.bytes or size
    rate = statistics.mean(rates)
    ideal = options.galaxies / rate / 3600
    print(f"{options.galaxies:.3g} galaxies at {rate:.0f} a second and worker, {size:.0f} bytes each")
    print(f"arithmetic: {ideal:,.0f} worker hours, {ideal / options.workers:,.1f} hours on {options.workers} workers")
    plan = play(
        options.galaxies,
        options.workers,
        rates,
        hours_between_losses=options.hours_between_losses,
        back_after_minutes=options.back_after_minutes,
    )
    print(
        f"played:     {plan.worker_hours:,.0f} worker hours, {plan.hours:,.1f} hours, {plan.losses} workers lost, "
        f"{plan.worker_hours / ideal - 1:.1%} more than the arithmetic"
    )
    print(f"cost:       {plan.worker_hours * options.price:,.0f} at {options.price:g} a worker hour")
    print(f"storage:    {options.galaxies * size / 1e12:,.2f} TB")


if __name__ == "__main__":
    main()
