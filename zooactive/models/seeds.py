"""The seeds of fresh weights, which depend on nothing that other threads do.

Keras takes the seed of every initialiser and every dropout that was given none from Python's `random`, and all threads of a
process share the state of that. Here each thread draws from dice of its own while it builds a network.
"""

from __future__ import annotations

import importlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_thrown = threading.local()
"""Its `dice`: of a thread that builds a network."""

_one_at_a_time = threading.RLock()


class _DiceOfThisThread:
    """What Keras takes for the module `random`: the dice of a thread that builds a network, and else that module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_thrown, "dice", None) or random, name)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make the Keras layers that this thread builds meanwhile depend on a seed alone.

    Neither Keras' nor Python's random state changes. They would for a moment under a version of Keras that draws seeds in
    another way than known here; threads that build networks then wait for each other.
    """
    if not _keras_asks():
        with _one_at_a_time, _python_seeded(seed):
            yield
        return
    before = getattr(_thrown, "dice", None)
    _thrown.dice = random.Random(seed)
    try:
        yield
    finally:
        _thrown.dice = before


def _keras_asks() -> bool:
    """Have Keras draw seeds from the dice of the thread; whether it does."""
    # There is no public way: every public seed is one of the whole process.
    drawing: Any = importlib.import_module("keras.src.random.seed_generator")
    if getattr(drawing, "python_random", None) is random:
        drawing.python_random = _DiceOfThisThread()
    return isinstance(getattr(drawing, "python_random", None), _DiceOfThisThread)


@contextmanager
def _python_seeded(seed: int) -> Iterator[None]:
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
