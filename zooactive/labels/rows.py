"""Rows of the Zooniverse's CSV files, one by one: the file may be larger than memory, and rows that are broken are told."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.reading import open_regular

_LONGEST_CELL = 1 << 24
"""Characters; metadata may be longer than the 131072 of the default, and JSON takes twenty times what a text does."""


def rows_of(path: str | Path, what: str, tell: Callable[[str, str], None]) -> Generator[tuple[int, list[str]], None, None]:
    """Yield the number of a row's last line and its cells: the header first, then the rows that are as long as it.

    `what` says what the file should be, in the CatalogueError for one that cannot be opened. `tell` takes the reason and the
    place of each row that is left out.
    """
    path = Path(path)
    csv.field_size_limit(_LONGEST_CELL)
    with explained(CatalogueError, f"{path} cannot be read: {{reason}}; give {what}", OSError):
        stream = io.TextIOWrapper(open_regular(path), newline="", encoding="utf-8-sig", errors="replace")
    with stream:
        reader = csv.reader(stream)
        with explained(CatalogueError, f"{path} has no header ({{reason}}); give {what}", csv.Error):
            header = next(reader, [])
        yield reader.line_num, header
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                tell(f"a row that is no CSV: {error}", f"line {reader.line_num}")
                continue
            if len(cells) == len(header):
                yield reader.line_num, cells
            else:
                tell("a row of another length than the header", f"line {reader.line_num}")


def places_of(names: Sequence[str], header: Sequence[str], path: str | Path, what: str) -> dict[str, int]:
    """Return where these columns stand in a header; raise a CatalogueError that names those that are missing."""
    missing = [name for name in names if name not in header]
    if missing:
        raise CatalogueError(f"{path} has no column {', '.join(missing)}; give {what}")
    return {name: header.index(name) for name in names}
