"""Read TOML and JSON as plain values; anything wrong with a text raises a ValueError, never the parser's own errors."""

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
        If the text is not TOML, holds a number with more digits than Python reads, or is nested too deeply.
    """
    if _LONG_KEY.search(text) is not None:  # Python needs minutes for a name of 100,000 parts
        raise ValueError("a name in it has more than 100 parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("its lists or tables are nested too deeply") from error


def read_toml(path: Path, error: type[ZooactiveError], *, give: str, damaged: str = "is not valid TOML") -> dict[str, Any]:
    """Read a TOML file; raise `error` if it cannot be read, with advice to `give` another file, or if it is not TOML."""
    no_file = explained(error, f"{path} cannot be read: {{reason}}; give {give}", OSError)
    with no_file, explained(error, f"{path} {damaged}: {{reason}}", ValueError):
        return from_toml(read_text(path))


def from_json(text: str | bytes) -> Any:
    """Read JSON from a text.

    Raises
    ------
    ValueError
        If the text is not JSON, or is nested too deeply.
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
        If the file cannot be read.
    ValueError
        If it holds something other than an object.
    """
    values = from_json(read_text(path))
    if not isinstance(values, dict):
        raise ValueError(f"it holds a {type(values).__name__} instead of an object")
    return values
