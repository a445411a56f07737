"""Stop work on Ctrl-C and SIGTERM: between steps that must not be interrupted, with a message about what is kept."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM after `work_begins` was called: batch systems send it some time before they kill a process."""


TERMINATED = 143
"""The exit code of a command that SIGTERM ended: 128 plus the signal's number, as in shells."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"zooactive: ended by SIGTERM; nothing was begun\n")
    os._exit(TERMINATED)


_ANSWERS: dict[int, Callable[[int, FrameType | None], Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: _terminate,
}
"""The handlers that raise an exception wherever the main thread is: Python's for Ctrl-C, and ours for SIGTERM."""


@contextmanager
def answering_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process with a message in the block, unless another handler is set or it is ignored.

    Before `work_begins` it ends the process at once, afterwards like Ctrl-C. At the very end it is ignored, because finished
    work should end normally. Programs use this; a library leaves the signals of its process alone.
    """
    ours = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, _end_at_once)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def work_begins() -> None:
    """Let SIGTERM raise `Terminated` from here on, inside `answering_sigterm`; elsewhere nothing changes."""
    if signal.getsignal(signal.SIGTERM) is _end_at_once:
        signal.signal(signal.SIGTERM, _terminate)


@contextmanager
def kept_when_stopped(kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, say what is kept of the work and what will be repeated; only the innermost block says it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if not getattr(stop, "__notes__", None):
            stop.add_note(kept())
        raise


@contextmanager
def stopped_between_steps() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C or SIGTERM wait for the end of a step; yield the function to call between steps, which then stops.

    A KeyboardInterrupt while TensorFlow calls into Python may end the process with a segmentation fault, without a message
    about what is kept. A second Ctrl-C does not wait. If another handler is set, or in another thread than the main one,
    nothing changes.
    """
    asked: int | None = None

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = number
        answer_as_before()

    def answer_as_before() -> None:
        for number, answer in taken.items():
            signal.signal(number, answer)

    def between() -> None:
        if asked is not None:
            raise KeyboardInterrupt if asked == signal.SIGINT else Terminated

    taken = {}
    if threading.current_thread() is threading.main_thread():
        taken = {number: answer for number, answer in _ANSWERS.items() if signal.getsignal(number) is answer}
    for number in taken:
        signal.signal(number, ask)
    try:
        yield between
    finally:
        answer_as_before()
    between()  # for a signal after the last step
