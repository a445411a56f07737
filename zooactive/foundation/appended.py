"""A file of JSON objects, one per line: new lines are flushed to the disk, and old lines never change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.reading import check_regular
from zooactive.foundation.writing import output_explained

Entry = TypeVar("Entry")


class AppendedLines(Generic[Entry]):
    """The entries of an append-only JSON-lines file, in the order in which they were added.

    Parameters
    ----------
    file : Path
        The file; it is created if it does not exist. An incomplete last line, left by a power cut, is removed.
    parse : callable
        Makes an entry from a line's values. An exception from it says why the line is damaged.
    values : callable
        Makes a line's values from an entry.
    number : int, optional
        The number of the file's format. The first line of a new file says it. An older file has no such line, and gets none.

    Raises
    ------
    CatalogueError
        If a line does not belong to such a file, or a newer version of zooactive wrote the file.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lines = AppendedLines(Path(folder) / "seen.jsonl", parse=dict, values=dict)
    ...     lines.add({"id": "g1"}, {"id": "g2"})
    ...     lines.close()
    ...     len(AppendedLines(Path(folder) / "seen.jsonl", parse=dict, values=dict).entries)
    2
    """

    def __init__(
        self,
        file: Path,
        *,
        parse: Callable[[Any], Entry],
        values: Callable[[Entry], Mapping[str, Any]],
        number: int | None = None,
    ) -> None:
        self._file, self._parse, self._values, self._number = file, parse, values, number
        with output_explained(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            check_regular(file) if file.exists() else None
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            folder = os.open(file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        content = file.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)
        self.entries = list(self._read(content[:whole]))
        self._length = whole

    def add(self, *entries: Entry) -> None:
        """Write entries and have the disk keep them. A failure leaves the file as it was."""
        told: list[Mapping[str, Any]] = [self._values(entry) for entry in entries]
        if self._number is not None and not self._length:
            told.insert(0, {"format": self._number})
        lines = "".join(json.dumps(values, ensure_ascii=False) + "\n" for values in told).encode()
        with output_explained(self._file):
            try:
                written = 0
                while written < len(lines):
                    written += os.write(self._descriptor, lines[written:])
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, self._length)
                raise
        self._length += len(lines)
        self.entries += entries

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _read(self, content: bytes) -> Iterator[Entry]:
        for number, line in enumerate(content.splitlines(), 1):
            said = f"{self._file}, line {number} is damaged ({{reason}}); delete it, and later lines if damaged"
            with explained(CatalogueError, said, Exception):
                values = json.loads(line)
                declared = values["format"] if number == 1 and self._number is not None and "format" in values else None
                entries = [] if declared is not None else [self._parse(values)]
            if declared is not None:
                refuse_future(self._file, declared, self._number or 0, CatalogueError)
            yield from entries
