"""The decorator of compiled functions: numba is imported with this module, and this module when the first one is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function when it is first called; the machine code is kept on disk.

    It holds no interpreter lock, so that callers run slices of galaxies in threads, and divides by zero as NumPy does: a
    check of every division would keep the processor from working on several numbers at once.
    """
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def compiled_extremes(function: _Function) -> _Function:
    """Compile what looks for the largest or smallest of numbers, several at once; none may be NaN."""
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})(function))


def compiled_sum(function: _Function) -> _Function:
    """Compile a sum whose terms may be added in any order, several at once; the order does not depend on the numbers."""
    fast = {"reassoc", "contract"}
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fast)(function))
