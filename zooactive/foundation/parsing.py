"""TOML and JSON as plain values: whatever is wrong with a text is a ValueError, and never the parser's own trouble."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import ZooactiveError, explained
from zooactive.foundation.reading import read_text

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_LONG_KEY = re.compile(rf"^[ \t]*\[{{0,2}}[ \t]*(?:{_PART}){{100}}|[{{,][ \t]*(?:{_PART}){{100}}", re.MULTILINE)


def from_toml(text: str) -> dict[str, Any]:
    """Read TOML from a text.

    Raises
    ------
    ValueError
        When it is none, holds a number with more digits than Python reads, or is nested too deeply.
    """
    if _LONG_KEY.search(text) is not None:  # Python takes minutes over a name of 100,000 parts
        raise ValueError("a name in it has more than 100 parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("its lists or tables are nested too deeply") from error


def read_toml(path: Path, error: type[ZooactiveError], *, give: str, damaged: str = "is no valid TOML") -> dict[str, Any]:
    """Read a TOML file; raise `error` where it cannot be read, with the mend to `give` another, or where it is no TOML."""
    no_file = explained(error, f"{path} cannot be read: {{reason}}; give {give}", OSError)
    with no_file, explained(error, f"{path} {damaged}: {{reason}}", ValueError):
        return from_toml(read_text(path))


def from_json(text: str | bytes) -> Any:
    """Read JSON from a text.

    Raises
    ------
    ValueError
        When it is none, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its lists or objects are nested too deeply") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it holds something else.
    """
    values = from_json(read_text(path))
    if not isinstance(values, dict):
        raise ValueError(f"a {type(values).__name__} stands there in place of an object")
    return values
