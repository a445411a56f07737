"""Read tables of a TOML file as frozen dataclasses, and explain any unknown entry, wrong type or number out of range."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from zooactive.foundation.addresses import from_folder, own_path
from zooactive.foundation.errors import WorkspaceError, ZooactiveError, did_you_mean, explained
from zooactive.foundation.vocabulary import GONE

Section = TypeVar("Section")


def read_section(cls: type[Section], values: object, *, file: Path, table: str) -> Section:
    """Make a dataclass of settings from a table of a TOML file; relative paths start in the file's folder.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are whole numbers, numbers, texts, paths, true or false, tuples of numbers or of texts, a
        text or a tuple of texts, or dataclasses of such (tables inside the table).
    values : object
        The contents of the table.
    file : Path
    table : str
        The table's name, for error messages.

    Raises
    ------
    WorkspaceError
        If an entry is unknown or has the wrong type, or the dataclass itself refuses it.
    """
    where = f"{file}, [{table}]"
    if not isinstance(values, Mapping):
        raise WorkspaceError(f"{where} must be a table")
    hints = get_type_hints(cls)
    out: dict[str, Any] = {}
    for entry in fields(cls):  # type: ignore[arg-type]
        hint = hints[entry.name]
        if entry.name in values and is_dataclass(hint):
            out[entry.name] = read_section(hint, values[entry.name], file=file, table=f"{table}.{entry.name}")  # type: ignore[arg-type]
        elif entry.name in values:
            out[entry.name] = _typed(values[entry.name], hint, f"{where}: {entry.name}")
        elif isinstance(entry.default, Path):
            out[entry.name] = entry.default
    for key in values:
        if key not in hints:
            mend = did_you_mean(key, hints) or f" Known are {', '.join(hints)}"
            raise WorkspaceError(f"{where}: the entry '{key}' is unknown.{mend}")
    with explained(WorkspaceError, f"{where}: {{reason}}", ZooactiveError):
        placed = {key: from_folder(file.parent, value) if isinstance(value, Path) else value for key, value in out.items()}
        return cls(**placed)


def replaced(section: Section, options: Mapping[str, Any]) -> Section:
    """Return a dataclass of settings with some entries changed; paths may be given as text.

    Raises
    ------
    WorkspaceError
        If a word is not one of the allowed ones.
    """
    hints = get_type_hints(type(section))
    changed = {name: _typed_option(name, value, hints[name]) for name, value in options.items()}
    return replace(section, **changed)  # type: ignore[type-var]


def _typed_option(name: str, value: Any, hint: Any) -> Any:
    kinds, words = _kinds_and_words(hint)
    if words:
        _refuse_unknown(value, words, name)
    return Path(value) if Path in kinds and str not in kinds and isinstance(value, str) else value


def _refuse_unknown(value: Any, words: Sequence[str], where: str) -> None:
    if value not in words:
        mend = GONE.get(value) or f"{did_you_mean(str(value), words).lstrip()} Use one of {', '.join(words)}".lstrip()
        raise WorkspaceError(f"{where} = {value!r}. {mend[0].upper()}{mend[1:]}")


def _kinds_and_words(hint: Any) -> tuple[tuple[Any, ...], list[str]]:
    """Return the types that an entry may have, and the allowed words if it takes only some."""
    kinds = get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)
    return kinds, [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]


def _typed(value: object, hint: Any, where: str) -> Any:
    kinds, words = _kinds_and_words(hint)
    if isinstance(value, float) and not math.isfinite(value):
        raise WorkspaceError(f"{where} = {value}; give a finite number")
    if get_origin(hint) is Mapping:
        return _numbers(value, get_args(hint)[0], where)
    lists = [kind for kind in (hint, *kinds) if get_origin(kind) is tuple]
    if lists and (lists[0] is hint or isinstance(value, list)):
        return _items(value, get_args(lists[0]), where)
    if Path in kinds and isinstance(value, str):
        return own_path(value)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool) and _in_range(value):
        return float(value)
    if words and isinstance(value, str):
        _refuse_unknown(value, words, where)
        return value
    plain = tuple(str if get_origin(kind) is Literal else kind for kind in kinds if kind not in (type(None), *lists))
    if not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain):
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path in quotes"}
        wanted = [names[kind] for kind in plain] + ["a list of texts"] * len(lists)
        raise WorkspaceError(f"{where} = {value!r}; give {' or '.join(wanted)}")
    return value


def _numbers(value: object, key: Any, where: str) -> dict[str, float]:
    """Return a table of numbers as a dict; its names are arbitrary texts, or words if only some are allowed."""
    if not isinstance(value, Mapping):
        raise WorkspaceError(f"{where} = {value!r}; give a table of numbers, such as {{ bar = 2 }}")
    if get_origin(key) is Literal:
        for name in value:
            _refuse_unknown(name, get_args(key), where)
    return {name: _typed(number, float, f"{where}.{name}") for name, number in value.items()}


def _in_range(value: object) -> bool:
    """Return whether a number is finite as a float, because TOML has whole numbers of any length; True for other values."""
    return not isinstance(value, int | float) or abs(value) <= sys.float_info.max


def _items(value: object, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    """Return a list of numbers, or of texts, as a tuple; it may have any length if the kinds end in ``...``."""
    kind = kinds[0]
    number = "" if kinds[-1] is Ellipsis else f"{len(kinds)} "
    accepted = (int, float) if kind is float else (kind,)
    if (
        isinstance(value, list)
        and all(type(item) in accepted and _in_range(item) for item in value)
        and (not number or len(value) == len(kinds))
    ):
        return tuple(kind(item) for item in value)
    raise WorkspaceError(f"{where} = {value!r}; give a list of {number}{'numbers' if kind is float else 'texts'}")
