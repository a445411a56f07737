"""Commands that are built only when they are typed, because reading the options of all is the slowest part of --help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from zooactive.cli.run import add_common_options


class LazyCommands(MutableMapping[str, Any]):
    """A mapping from names to commands; each command is the `command` or the `app` of its module in `zooactive.cli`.

    Parameters
    ----------
    names : sequence of str
        The names, in the order of the help.
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
        """Return a command for a list: its name and its help, without its options."""
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
