"""Retry work of other machines that may fail and later succeed, after growing pauses and within a limit on the waiting."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.logs import log

Found = TypeVar("Found")

PAUSES = (0.5, 2.0, 8.0, 30.0)
"""The seconds before the next try: five tries in all."""

MOST_WAITED = 600.0
"""The limit in seconds for all pauses of a process together, for one URL."""

_LASTING = (PermissionError, NotADirectoryError, IsADirectoryError, NotImplementedError)
_LASTING_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}


@dataclass(eq=False)
class Retries:
    """A limited budget of waiting for repeated tries.

    Examples
    --------
    >>> Retries()(lambda: 42, "the answer cannot be read", ZooactiveError)
    42
    """

    waited: float = 0.0  # seconds

    def __call__(self, work: Callable[[], Found], said: str, error: type[ZooactiveError]) -> Found:
        """Return the result of `work`.

        Raises
        ------
        FileNotFoundError
            Passed on unchanged, because that something does not exist may be exactly the answer.
        ZooactiveError
            Of the type `error`, with what cannot be done and why, if another try is useless or all tries failed.
        """
        for pause in (*PAUSES, None):
            try:
                return work()
            except (ZooactiveError, FileNotFoundError):
                raise
            except Exception as met:
                reason = _reason(met)
                if isinstance(met, _LASTING) or getattr(met, "errno", None) in _LASTING_NUMBERS:
                    raise error(
                        f"{said}: {reason}; correct that, or choose another address, and run the same command again"
                    ) from met
                if pause is None or self.waited + pause > MOST_WAITED:
                    used_up = f"{len(PAUSES) + 1} tries" if pause is None else f"the {MOST_WAITED:.0f} s of waiting in all"
                    raise error(
                        f"{said}: {reason}; {used_up} are used up; finished work stays there, run the same command again"
                    ) from met
                log(__name__, logging.WARNING, "warning", said=f"{said}: {reason}; tried again in {pause:g} s")
            self.waited += pause
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _reason(met: Exception) -> str:
    said = met.strerror if isinstance(met, OSError) and met.strerror else str(met)
    return " ".join(said.split())[:200] or type(met).__name__
