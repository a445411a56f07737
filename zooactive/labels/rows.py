"""Rows of the Zooniverse's CSV files, read one by one; files may be larger than memory, and bad rows are reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.reading import open_regular

_LONGEST_CELL = 1 << 24
"""The longest cell, in characters. Metadata may be longer than the default of 131072; JSON takes 20 times the memory of
text."""


def rows_of(path: str | Path, what: str, tell: Callable[[str, str], None]) -> Generator[tuple[int, list[str]], None, None]:
    """Yield each row's last line number and its cells: first the header, then the rows that have the header's length.

    `what` says what the file should be, for the CatalogueError if it cannot be opened. `tell` receives the reason and the
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
                tell(f"a row that is not CSV: {error}", f"line {reader.line_num}")
                continue
            if len(cells) == len(header):
                yield reader.line_num, cells
            else:
                tell("a row with more or fewer cells than the header", f"line {reader.line_num}")


def places_of(names: Sequence[str], header: Sequence[str], path: str | Path, what: str) -> dict[str, int]:
    """Return the positions of these columns in a header; raise a CatalogueError that names the missing ones."""
    missing = [name for name in names if name not in header]
    if missing:
        raise CatalogueError(f"{path} has no column {', '.join(missing)}; give {what}")
    return {name: header.index(name) for name in names}
