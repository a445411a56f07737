"""Names of a folder's face that load what they need when they are first used."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def names_on_demand(face: str, homes: Mapping[str, str], gone: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a folder's ``__init__`` whose names load when they are first used.

    Parameters
    ----------
    face : str
        The module with the face, its ``__name__``.
    homes : mapping of str to str
        From a name to the module in the face's folder that has it.
    gone : mapping of str to str
        From a name of an earlier version to what to use in its place.
    """

    def get(name: str) -> Any:
        if name not in homes:
            mend = f" any more; {gone[name]}" if name in gone else ""
            raise AttributeError(f"module '{face}' has no attribute '{name}'{mend}")
        found = getattr(importlib.import_module(f"{face}.{homes[name]}"), name)
        setattr(sys.modules[face], name, found)
        return found

    return get


def names_of_before(module: str, now: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module whose names have changed: an old name gives the new one, with a warning.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    now : mapping of str to str
        From the old name to the new one.
    """

    def get(name: str) -> Any:
        if name not in now:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        warnings.warn(f"{module}.{name} is called {now[name]} now", DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[module], now[name])

    return get
