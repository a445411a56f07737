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


_came: type[KeyboardInterrupt] | None = None
"""The stop that a signal raised in this program, until the work ends or somebody answers it."""


def _raise(stop: type[KeyboardInterrupt]) -> NoReturn:
    global _came
    _came = stop
    raise stop


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    _raise(KeyboardInterrupt)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    _raise(Terminated)


def _end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"zooactive: ended by SIGTERM; nothing was begun\n")
    os._exit(TERMINATED)


_ANSWERS: dict[int, tuple[Callable[[int, FrameType | None], Any], ...]] = {
    signal.SIGINT: (signal.default_int_handler, _interrupt),
    signal.SIGTERM: (_terminate,),
}
"""The handlers that raise an exception wherever the main thread is: Python's for Ctrl-C, and ours."""


@contextmanager
def answering_signals() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end this process with a message in the block, unless other handlers are set.

    Before `work_begins` SIGTERM ends the process at once, afterwards like Ctrl-C. At the very end it is ignored, because
    finished work should end normally. Programs use this; a library leaves the signals of its process alone.
    """
    pythons, ours = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))
    ctrl_c, sigterm = (signal.getsignal(number) is answer for number, answer in (pythons, ours))
    if ctrl_c:
        signal.signal(signal.SIGINT, _interrupt)
    if sigterm:
        signal.signal(signal.SIGTERM, _end_at_once)
    try:
        yield
    finally:
        if sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if ctrl_c:
            signal.signal(*pythons)
        stop_is_answered()


def work_begins() -> None:
    """Let SIGTERM raise `Terminated` from here on, inside `answering_signals`; elsewhere nothing changes."""
    stop_is_answered()
    if signal.getsignal(signal.SIGTERM) is _end_at_once:
        signal.signal(signal.SIGTERM, _terminate)


def work_ends() -> None:
    """Ignore SIGTERM from here on, inside `answering_signals`: only the outcome is told after the work."""
    if signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def signals_as_they_are() -> Iterator[None]:
    """Keep this process's answers to Ctrl-C and SIGTERM in a block that sets others, as Ray does when it starts."""
    if threading.current_thread() is not threading.main_thread():  # no other thread may set any
        yield
        return
    answers = {number: signal.getsignal(number) for number in _ANSWERS}
    try:
        yield
    finally:
        for number, answer in answers.items():
            signal.signal(number, answer)


def stop_is_answered() -> None:
    """Forget a stop that ended what it should end, so that a later failure is not taken for it."""
    global _came
    _came = None


def stop_behind(error: BaseException) -> KeyboardInterrupt | None:
    """Return the stop that ended the work with this error: the error itself, or None for a failure.

    A library in whose code a signal raises an exception may swallow it, or fail for it in another place: TensorFlow made an
    AttributeError of a stop in its tracing. Inside `answering_signals`, every error after a stop is therefore taken for it.
    """
    if isinstance(error, KeyboardInterrupt):
        return error
    return _came() if _came is not None and isinstance(error, Exception) else None


@contextmanager
def kept_when_stopped(kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, say what is kept of the work and what will be repeated; only the innermost block says it."""
    try:
        yield
    except BaseException as error:
        stop = stop_behind(error)
        if stop is None:
            raise
        if not getattr(stop, "__notes__", None):
            stop.add_note(kept())
        if stop is error:
            raise
        raise stop from error


class _Postponed:
    """Stops that wait: while they are noted, nothing is raised; the first one gives the answers back, so a second is raised.

    If another handler is set, or in another thread than the main one, nothing changes.
    """

    def __init__(self) -> None:
        self._came: int | None = None
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        set_now = {number: signal.getsignal(number) for number in _ANSWERS} if self.in_main_thread else {}
        self._taken: dict[int, Any] = {number: answer for number, answer in set_now.items() if answer in _ANSWERS[number]}
        for number in self._taken:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = number
        self.give_back()

    def give_back(self) -> None:
        """Let a signal be answered at once again."""
        for number, answer in self._taken.items():
            signal.signal(number, answer)

    def answer(self) -> None:
        """Answer the signal that came, if one did."""
        if self._came is not None:
            self._taken[self._came](self._came, None)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C or SIGTERM wait until a short block has ended, such as one that makes something and notes that it did."""
    waiting = _Postponed()
    try:
        yield
    finally:
        waiting.give_back()
    waiting.answer()


@contextmanager
def stopped_between_steps() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C or SIGTERM wait for the end of a step; yield the function to call between steps, which then stops.

    A KeyboardInterrupt while TensorFlow calls into Python may end the process with a segmentation fault, without a message
    about what is kept, or become an error of TensorFlow. A second Ctrl-C does not wait. A stop that a library swallowed
    before is raised again. If another handler is set, or in another thread than the main one, nothing changes.
    """
    waiting = _Postponed()

    def between() -> None:
        waiting.answer()
        if _came is not None and waiting.in_main_thread:
            raise _came

    try:
        yield between
    finally:
        waiting.give_back()
    between()  # for a signal after the last step
