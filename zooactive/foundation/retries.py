"""Work of other machines that may fail and then succeed: tried again after growing pauses, under a budget of waiting."""

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
"""Seconds before the next try: five tries in all."""

MOST_WAITED = 600.0
"""Seconds of pauses that all failures of a process may cost together, for one address."""

_LASTING = (PermissionError, NotADirectoryError, IsADirectoryError, NotImplementedError)
_LASTING_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}


@dataclass(eq=False)
class Retries:
    """What is left of a budget of waiting.

    Examples
    --------
    >>> Retries()(lambda: 42, "the answer cannot be read", ZooactiveError)
    42
    """

    waited: float = 0.0  # seconds

    def __call__(self, work: Callable[[], Found], said: str, error: type[ZooactiveError]) -> Found:
        """Return what `work` gives.

        Raises
        ------
        FileNotFoundError
            As it is: that something is not there may be just what was asked.
        ZooactiveError
            Of the kind `error`, which says what cannot be done and why, when trying again is of no use or was of none.
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
                        f"{said}: {reason}; mend that, or choose another address, and run the same command again"
                    ) from met
                if pause is None or self.waited + pause > MOST_WAITED:
                    used_up = f"{len(PAUSES) + 1} tries" if pause is None else f"the {MOST_WAITED:.0f} s of waiting in all"
                    raise error(
                        f"{said}: {reason}; {used_up} are used up; what is finished there stays, run the same command again"
                    ) from met
                log(__name__, logging.WARNING, "warning", said=f"{said}: {reason}; tried again in {pause:g} s")
            self.waited += pause
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _reason(met: Exception) -> str:
    said = met.strerror if isinstance(met, OSError) and met.strerror else str(met)
    return " ".join(said.split())[:200] or type(met).__name__
