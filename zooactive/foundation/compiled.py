"""Decorators for compiled functions; importing this module loads numba, so import it only when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function when it is first called; the machine code is kept on disk.

    The function releases the interpreter lock, so callers can run slices of galaxies in threads. It divides by zero as NumPy
    does, because a check of every division would keep the processor from working on several numbers at once.
    """
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def compiled_extremes(function: _Function) -> _Function:
    """Compile a search for the largest or smallest of some numbers, several at once; none may be NaN."""
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})(function))


def compiled_sum(function: _Function) -> _Function:
    """Compile a sum of several terms at once, in an order that does not depend on the numbers."""
    fast = {"reassoc", "contract"}
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fast)(function))
