"""A bound on work that means the same on every machine: so many times what a fixed piece of plain Python takes there now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


def piece() -> float:
    """Seconds of a processor for a hundred thousand additions one by one, some thousandths of a second on a laptop."""
    began, total = time.process_time(), 0
    for number in range(100_000):
        total += number
    return time.process_time() - began


@contextmanager
def at_most(pieces: float) -> Iterator[None]:
    """Fail where the block takes more than so many pieces of work."""
    before, began = piece(), time.process_time()
    yield
    took = time.process_time() - began
    assert took < pieces * max(before, piece()), "it takes far more work than it should"
