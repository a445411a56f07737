"""Ids as they come out of spreadsheets and number columns: what is around them goes, and lost digits are noticed."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

# A formula that keeps a spreadsheet from rounding, and the mark that it shows before digits that it takes for text.
_AROUND = re.compile(r'="(?P<formula>[^"]*)"|\'(?P<marked>\d+)\'?')
# What a spreadsheet or a float column makes of an 18-digit id, with a comma where that parts the decimals.
_ROUNDED = re.compile(r"-?\d{1,3}[.,]\d*[eE]\+?\d+|-?\d{1,3}[eE]\+\d+|-?\d{16,}[.,]0*")
_SIXTEEN_DIGITS = 10**16  # from here a float is printed with zeros in place of its last digits


def id_text(text: str) -> str:
    """Return an id without white space and without what a spreadsheet needs around it to leave it as it is.

    Letters with accents are written as one character each, as Unicode's form NFC has them: which form a text has depends on
    the machine that wrote it.

    Examples
    --------
    >>> id_text(' ="587732578312454276"')
    '587732578312454276'
    """
    text = unicodedata.normalize("NFC", text.strip())
    match = _AROUND.fullmatch(text)
    return text if match is None else (match["formula"] or match["marked"] or "").strip()


def is_rounded(galaxy_id: str | int) -> bool:
    """Tell whether an id has lost digits on the way through a spreadsheet, or, as a number, through a float.

    A number that a float would be printed as has most likely been one.

    Examples
    --------
    >>> is_rounded("5.87733E+17"), is_rounded(587732578312454300), is_rounded("587732578312454276")
    (True, True, False)
    """
    if isinstance(galaxy_id, str):
        return _ROUNDED.fullmatch(galaxy_id) is not None
    return abs(galaxy_id) >= _SIXTEEN_DIGITS and galaxy_id == int(Decimal(repr(float(galaxy_id))))
