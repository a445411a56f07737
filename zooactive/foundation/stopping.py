"""How Ctrl-C ends work: between steps where a step must not be broken into, and with a word on what is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_PYTHONS = signal.default_int_handler
"""Python's own answer to Ctrl-C: a KeyboardInterrupt, wherever the main thread is."""


@contextmanager
def kept_when_stopped(kept: Callable[[], str]) -> Iterator[None]:
    """Say with a Ctrl-C what is kept of the work and what will be done again; the first to say it knows best."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if not getattr(stop, "__notes__", None):
            stop.add_note(kept())
        raise


@contextmanager
def stopped_between_steps() -> Iterator[Callable[[], None]]:
    """Have a Ctrl-C wait for the end of a step; gives the function that is called between steps, and stops there.

    A KeyboardInterrupt that is raised while TensorFlow calls into Python may end the process with a segmentation fault, and
    nothing is said of what is kept. A second Ctrl-C does not wait. Where Python's own answer to Ctrl-C is not in force, or
    in another thread than the first, all stays as it is.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, _PYTHONS)

    def between() -> None:
        if asked:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not _PYTHONS:
        yield between
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield between
    finally:
        signal.signal(signal.SIGINT, _PYTHONS)
    between()  # asked after the last step
