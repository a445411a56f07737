"""Check that networks can compute in this process: not if it was forked from one in which a network had computed.

A fork has only one thread. It lacks the threads that TensorFlow or JAX had started, and code that waits for them would wait
forever.
"""

from __future__ import annotations

import os
import sys

from zooactive.foundation.errors import EngineError

_here = False
"""Whether networks have computed in this process, or in the process that it was forked from."""

_inherited = False
"""Whether networks had computed in the process that it was forked from."""


def networks_compute() -> None:
    """Record that networks compute in this process; raise an EngineError if it was forked too late for that."""
    global _here
    if _inherited:
        raise EngineError(
            f"process {os.getpid()} was forked from one in which a network had computed, and would wait forever for "
            'threads that a fork does not have; start processes with multiprocessing.get_context("spawn"), or fork before '
            "the first model is made or loaded"
        )
    _here = True


def _note_fork() -> None:
    global _inherited
    _inherited = _inherited or _here or _tensorflow_began()


def _tensorflow_began() -> bool:
    """Return whether TensorFlow has started its threads; a program may have used it without zooactive."""
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    return bool(getattr(context, "_initialized", False))


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_note_fork)
