"""Read ids from spreadsheets and number columns: surrounding characters are removed, and lost digits are noticed."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

# A formula that keeps a spreadsheet from rounding, and the apostrophe before digits that are text.
_AROUND = re.compile(r'="(?P<formula>[^"]*)"|\'(?P<marked>\d+)\'?')
# An 18-digit id after a spreadsheet or a float column, possibly with a decimal comma.
_ROUNDED = re.compile(r"-?\d{1,3}[.,]\d*[eE]\+?\d+|-?\d{1,3}[eE]\+\d+|-?\d{16,}[.,]0*")
_SIXTEEN_DIGITS = 10**16  # from here on a float is printed with zeros instead of its last digits


def id_text(text: str) -> str:
    """Return an id without white space and without the characters that protect it in a spreadsheet.

    Letters with accents are written as one character each (Unicode's form NFC), because the form of a text depends on the
    machine that wrote it.

    Examples
    --------
    >>> id_text(' ="587732578312454276"')
    '587732578312454276'
    """
    text = unicodedata.normalize("NFC", text.strip())
    match = _AROUND.fullmatch(text)
    return text if match is None else (match["formula"] or match["marked"] or "").strip()


def is_rounded(galaxy_id: str | int) -> bool:
    """Return whether an id has lost digits in a spreadsheet or, as a number, in a float.

    A number that looks like a printed float most likely was one.

    Examples
    --------
    >>> is_rounded("5.87733E+17"), is_rounded(587732578312454300), is_rounded("587732578312454276")
    (True, True, False)
    """
    if isinstance(galaxy_id, str):
        return _ROUNDED.fullmatch(galaxy_id) is not None
    return abs(galaxy_id) >= _SIXTEEN_DIGITS and galaxy_id == int(Decimal(repr(float(galaxy_id))))
