"""The engines that can run predictions, by name."""

from __future__ import annotations

from collections.abc import Callable

from zooactive.foundation.errors import EngineError
from zooactive.foundation.vocabulary import EngineName
from zooactive.prediction.ray_engine import RayEngine
from zooactive.prediction.runs import Engine


def _local(workers: int | None, address: str | None) -> None:
    if (workers, address) != (None, None):
        raise EngineError("workers and an address are for Ray; give --engine ray with them, or leave them out")


ENGINES: dict[EngineName, Callable[[int | None, str | None], Engine | None]] = {"local": _local, "ray": RayEngine}
"""Maps a name to a function of the number of workers and a cluster's address, which returns the engine; None: no engine."""
