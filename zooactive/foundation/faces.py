"""Public names of a package that load their modules on first use."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def names_on_demand(face: str, homes: Mapping[str, str], gone: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package's ``__init__`` whose names load their modules on first use.

    Parameters
    ----------
    face : str
        The ``__name__`` of the package.
    homes : mapping of str to str
        Maps a name to the module in the package that defines it.
    gone : mapping of str to str
        Maps a name of an earlier version to advice about its replacement.
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
    """Return the ``__getattr__`` of a module with renamed attributes: an old name returns the new one, with a warning.

    Parameters
    ----------
    module : str
        The ``__name__`` of the module.
    now : mapping of str to str
        Maps each old name to the new one.
    """

    def get(name: str) -> Any:
        if name not in now:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        warnings.warn(f"{module}.{name} is now called {now[name]}", DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[module], now[name])

    return get
