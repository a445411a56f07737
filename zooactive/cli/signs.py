"""Replacements for characters that a terminal or file in ASCII or Latin-1 cannot show."""

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
    """Let stdout and stderr replace characters that their encoding lacks, instead of failing with a traceback."""
    codecs.register_error(_ERRORS, _spelt_out)
    for stream in (sys.stdout, sys.stderr):
        encoding = str(getattr(stream, "encoding", None) or "utf-8").lower()
        if not encoding.startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def _spelt_out(error: UnicodeError) -> tuple[str, int]:
    """Return a replacement for characters that cannot be encoded.

    Characters without a sign of their own become their code numbers, so that no two ids look the same.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_SIGNS.get(letter) or ascii(letter)[1:-1] for letter in letters), error.end
