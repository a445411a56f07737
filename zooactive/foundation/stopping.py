"""How Ctrl-C and SIGTERM end work: between steps where a step must not be broken into, with a word on what is kept."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises where `work_begins` was called: batch systems send it some time before they kill."""


TERMINATED = 143
"""The exit code of a command that SIGTERM ended, 128 and the signal's number, as shells have it."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"zooactive: ended by SIGTERM; nothing was begun\n")
    os._exit(TERMINATED)


_ANSWERS: dict[int, Callable[[int, FrameType | None], Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: _terminate,
}
"""What raises an exception wherever the main thread is: to Ctrl-C by Python, to SIGTERM where a program of ours said so."""


@contextmanager
def answering_sigterm() -> Iterator[None]:
    """Have SIGTERM end this process with a sentence meanwhile, unless somebody else answers it or has it ignored.

    Before `work_begins` it ends at once, then as by Ctrl-C, and in the end it is ignored: what is finished ends well. It is
    for programs to enter: a library leaves the signals of its process alone.
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
    """Have SIGTERM raise `Terminated` from here on, inside `answering_sigterm`; elsewhere nothing changes."""
    if signal.getsignal(signal.SIGTERM) is _end_at_once:
        signal.signal(signal.SIGTERM, _terminate)


@contextmanager
def kept_when_stopped(kept: Callable[[], str]) -> Iterator[None]:
    """Say with a Ctrl-C or SIGTERM what is kept of the work and what will be done again; the first to say it knows best."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if not getattr(stop, "__notes__", None):
            stop.add_note(kept())
        raise


@contextmanager
def stopped_between_steps() -> Iterator[Callable[[], None]]:
    """Have a Ctrl-C or SIGTERM wait for the end of a step; gives the function that is called between steps, and stops there.

    A KeyboardInterrupt that is raised while TensorFlow calls into Python may end the process with a segmentation fault, and
    nothing is said of what is kept. A second one does not wait. Where somebody else answers a signal, and in another thread
    than the first, all stays as it is.
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
    between()  # asked after the last step
