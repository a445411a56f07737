"""What work tells programs: records of Python's `logging` below the logger ``zooactive``, each an event with values.

The library sets no level and has no handler but one that drops everything. Who runs the program decides what becomes of the
records; the command line writes them with ``--log``.
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
"""What records are about, as programs may rely on it; "message" is that of another's record."""

ROOT = logging.getLogger("zooactive")
ROOT.addHandler(logging.NullHandler())


def log(where: str, level: int, event: Event, **values: Any) -> None:
    """Log an event.

    Parameters
    ----------
    where : str
        The module, which is the logger's name.
    level : int
        Of `logging`: DEBUG what is of use when something is wrong, INFO how work goes, WARNING what people should look at
        though work goes on, ERROR what ended it.
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
    """One line of JSON a record: time (UTC), level, event, logger, host, process, and the event's values.

    Examples
    --------
    >>> record = logging.makeLogRecord({"name": "zooactive.a", "event": "epoch", "values": {"epoch": 2, "loss": 0.5}})
    >>> entry = json.loads(JsonLines().format(record))
    >>> entry["event"], entry["epoch"], entry["loss"]
    ('epoch', 2, 0.5)
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
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
    """Return plain values in which each number that is not finite is None: JSON has no other, and every reader knows it."""
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
