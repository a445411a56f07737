"""Texts that others wrote, in places that would do something with them: terminals, spreadsheets, names of files."""

from __future__ import annotations

import re
import unicodedata
import warnings
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.reading import check_regular

if TYPE_CHECKING:
    import pandas as pd

LONGEST_NAME = 100
"""Characters of a file's name that is made of an id; file systems take 255 bytes, with all that is added."""

STANDS_FOR: dict[str, str] = {}
"""Folder here -> the address that it is a copy of, which is what people know: see `remote_folders`."""

_RUN = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def control_in(text: str) -> str | None:
    r"""Return the first character that no id may have, spelt out: NUL, ESC, the end of a line, or what nobody sees.

    Spaces without width or of a width of their own and marks of the direction are such: two ids would look the same.

    Examples
    --------
    >>> control_in("J0123"), control_in("a\x1b[2J")
    (None, '\\x1b')
    """
    if text.isprintable():
        return None
    return repr(next(letter for letter in text if not letter.isprintable()))[1:-1]


def for_terminal(text: str) -> str:
    r"""Return a text whose control characters are spelt out, except ends of lines and tabs, with addresses for their copies.

    Examples
    --------
    >>> print(for_terminal("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    text = with_addresses(text)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else repr(letter)[1:-1] for letter in text)


def with_addresses(text: str) -> str:
    """Return a text with the addresses that people know in place of the folders here that are their copies."""
    for folder, address in STANDS_FOR.items():
        text = text.replace(folder, address)
    return text


def for_spreadsheet(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    A text that begins with = + - @ gets an apostrophe before it, also where it has apostrophes there already.
    """
    return f"'{text}" if _RUN.match(text) else text


def from_spreadsheet(text: str) -> str:
    """Return what `for_spreadsheet` was given."""
    return text[1:] if _QUOTED.match(text) else text


def write_csv(table: pd.DataFrame, path: Path, *, only: str | None = None) -> None:
    """Write a table that people open as CSV: no text in it is a formula.

    Parameters
    ----------
    table : DataFrame
    path : Path
    only : str, optional
        The one column whose texts are changed so, where all others are as somebody else wrote them.
    """
    for_people(table, only).to_csv(path, index=False)


def for_people(table: pd.DataFrame, only: str | None = None) -> pd.DataFrame:
    """Return a table in whose texts no spreadsheet finds a formula; the one given stays as it is."""
    changed = table.copy(deep=False)
    for place, name in enumerate(table.columns):
        cells = table.iloc[:, place]
        if cells.dtype.kind in "biufcmM" or (only is not None and name != only):
            continue
        texts = [for_spreadsheet(cell) if isinstance(cell, str) else cell for cell in cells]
        if any(isinstance(cell, str) and cell is not old for cell, old in zip(texts, cells, strict=True)):
            changed.isetitem(place, texts)
    if only is None:
        changed.columns = [for_spreadsheet(name) if isinstance(name, str) else name for name in table.columns]
    return changed


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that `write_csv` wrote; the column ``id`` is text as it was, be it "NA" or "0012".

    Raises
    ------
    OSError
        When the file cannot be read, or is no regular file.
    ValueError
        When it is no table with a column ``id``, or has rows longer than its header.
    """
    import pandas as pd

    check_regular(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut off
        try:
            table = pd.read_csv(path, index_col=False, low_memory=False)
            # For itself: pandas takes "NA" for a blank cell in every column or in none.
            ids = pd.read_csv(path, index_col=False, usecols=["id"], dtype=str, keep_default_na=False)["id"]
        except pd.errors.ParserWarning as warning:
            raise ValueError(str(warning)) from None
    table["id"] = texts_from_spreadsheet(ids)
    table.columns = [from_spreadsheet(str(name)) for name in table.columns]
    return table


def texts_from_spreadsheet(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of ids as they were before `write_csv`."""
    return cells.map(lambda cell: from_spreadsheet(cell) if isinstance(cell, str) else cell)


def file_name(galaxy_id: str, taken: set[str] | None = None) -> str:
    """Return a name that every file system takes, another one for each id; what was changed ends in a hash of the id.

    Parameters
    ----------
    galaxy_id : str
    taken : set of str, optional
        Names that are in use, in small letters; the new one is added.
    """
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", unicodedata.normalize("NFC", galaxy_id))
    if name[:1] in ("+", "-", "."):  # an option of a command, a formula, or a hidden file
        name = f"_{name[1:]}"
    taken = set() if taken is None else taken
    if len(name) > LONGEST_NAME or name.casefold() in taken:
        digest = blake2b(galaxy_id.encode(errors="surrogatepass"), digest_size=8).hexdigest()
        name = f"{name[:LONGEST_NAME]}-{digest}"
    taken.add(name.casefold())
    return name
