"""Lists of the files that cover a place: each is requested once, read, kept on disk, and searched for the best files."""

from __future__ import annotations

import csv
import io
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from zooactive.catalogue.cutouts.records import Listed
from zooactive.catalogue.cutouts.replies import FAULT, OFF_SURVEY, OTHER_BANDS, Trouble, words_of
from zooactive.catalogue.cutouts.services import CutoutService, FileList
from zooactive.catalogue.votables import checked_votable
from zooactive.foundation.appended import AppendedLines
from zooactive.foundation.errors import CatalogueError

_ALIKE = 10
"""After this many answers that are not lists, before any list, the service must list its files in another format."""

Row = tuple[str, str, str]
"""The group that a file belongs to, its band as the service names it, and its name."""


class FileLists:
    """The lists of files of a service, including those of earlier runs; threads share them.

    Parameters
    ----------
    file : Path
        The file where the lists are kept.
    service : CutoutService
    bands : sequence of str
        The bands whose files are wanted.
    ask : callable
        Takes a URL and a function that reads the answer; returns the result of that function.
    anew : bool
        Whether to request lists again that lacked a file in earlier runs.

    Raises
    ------
    CatalogueError
        If a line of the file is damaged, or the first ten answers are not lists.
    """

    def __init__(
        self,
        file: Path,
        service: CutoutService,
        bands: Sequence[str],
        ask: Callable[[str, Callable[[bytes], list[Row]]], list[Row]],
        *,
        anew: bool = False,
    ) -> None:
        self._service, self._bands, self._ask = service, bands, ask
        self._lines = AppendedLines(file, parse=Listed.parse, values=asdict)
        self._known = {entry.address: entry for entry in self._lines.entries}
        self._unread, self._read_one = 0, bool(self._known)
        if anew:
            self._known = {address: entry for address, entry in self._known.items() if self._has_all(entry)}
        self._locks, self._lock = defaultdict[str, threading.Lock](threading.Lock), threading.Lock()

    def files(self, address: str) -> dict[str, str]:
        """Return the file of each band, by the list at a URL; a list that is not known yet is requested.

        Raises
        ------
        Trouble
            If no list comes, the list is empty, or a band has no file.
        """
        with self._alone(address):
            if address not in self._known:
                entry = Listed(address, tuple(self._ask(address, self._read)))
                with self._lock:
                    self._lines.add(entry)
                    self._known[address] = entry
        try:
            return choose(self._known[address].rows, self._bands, self._service.files)
        except Trouble as found:
            found.address = address
            raise

    def _has_all(self, entry: Listed) -> bool:
        try:
            return bool(choose(entry.rows, self._bands, self._service.files))
        except Trouble:
            return False

    @contextmanager
    def _alone(self, address: str) -> Iterator[None]:
        """Let only one thread at a time request a list, because galaxies at one place share it."""
        with self._lock:
            lock = self._locks[address]
        with lock:
            yield

    def _read(self, content: bytes) -> list[Row]:
        try:
            rows = read_list(content, self._service.files)
        except Trouble as found:
            with self._lock:
                self._unread += 1
            if self._unread >= _ALIKE and not self._read_one:
                raise CatalogueError(
                    f"{self._service.name} has answered {self._unread} times without a list of files: {found.reason}; "
                    f"look at {self._service.files.address}"
                ) from found
            raise
        self._read_one = True
        return rows

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def choose(rows: Sequence[Row], bands: Sequence[str], how: FileList) -> dict[str, str]:
    """Return the file of each band, all from the first group that has files of all bands.

    Raises
    ------
    Trouble
        If there are no rows, or no group has all bands.
    """
    if not rows:
        raise Trouble(OFF_SURVEY, "the survey lists no file that covers this field")
    called = dict(zip(how.bands, how.called, strict=True))
    groups: dict[str, dict[str, str]] = {}
    for group, band, file in rows:
        groups.setdefault(group, {}).setdefault(band, file)
    most = max(groups.values(), key=lambda files: sum(called[band] in files for band in bands))  # the first such group
    missing = [band for band in bands if called[band] not in most]
    if missing:
        raise Trouble(OTHER_BANDS, f"the survey has no {' and no '.join(missing)} here")
    return {band: most[called[band]] for band in bands}


def read_list(content: bytes, how: FileList) -> list[Row]:
    """Return the rows of a service's list of files.

    Raises
    ------
    Trouble
        If it is not such a table. A later try may succeed.
    """
    if not content.strip():
        raise Trouble(FAULT, "the list of files is empty", again=True)
    read = {"ascii": _words, "csv": _csv, "votable": _votable}[how.table]
    try:
        table = read(content)
        names = [name.casefold() for name in next(table, [])]
        if missing := [column for column in how.columns if column.casefold() not in names]:
            raise ValueError(f"it has no column {missing[0]}")
        places = {column: names.index(column.casefold()) for column in how.columns}
        rows = [row for row in table if row]
        if any(len(row) != len(names) for row in rows):
            raise ValueError("a row has another number of cells")
        found = [
            (
                "/".join(row[places[column]] for column in how.group),
                row[places[how.band]],
                "/".join(row[places[column]] for column in how.file),
            )
            for row in rows
        ]
    except (ValueError, MemoryError, csv.Error) as error:
        raise Trouble(
            FAULT, f"the list of files cannot be read ({error}); it says '{words_of(content)}'", again=True
        ) from error
    if any(not band or not file.strip("/") for _, band, file in found):
        raise Trouble(FAULT, "the list of files has a row without a band or a name", again=True)
    return found


# For each kind of table: the names of its columns, then its rows ------------------------------------------------------


def _words(content: bytes) -> Iterator[list[str]]:
    yield from (line.split() for line in content.decode("ascii").splitlines())


def _csv(content: bytes) -> Iterator[list[str]]:
    yield from csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)


def _votable(content: bytes) -> Iterator[list[str]]:
    checked_votable(io.BytesIO(content))
    from astropy.io.votable import parse_single_table

    try:
        table = parse_single_table(io.BytesIO(content), verify="ignore").to_table(use_names_over_ids=True)
    except Exception as error:  # astropy's readers raise many exceptions of their own
        raise ValueError(str(error)) from error
    yield list(table.colnames)
    yield from ([str(cell) for cell in row] for row in table.iterrows())
