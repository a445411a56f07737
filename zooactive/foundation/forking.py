"""Where networks can compute: not in a process that was forked from one in which some did.

A fork has one thread, and the threads that TensorFlow or JAX had started are not among its own; what waits for these would
wait for ever.
"""

from __future__ import annotations

import os
import sys

from zooactive.foundation.errors import EngineError

_here = False
"""Whether networks have computed in this process, or in the one that it was forked from."""

_inherited = False
"""Whether they had in the one that it was forked from."""


def networks_compute() -> None:
    """Note that networks compute in this process; an EngineError where they cannot, since it was forked too late."""
    global _here
    if _inherited:
        raise EngineError(
            f"process {os.getpid()} was forked from one in which a network had been at work, and would wait for ever for "
            'threads that a fork does not have; start processes by multiprocessing.get_context("spawn"), or fork before '
            "the first model is made or loaded"
        )
    _here = True


def _note_fork() -> None:
    global _inherited
    _inherited = _inherited or _here or _tensorflow_began()


def _tensorflow_began() -> bool:
    """Whether TensorFlow has started its threads: a program may have used it without zooactive."""
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    return bool(getattr(context, "_initialized", False))


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_note_fork)
