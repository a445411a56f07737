"""The pace of requests to a service: pauses shared by all connections, and longer pauses if the service asks for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 600.0
"""The longest wait in seconds, whatever a server asks for."""


class Pace:
    """The times when requests may begin, at least `pause` seconds apart; threads share it.

    Parameters
    ----------
    pause : float
        The pause in seconds.
    sleep, clock : callable
        `sleep` takes seconds, and `clock` returns them.
    """

    def __init__(
        self, pause: float, *, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause, self._sleep, self._clock = pause, sleep, clock
        self._next, self._lock = -float("inf"), threading.Lock()

    def wait(self) -> None:
        """Wait until the next request may begin."""
        while True:
            with self._lock:
                now = self._clock()
                if now >= self._next:
                    self._next = now + self._pause
                    return
                left = self._next - now
            self._sleep(left)

    def hold(self, seconds: float) -> None:
        """Let no request begin before this many seconds have passed."""
        with self._lock:
            self._next = max(self._next, self._clock() + min(seconds, LONGEST))


def retry_after(said: str | None, now: datetime | None = None) -> float:
    """Return the seconds that a Retry-After header asks for, or 0 if it cannot be understood.

    Examples
    --------
    >>> retry_after("120"), retry_after(None), retry_after("soon")
    (120.0, 0.0, 0.0)
    """
    if not said:
        return 0.0
    if said.strip().isdecimal():
        return float(said)
    try:
        until = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return 0.0
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max((until - (now or datetime.now(UTC))).total_seconds(), 0.0)
