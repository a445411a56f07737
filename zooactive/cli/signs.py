"""Terminals and files that know only ASCII or Latin-1: what they cannot show is written in letters that they can."""

from __future__ import annotations

import codecs
import sys

_SIGNS = {
    "█": "#",
    "─": "-",
    "│": "|",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "→": "->",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "±": "+/-",
    "°": " deg",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
}
_ERRORS = "signs"


def show_what_can_be_shown() -> None:
    """Let stdout and stderr spell out letters that their encoding lacks, in place of ending in a traceback."""
    codecs.register_error(_ERRORS, _spelt_out)
    for stream in (sys.stdout, sys.stderr):
        encoding = str(getattr(stream, "encoding", None) or "utf-8").lower()
        if not encoding.startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def _spelt_out(error: UnicodeError) -> tuple[str, int]:
    """Return the like of what cannot be encoded; letters of an id keep their number, so that no two ids look the same."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_SIGNS.get(letter) or ascii(letter)[1:-1] for letter in letters), error.end
