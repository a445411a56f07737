"""Read images again, after growing pauses, if they may be readable soon.

A busy server, an unmounted disk or a broken connection says nothing about an image. A damaged image, or one that is missing
from its folder, stays as it is, and reading it again would only cost time.
"""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import ImageError

PAUSES = (0.5, 2.0, 8.0)
"""The pauses in seconds before an image is read for the second, third and fourth time."""

TRANSIENT, PERMANENT = "transient", "permanent"
"""The kinds of failures, as written in ``failures.parquet``."""

_PASSING = frozenset(
    number
    for name in (
        *("EIO", "ESTALE", "EREMOTEIO", "EBUSY", "EAGAIN", "EINTR", "ENOMEM", "ENOBUFS", "EMFILE", "ENFILE"),
        *("ETIMEDOUT", "ETIME", "ECONNRESET", "ECONNREFUSED", "ECONNABORTED", "ENOTCONN", "EPIPE", "ESHUTDOWN", "ENOLINK"),
        *("ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENODEV", "ENXIO"),
    )
    if (number := getattr(errno, name, None)) is not None
)
_PASSING_STATUS = frozenset({408, 425, 429})  # HTTP statuses, in addition to all from 500 on
_HURRY = 600.0  # seconds without pauses, once a round of pauses has not helped
_NETWORK = ("aiohttp", "requests", "urllib3", "httpx", "httpcore", "botocore", "http")
_BROKEN = ("connect", "timeout", "payload", "protocol", "incomplete")  # in the names of the errors of these packages


class UnreachableImage(ImageError):
    """An image that could not be read, although a later try may succeed, for example because a server does not answer."""


class Reason(str):
    """The reason why an image could not be read, as a text for people, and whether the reason may pass.

    Parameters
    ----------
    text : str
    kind : {"transient", "permanent"}
    """

    kind: str

    def __new__(cls, text: str, kind: str = PERMANENT) -> Reason:
        """Make a text that also has a kind."""
        reason = super().__new__(cls, text)
        reason.kind = kind
        return reason

    @classmethod
    def of(cls, error: ImageError) -> Reason:
        """Return the reason that an error states."""
        return cls(str(error), TRANSIENT if isinstance(error, UnreachableImage) else PERMANENT)

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.kind


def kind_of(reason: str) -> str:
    """Return the kind of a reason; a plain text counts as permanent."""
    return reason.kind if isinstance(reason, Reason) else PERMANENT


def may_pass(error: BaseException) -> bool:
    """Return whether an error may pass: it is about a file system or a server, and not about the image."""
    while True:
        if (status := status_of(error)) is not None:
            return status in _PASSING_STATUS or status >= 500
        if isinstance(error, TimeoutError | ConnectionError):
            return True
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno in _PASSING
        place, name = type(error).__module__.partition(".")[0], type(error).__name__.lower()
        if place in _NETWORK and any(word in name for word in _BROKEN):
            return True
        if error.__cause__ is None:
            return False
        error = error.__cause__


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error of aiohttp, requests, gcsfs or botocore carries, or None if it has none."""
    response: Any = getattr(error, "response", None)
    found = [getattr(error, name, None) for name in ("status", "status_code", "code")]
    found.append(getattr(response, "status_code", None))
    if isinstance(response, dict):
        about = response.get("ResponseMetadata")
        found.append(about.get("HTTPStatusCode") if isinstance(about, dict) else None)
    return next((int(status) for status in found if isinstance(status, int) and 400 <= status < 600), None)


def is_away(path: Path) -> bool:
    """Return whether a file's whole folder is missing or empty, as it is if a disk is not mounted."""
    try:
        with os.scandir(path.parent) as files:
            return next(files, None) is None
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        return may_pass(error)


class Patience:
    """The pauses before another try; once all of them have not helped, tries run without pauses for ten minutes.

    Otherwise a survey with a dead server would wait at every batch. A try that brings an image restores the pauses.

    Parameters
    ----------
    sleep : callable
        Waits for a number of seconds.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic) -> None:
        self._sleep, self._clock, self._hurried_until = sleep, clock, -math.inf

    def tries(self) -> Iterator[None]:
        """Yield once for each further try, after its pause."""
        if self._clock() < self._hurried_until:
            yield
            return
        for pause in PAUSES:
            self._sleep(pause)
            yield

    def learn(self, *, brought: bool) -> None:
        """Record whether the tries brought any image."""
        if brought:
            self._hurried_until = -math.inf
        elif self._clock() >= self._hurried_until:
            self._hurried_until = self._clock() + _HURRY


_patience = Patience()  # shared by the whole process: a server that is down is down for every batch


def read_patiently(
    read: Callable[[Collection[int]], Mapping[int, Reason]],
    rows: Collection[int],
    patience: Patience | None = None,
) -> dict[int, Reason]:
    """Read images, and read again those that failed for a reason that may pass.

    Parameters
    ----------
    read : callable
        Reads some rows, and returns the reason for each row that failed.
    rows : collection of int
    patience : Patience, optional
        The pauses; by default those of this process.

    Returns
    -------
    dict of int to Reason
        The rows that still failed after the last try, in order.
    """
    patience = _patience if patience is None else patience
    failed = dict(read(rows))
    waiting = _transient(failed)
    if not waiting:
        return dict(sorted(failed.items()))
    brought = False
    for _ in patience.tries():
        again = dict(read(sorted(waiting)))
        brought = brought or len(again) < len(waiting)
        failed = {row: reason for row, reason in failed.items() if row not in waiting} | again
        waiting = _transient(again)
        if not waiting:
            break
    patience.learn(brought=brought)
    return dict(sorted(failed.items()))


def _transient(failed: Mapping[int, Reason]) -> set[int]:
    return {row for row, reason in failed.items() if kind_of(reason) == TRANSIENT}
