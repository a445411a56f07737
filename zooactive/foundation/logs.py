"""Log records for programs: records of Python's `logging` below the logger ``zooactive``, each an event with values.

The library sets no level, and its only handler drops everything. The calling program decides what happens to the records.
The command line writes them with ``--log``.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

Event: TypeAlias = Literal[
    "command begun",
    "command ended",
    "done",
    "epoch",
    "failed",
    "file written",
    "images failed",
    "message",
    "part written",
    "said",
    "warning",
]
EVENTS: tuple[Event, ...] = get_args(Event)
"""The kinds of events that programs may rely on; "message" is the event of other libraries' records."""

ROOT = logging.getLogger("zooactive")
ROOT.addHandler(logging.NullHandler())


def log(where: str, level: int, event: Event, **values: Any) -> None:
    """Log an event.

    Parameters
    ----------
    where : str
        The name of the module, which is also the logger's name.
    level : int
        A level of `logging`: DEBUG for details that help when something is wrong, INFO for progress, WARNING for problems
        that people should look at while the work continues, ERROR for what ended the work.
    event : str
        One of `EVENTS`.
    **values
        Plain values.
    """
    logger = logging.getLogger(where)
    if logger.isEnabledFor(level):
        said = ", ".join(f"{name} {value}" for name, value in values.items())
        logger.log(level, "%s: %s", event, said, extra={"event": event, "values": values}, stacklevel=2)


class JsonLines(logging.Formatter):
    """A formatter that writes one line of JSON per record: time (UTC), level, event, logger, host, process, values.

    Examples
    --------
    >>> record = logging.makeLogRecord({"name": "zooactive.a", "event": "epoch", "values": {"epoch": 2, "loss": 0.5}})
    >>> entry = json.loads(JsonLines().format(record))
    >>> entry["event"], entry["epoch"], entry["loss"]
    ('epoch', 2, 0.5)
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of JSON."""
        event, values = getattr(record, "event", None), getattr(record, "values", None)
        if event is None or not isinstance(values, Mapping):
            event, values = "message", {"message": record.getMessage()}
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": event,
            "logger": record.name,
            "host": socket.gethostname(),
            "process": record.process or os.getpid(),
            **values,
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(finite(entry), default=str, allow_nan=False)


def finite(value: Any) -> Any:
    """Return plain values with None for each number that is not finite, because JSON has no such numbers."""
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
