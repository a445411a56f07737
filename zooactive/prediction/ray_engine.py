"""Share the parts of a prediction run among the workers of a Ray cluster; the files are the same as on one machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import EngineError, ZooactiveError, explained
from zooactive.foundation.stopping import signals_as_they_are
from zooactive.prediction.parts import PartWriter

_PARTS_AT_ONCE = 4  # the limit per call: the network works on while the previous part is written


class _Worker:
    """A worker with one copy of the model in each of Ray's actors."""

    def __init__(self, writer: Any) -> None:
        self._writer: PartWriter = _ray().get(writer)

    def __call__(self, batch: dict[str, NDArray[np.int64]]) -> dict[str, Any]:
        """Write some parts, except those that a worker finished before it was killed."""
        writer, parts = self._writer, map(int, batch["part"])
        missing = [part for part in parts if part in writer.again or not writer.folder.path(part).exists()]
        met = ""
        try:
            for _ in writer.write(missing):
                pass
        except ZooactiveError as error:  # returned as data, because Ray passes on an exception's text but not its type
            met = f"{type(error).__name__} {error}"
        return {**batch, "met": [met] * len(batch["part"])}


@dataclass(frozen=True)
class RayEngine:
    """An engine for `zooactive.predict` on several machines: `ray.data`'s ``map_batches`` writes the parts.

    Parameters
    ----------
    workers : int, optional
        The number of actors, each with a copy of the model. By default one per GPU of the cluster, or one per machine
        without.
    address : str, optional
        The address of a running cluster ("auto" for this machine's). By default a cluster is started here and ended
        afterwards.

    Examples
    --------
    >>> engine = RayEngine(workers=8, address="auto")
    >>> za.predict(model, "shards", out="predictions", engine=engine)  # doctest: +SKIP
    """

    workers: int | None = None
    address: str | None = None

    def __call__(self, writer: PartWriter, parts: Sequence[int]) -> Iterator[int]:
        """Write parts, and yield the number of each part that has been written.

        Parameters
        ----------
        writer : PartWriter
            The writer; its folder and the images must be reachable under the same paths from every machine.
        parts : sequence of int

        Raises
        ------
        EngineError
            If Ray is not installed, or there is no cluster at the address.
        """
        if not parts:
            return
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # read when Ray is loaded; failures arrive as exceptions
        ray = _ray()
        ours = not ray.is_initialized()
        if ours:
            self._start(ray)
        shared = ray.put(writer)  # held until the end: a worker that replaces a killed one needs it again
        try:
            for row in self._written(ray, shared, parts).iter_rows():
                if row["met"]:
                    raise _as_it_was(row["met"])
                yield int(row["part"])
        except ray.exceptions.RayError as error:
            raise EngineError(f"a worker of Ray failed: {str(error).strip().splitlines()[-1]}") from error
        finally:
            if ours:
                ray.shutdown()

    def _start(self, ray: Any) -> None:
        mend = "start one with `ray start --head`, or leave out the address"
        said = f"no Ray cluster answers at '{self.address}'; {mend}"
        with explained(EngineError, said, ConnectionError), signals_as_they_are():
            ray.init(address=self.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

    def _written(self, ray: Any, shared: Any, parts: Sequence[int]) -> Any:
        """Return the parts as a dataset that writes them when it is iterated."""
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # its plans are of no interest here
        ray.data.DataContext.get_current().enable_progress_bars = False
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        workers = self.workers or gpus or len(ray.nodes())
        at_once = min(_PARTS_AT_ONCE, -(-len(parts) // workers))  # with few parts, every worker gets some
        rows, blocks = [{"part": part} for part in parts], -(-len(parts) // at_once)
        return ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            _Worker,
            fn_constructor_args=(shared,),
            batch_size=at_once,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=max(1, int(there["CPU"]) // workers),
            num_gpus=min(1, gpus / workers) if gpus else None,
        )


def _ray() -> Any:
    with explained(EngineError, "the engine 'ray' needs Ray: pip install 'zooactive[ray]'", ImportError):
        return import_module("ray.data") and import_module("ray")


def _as_it_was(met: str) -> ZooactiveError:
    kind, _, reason = met.partition(" ")
    return next((known for known in ZooactiveError.__subclasses__() if known.__name__ == kind), EngineError)(reason)
