"""Commands that are built when one is typed: to read the options of all takes longer than anything else that --help does."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from zooactive.cli.run import add_common_options


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name, each of the module of this name in `zooactive.cli`: its function `command`, or its group `app`.

    Parameters
    ----------
    names : sequence of str
        In the order of the help.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._built: dict[str, Any] = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Any:
        if self._built[name] is None:
            self._built[name] = _built(name)
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._built)

    def __len__(self) -> int:
        return len(self._built)

    def listed(self, name: str) -> TyperCommand:
        """Return a command for a list: what it is called and what it does, without its options."""
        module = import_module(f"zooactive.cli.{name}")
        said = module.app.info.help if hasattr(module, "app") else module.command.__doc__
        return TyperCommand(name, help=inspect.cleandoc(said))


def _built(name: str) -> Any:
    module = import_module(f"zooactive.cli.{name}")
    whole = typer.Typer(add_completion=False)
    if hasattr(module, "app"):
        whole.add_typer(module.app, name=name)
        command = typer.main.get_command(whole).commands[name]  # type: ignore[attr-defined]
    else:
        whole.command(name)(module.command)
        command = typer.main.get_command(whole)
    add_common_options(command)
    return command
