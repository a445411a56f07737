"""Images that cannot be read now and may be readable soon: the read is tried again, with growing pauses.

A server that is busy, a mount that is away or a connection that breaks says nothing about an image. A damaged image, or one
that is not in its folder, stays as it is, and reading it again would cost time for nothing.
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
"""Seconds before an image is read for the second, third and fourth time."""

TRANSIENT, PERMANENT = "transient", "permanent"
"""Kinds of failures, as ``failures.parquet`` says them."""

_PASSING = frozenset(
    number
    for name in (
        *("EIO", "ESTALE", "EREMOTEIO", "EBUSY", "EAGAIN", "EINTR", "ENOMEM", "ENOBUFS", "EMFILE", "ENFILE"),
        *("ETIMEDOUT", "ETIME", "ECONNRESET", "ECONNREFUSED", "ECONNABORTED", "ENOTCONN", "EPIPE", "ESHUTDOWN", "ENOLINK"),
        *("ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENODEV", "ENXIO"),
    )
    if (number := getattr(errno, name, None)) is not None
)
_PASSING_STATUS = frozenset({408, 425, 429})  # of HTTP, beside all from 500 on
_HURRY = 600.0  # seconds without pauses after pauses that were for nothing
_NETWORK = ("aiohttp", "requests", "urllib3", "httpx", "httpcore", "botocore", "http")
_BROKEN = ("connect", "timeout", "payload", "protocol", "incomplete")  # in the names of what these raise


class UnreachableImage(ImageError):
    """An image that could not be read for a reason that may pass, such as a server that does not answer."""


class Reason(str):
    """Why an image could not be read, for people, and whether that may pass.

    Parameters
    ----------
    text : str
    kind : {"transient", "permanent"}
    """

    kind: str

    def __new__(cls, text: str, kind: str = PERMANENT) -> Reason:
        """Make a text that knows its kind."""
        reason = super().__new__(cls, text)
        reason.kind = kind
        return reason

    @classmethod
    def of(cls, error: ImageError) -> Reason:
        """Return the reason that an error gives."""
        return cls(str(error), TRANSIENT if isinstance(error, UnreachableImage) else PERMANENT)

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.kind


def kind_of(reason: str) -> str:
    """Return the kind of a reason; a plain text is permanent."""
    return reason.kind if isinstance(reason, Reason) else PERMANENT


def may_pass(error: BaseException) -> bool:
    """Whether an error of a file system or of a server says nothing about the image, so that reading it again may work."""
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
    """Return the status of HTTP that an error of aiohttp, requests, gcsfs or botocore carries; None without one."""
    response: Any = getattr(error, "response", None)
    found = [getattr(error, name, None) for name in ("status", "status_code", "code")]
    found.append(getattr(response, "status_code", None))
    if isinstance(response, dict):
        about = response.get("ResponseMetadata")
        found.append(about.get("HTTPStatusCode") if isinstance(about, dict) else None)
    return next((int(status) for status in found if isinstance(status, int) and 400 <= status < 600), None)


def is_away(path: Path) -> bool:
    """Whether not only a file but its whole folder is not there, or is empty, as where nothing is mounted now."""
    try:
        with os.scandir(path.parent) as files:
            return next(files, None) is None
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        return may_pass(error)


class Patience:
    """Pauses before another try; once all of them were for nothing, tries go on without them for ten minutes.

    A survey with a dead server would otherwise wait at every batch. A try that brings an image brings the pauses back.

    Parameters
    ----------
    sleep : callable
        Takes seconds.
    clock : callable
        Gives seconds.
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
        """Take note of whether the tries brought any image."""
        if brought:
            self._hurried_until = -math.inf
        elif self._clock() >= self._hurried_until:
            self._hurried_until = self._clock() + _HURRY


_patience = Patience()  # of this process: a server that is away is away for every batch


def read_patiently(
    read: Callable[[Collection[int]], Mapping[int, Reason]],
    rows: Collection[int],
    patience: Patience | None = None,
) -> dict[int, Reason]:
    """Read images, those that failed for a reason that may pass once more, and again.

    Parameters
    ----------
    read : callable
        Reads some rows, and gives the reason of each that failed.
    rows : collection of int
    patience : Patience, optional
        By default that of this process.

    Returns
    -------
    dict of int to Reason
        The rows that failed to the last, in their order.
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
