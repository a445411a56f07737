"""Write the page about the commands from the commands themselves: ``python docs/make_cli.py``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import typer

PAGE = Path(__file__).with_name("cli.md")

_HEAD = """\
# Commands

<!-- Written by `python docs/make_cli.py`; edit the commands in zooactive/cli, not this page. -->

{help}

If you leave out an option, the workspace's file decides ({{doc}}`workspace_file`).
`zooactive COMMAND --help` shows the same in the terminal.
"""
_EVERY = """\
Every command also has, after its name, what tells people and programs of its work ({doc}`pipelines`):
"""
_COMPLETION = ("install_completion", "show_completion")  # options that Typer adds itself
_KINDS = {"Path": "path", "str": "text", "int": "integer", "float": "number", "bool": "flag"}


def page() -> str:
    """Return the page as Markdown."""
    from zooactive.cli import app
    from zooactive.cli.run import _options, common_options

    group: Any = typer.main.get_command(app)
    parts = [_HEAD.format(help=group.help), _table(group), _EVERY, _rows(common_options(), get_type_hints(_options))]
    for name, command in _commands(group):
        arguments = [_shown(parameter) for parameter in _parameters(command) if parameter.param_type_name == "argument"]
        usage = " ".join(["zooactive", name, *arguments, "[OPTIONS]"])
        parts += [f"## {name}\n", f"```text\n{usage}\n```\n", f"{inspect.cleandoc(command.help or '')}\n", _table(command)]
    return "\n".join(parts)


def _commands(group: Any, before: str = "") -> list[tuple[str, Any]]:
    """Names as they are typed, and commands; those of a group one after the other."""
    found = []
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        found += _commands(command, f"{before}{name} ") if inner else [(before + name, command)]
    return found


def _parameters(command: Any) -> list[Any]:
    """Arguments, then options, each in the order of the command."""
    known = [parameter for parameter in command.params if parameter.name not in _COMPLETION and parameter.expose_value]
    return sorted(known, key=lambda parameter: parameter.param_type_name != "argument")


def _shown(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _table(command: Any) -> str:
    return _rows(_parameters(command), get_type_hints(inspect.unwrap(command.callback)))


def _rows(parameters: Sequence[Any], hints: dict[str, Any]) -> str:
    lines = ["| name | type | what it says |", "| --- | --- | --- |"]
    for parameter in parameters:
        argument = parameter.param_type_name == "argument"
        names = [parameter.name.upper()] if argument else parameter.opts
        cells = [", ".join(f"`{name}`" for name in names), _kind(hints[parameter.name]), _meaning(parameter)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _kind(hint: Any) -> str:
    names = [kind.__name__ for kind in (get_args(hint) or (hint,)) if kind is not NoneType]
    return " or ".join(_KINDS.get(name, name) for name in names)


def _meaning(parameter: Any) -> str:
    text = parameter.help or ""
    if parameter.required:
        return f"{text} Needed."
    plain = parameter.default is None or isinstance(parameter.default, bool) or not parameter.show_default
    return text if plain else f"{text} Default: `{parameter.default}`."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
