"""Make texts from others safe where they could have effects: in terminals, spreadsheets and file names."""

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
"""The largest number of characters of a file name made from an id; file systems take 255 bytes, including additions."""

STANDS_FOR: dict[str, str] = {}
"""Maps a local folder to the URL that it is a copy of, which is the name that users know: see `remote_folders`."""

_RUN = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def control_in(text: str) -> str | None:
    r"""Return the first character that no id may have, spelt out: NUL, ESC, a line end, or an invisible character.

    Spaces of zero or unusual width and direction marks are invisible: two ids would look the same.

    Examples
    --------
    >>> control_in("J0123"), control_in("a\x1b[2J")
    (None, '\\x1b')
    """
    if text.isprintable():
        return None
    return repr(next(letter for letter in text if not letter.isprintable()))[1:-1]


def for_terminal(text: str) -> str:
    r"""Return a text with spelt-out control characters, except line ends and tabs, and with URLs instead of their copies.

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

    A text that begins with = + - @ gets an apostrophe before it, even if it already has apostrophes there.
    """
    return f"'{text}" if _RUN.match(text) else text


def from_spreadsheet(text: str) -> str:
    """Return the text that `for_spreadsheet` was given."""
    return text[1:] if _QUOTED.match(text) else text


def write_csv(table: pd.DataFrame, path: Path, *, only: str | None = None) -> None:
    """Write a table as CSV for people to open: none of its texts is a formula.

    Parameters
    ----------
    table : DataFrame
    path : Path
    only : str, optional
        The only column whose texts are protected, if all other columns must stay as somebody else wrote them.
    """
    for_people(table, only).to_csv(path, index=False)


def for_people(table: pd.DataFrame, only: str | None = None) -> pd.DataFrame:
    """Return a table in whose texts no spreadsheet finds a formula; the given table does not change."""
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
    """Read a table that `write_csv` wrote; the column ``id`` is the original text, even "NA" or "0012".

    Raises
    ------
    OSError
        If the file cannot be read, or is not a regular file.
    ValueError
        If it is not a table with a column ``id``, or has rows longer than its header.
    """
    import pandas as pd

    check_regular(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut off
        try:
            table = pd.read_csv(path, index_col=False, low_memory=False)
            # Read separately, because pandas takes "NA" for a blank cell in every column or in none.
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
    """Return a name that every file system accepts, different for each id; a changed name ends in a hash of the id.

    Parameters
    ----------
    galaxy_id : str
    taken : set of str, optional
        Names in use, in lower case; the new one is added.
    """
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", unicodedata.normalize("NFC", galaxy_id))
    if name[:1] in ("+", "-", "."):  # a command's option, a formula, or a hidden file
        name = f"_{name[1:]}"
    taken = set() if taken is None else taken
    if len(name) > LONGEST_NAME or name.casefold() in taken:
        digest = blake2b(galaxy_id.encode(errors="surrogatepass"), digest_size=8).hexdigest()
        name = f"{name[:LONGEST_NAME]}-{digest}"
    taken.add(name.casefold())
    return name
