"""A file of JSON objects, one a line: lines are added, on the disk before anybody is told, and none is ever changed."""

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
    """The entries of such a file, in the order in which they came.

    Parameters
    ----------
    file : Path
        Made where it is not there. What a power cut left of a line that was never acknowledged is cut off.
    parse : callable
        Makes an entry of a line's values; whatever it raises says why the line is damaged.
    values : callable
        Makes a line's values of an entry.
    number : int, optional
        Of the file's format: its first line says so, before the first entry. Files of before have no such line, and go on
        without it.

    Raises
    ------
    CatalogueError
        When a line is none of such a file's, or a newer zooactive wrote the file.
    OutputError
        When the file cannot be written.

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
        """Let go of the file."""
        os.close(self._descriptor)

    def _read(self, content: bytes) -> Iterator[Entry]:
        for number, line in enumerate(content.splitlines(), 1):
            said = f"{self._file}, line {number} is damaged ({{reason}}); delete it, and those after it if they are too"
            with explained(CatalogueError, said, Exception):
                values = json.loads(line)
                declared = values["format"] if number == 1 and self._number is not None and "format" in values else None
                entries = [] if declared is not None else [self._parse(values)]
            if declared is not None:
                refuse_future(self._file, declared, self._number or 0, CatalogueError)
            yield from entries
