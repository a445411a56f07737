"""Seeds for fresh weights that do not depend on what other threads do.

If an initialiser or a dropout layer is given no seed, Keras takes one from Python's `random`, whose state all threads of a
process share. Here each thread draws from its own dice while it builds a network.
"""

from __future__ import annotations

import importlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_thrown = threading.local()
"""Its `dice` belong to a thread that builds a network."""

_one_at_a_time = threading.RLock()


class _DiceOfThisThread:
    """A substitute for the module `random` in Keras: the dice of a thread that builds a network, otherwise that module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_thrown, "dice", None) or random, name)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make the Keras layers that this thread builds in the block depend only on a seed.

    Neither Keras' nor Python's random state changes. With a version of Keras that draws seeds in an unknown way, they change
    for a moment; threads that build networks then wait for each other.
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
    """Make Keras draw seeds from the dice of the thread; return whether it does."""
    # There is no public way: every public seed belongs to the whole process.
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
