"""Folders at URLs such as ``s3://survey/predictions``, which work like folders on this machine.

A folder in the cache stands for the URL, as its copy. A file that gets its name there through `writing.aside` is first put
to the URL, completely or not at all. Files at the URL are fetched before the copy is read. So jobs only deal with folders.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from zooactive.foundation.addresses import (
    address_of,
    copy_file,
    copy_folder,
    file_system_of,
    forget,
    protocols_of,
    remember,
)
from zooactive.foundation.errors import CatalogueError, OutputError, explained
from zooactive.foundation.retries import Retries
from zooactive.foundation.spelling import STANDS_FOR
from zooactive.foundation.writing import ELSEWHERE, is_passing, process_lives, this_host

FORSAKEN_AFTER = 1800.0
"""The seconds after which the mark of a writer on another machine counts as that of a dead one, if it is not renewed."""

OWNER = ".lock-owner.json"
"""The name of the mark that says who writes at a URL."""

_RENEWED_EVERY = 60.0
_AT_ONCE = 8

_ASKED_BY_NAME = ("journal.json", "how.json", "head.npz", "failures.parquet", "numbers.parquet")
"""Requested by name if a listing has none of them, because a store may list a file late that it already returns by name."""

_PUTS_ARE_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci", "memory"}
"""Stores in which a file appears only at the end of its upload; elsewhere it is written under another name and renamed."""


@dataclass(eq=False)
class RemoteFolder:
    """A folder at a URL, and the copy on this machine that stands for it.

    Parameters
    ----------
    address : str
    folder : Path
        The copy.
    owner : str
        Identifies the writer; the workers of one run share it.
    """

    address: str
    folder: Path
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    brought: bool = False
    _held: bool = False
    _renewed: float = float("-inf")
    _retries: Retries = field(default_factory=Retries)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def bring(self) -> None:
        """Make the copy match the URL; raise a CatalogueError if it cannot be read."""
        files, place = file_system_of(self.address)
        found = {name for name in self._listed(files, place) if not is_passing(name)}
        found |= {name for name in _ASKED_BY_NAME if name not in found and self._has(files, f"{place}/{name}")}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self.fetch, sorted(found)))
        for copy in sorted(self.folder.iterdir()) if self.folder.exists() else ():
            if copy.name not in found and not is_passing(copy.name) and not self._has(files, f"{place}/{copy.name}"):
                forget(copy)
        self.brought = True

    def fetch(self, name: str) -> None:
        """Copy a file if it is at the URL; it is requested by its name, whatever the listing says."""
        files, place = file_system_of(self.address)
        said = f"{self.address}/{name} cannot be read"
        with suppress(FileNotFoundError):
            self._retries(lambda: copy_file(files, f"{place}/{name}", self.folder / name), said, CatalogueError)

    def put(self, file: Path, name: str) -> None:
        """Put a file to the URL, completely or not at all; an OutputError if another run writes there or writing fails."""
        files, place = file_system_of(self.address)
        with self._one_at_a_time:
            self._keep_mark(files, place)
        remember(self.folder / name, self._put(files, place, name, file.read_bytes()), file)

    def delete(self, name: str) -> None:
        """Delete a file at the URL, and its copy."""
        files, place = file_system_of(self.address)
        with suppress(FileNotFoundError):
            said = f"{self.address}/{name} cannot be deleted"
            self._retries(lambda: files.rm_file(f"{place}/{name}"), said, OutputError)
        forget(self.folder / name)

    def delete_all(self) -> None:
        """Delete every file at the URL, and the copy."""
        files, place = file_system_of(self.address)
        for name in self._listed(files, place):
            self.delete(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Mark the URL as in use by this process until the block ends, and bring the copy up to date.

        No store has a lock that ends with its process. The mark is a file that is checked before every other file is put.
        The second of two writers is refused, and a writer that was taken for dead stops at the next file.
        """
        files, place = file_system_of(self.address)
        if not _puts_whole(files):
            _refuse_halves(files, self.address)
            self._retries(lambda: files.makedirs(place, exist_ok=True), f"{self.address} cannot be made", OutputError)
        self._mark(files, place, self._others_refused(files, place))
        self._others_refused(files, place)  # again: a process that began at the same moment may have written its mark later
        self._held = True
        try:
            for name in self._listed(files, place):
                if name.startswith(".part-"):  # left by a killed writer
                    self.delete(name)
            self.bring()
            yield
        finally:
            self._held = False
            with suppress(Exception):  # otherwise it simply expires
                if self._owner(files, place).get("owner") == self.owner:
                    files.rm_file(f"{place}/{OWNER}")

    def _keep_mark(self, files: Any, place: str) -> None:
        """Raise an OutputError if another process has marked the URL; otherwise renew the mark of this run."""
        mark = self._others_refused(files, place)
        if (mark or self._held) and time.monotonic() - self._renewed > _RENEWED_EVERY:
            self._mark(files, place, mark)

    def _mark(self, files: Any, place: str, mark: dict[str, Any]) -> None:
        who = {"owner": self.owner, "machine": platform.node(), "process": os.getpid(), "where": this_host()}
        self._put(files, place, OWNER, json.dumps((mark or who) | {"at": time.time()}).encode())
        self._renewed = time.monotonic()

    def _others_refused(self, files: Any, place: str) -> dict[str, Any]:
        """Return this run's mark, empty if there is none; an OutputError if another run, maybe alive, has marked the URL."""
        said = f"{self.address}/{OWNER} cannot be read"
        mark = self._retries(lambda: self._owner(files, place), said, OutputError)
        if mark.get("owner") == self.owner:
            return mark
        if mark and not _is_forsaken(mark):
            who = f"process {mark.get('process')} on {mark.get('machine')}"
            if self._held:
                raise OutputError(
                    f"{self.address} was taken over by {who}, which resumes from what is finished; end one of the two"
                )
            raise OutputError(
                f"{self.address} is in use by {who}; wait until it has ended, and run the same command again; if no such "
                f"process is there, delete {self.address}/{OWNER} or wait {FORSAKEN_AFTER / 60:.0f} minutes"
            )
        return {}

    def _owner(self, files: Any, place: str) -> dict[str, Any]:
        try:
            found = json.loads(files.cat_file(f"{place}/{OWNER}"))
        except FileNotFoundError:
            return {}
        except ValueError:  # not written by zooactive
            found = None
        return found if isinstance(found, dict) else {"process": "unknown", "machine": "an unknown machine"}

    def _put(self, files: Any, place: str, name: str, content: bytes) -> dict[str, Any]:
        """Put a file, and return the file system's information about it."""
        said = f"{self.address}/{name} cannot be written"
        with explained(OutputError, f"{said}: {{reason}}; check the address", FileNotFoundError):
            return self._retries(lambda: _put_whole(files, place, name, content), said, OutputError)

    def _listed(self, files: Any, place: str) -> list[str]:
        """Return the names of the files at the URL."""

        def listed() -> list[str]:
            files.invalidate_cache(place)
            return sorted(Path(info["name"]).name for info in files.ls(place, detail=True) if info["type"] == "file")

        with suppress(FileNotFoundError):
            return self._retries(listed, f"{self.address} cannot be listed", CatalogueError)
        return []

    def _has(self, files: Any, path: str) -> bool:
        with suppress(FileNotFoundError):
            self._retries(lambda: files.info(path), f"{self.address} cannot be read", CatalogueError)
            return True
        return False


def _puts_whole(files: Any) -> bool:
    return not _PUTS_ARE_WHOLE.isdisjoint(protocols_of(files))


def _refuse_halves(files: Any, address: str) -> None:
    """Raise an OutputError for a file system in which a file can be neither put nor renamed in one step."""
    if type(files).mv is import_module("fsspec").AbstractFileSystem.mv:
        raise OutputError(f"{address}: files cannot be put there whole; choose a folder, or a store such as s3://")


def _put_whole(files: Any, place: str, name: str, content: bytes) -> dict[str, Any]:
    """Write a file, check that it is complete, and give it its name."""
    path = f"{place}/{name}"
    written = path if _puts_whole(files) else f"{place}/.part-{this_host()}-{os.getpid()}-{secrets.token_hex(4)}-{name}"
    try:
        files.pipe_file(written, content)
        files.invalidate_cache(place)
        _refuse_cut(files, written, len(content))
        if written != path:
            _rename(files, written, path)
            files.invalidate_cache(place)
            _refuse_cut(files, path, len(content))
    finally:
        if written != path:
            with suppress(Exception):
                files.rm_file(written)
    info: dict[str, Any] = files.info(path)
    return info


def _rename(files: Any, written: str, path: str) -> None:
    try:
        files.mv(written, path)
    except FileExistsError:  # in file systems that do not rename over an existing file
        files.rm_file(path)
        files.mv(written, path)


def _refuse_cut(files: Any, path: str, size: int) -> None:
    try:
        came = files.info(path)["size"]
    except FileNotFoundError:
        raise ConnectionError("it was written, but is not there yet") from None
    if came != size:
        raise ConnectionError(f"only {came} of its {size} bytes came")


def _is_forsaken(mark: dict[str, Any]) -> bool:
    """Return whether the writer that set a mark is dead: certain on this machine, elsewhere after a time without renewal."""
    process, at = mark.get("process"), mark.get("at")
    if mark.get("where") == this_host() and isinstance(process, int):
        return not process_lives(process)
    return isinstance(at, int | float) and time.time() - at > FORSAKEN_AFTER


_known: dict[Path, RemoteFolder] = {}
"""Maps a copy to what it stands for, for every URL that this process has used as a folder."""


def folder_here(place: str | Path, *, owner: str | None = None) -> Path:
    """Return the folder on this machine that stands for a place: the place itself, or the copy of a URL.

    Nothing is fetched yet. Whatever zooactive writes into the copy is also put to the URL, for the `owner` if one is given.

    Examples
    --------
    >>> folder_here("predictions")
    PosixPath('predictions')
    """
    address = address_of(place)
    if address is None:
        return Path(place)
    address = address.rstrip("/")
    folder = copy_folder(address)
    remote = _known.get(folder)
    if remote is None:
        remote = _known[folder] = RemoteFolder(address, folder)
        ELSEWHERE[folder] = remote.put
        STANDS_FOR[str(folder)] = address
    remote.owner = owner or remote.owner
    return folder


def remote_of(folder: Path) -> RemoteFolder | None:
    """Return the remote folder that a folder stands for, or None for a local folder."""
    return _known.get(folder) if _known else None


def bring(folder: Path, *, again: bool = False) -> None:
    """Bring a folder up to date with the URL that it stands for, once per process or `again`."""
    remote = remote_of(folder)
    if remote is not None and (again or not remote.brought):
        remote.bring()


def fetch(file: Path) -> None:
    """Fetch one file of a folder, if it is at the URL that the folder stands for and not on this machine."""
    remote = remote_of(file.parent)
    if remote is not None and not file.exists():
        remote.fetch(file.name)


@contextmanager
def held_remotely(folder: Path) -> Iterator[None]:
    """Mark the URL that a folder stands for as in use, and bring the folder up to date; see `RemoteFolder.held`."""
    remote = remote_of(folder)
    if remote is None:
        yield
    else:
        with remote.held():
            yield


def delete_file(file: Path) -> None:
    """Delete a file, and also at the URL that its folder stands for."""
    remote = remote_of(file.parent)
    file.unlink(missing_ok=True) if remote is None else remote.delete(file.name)


def delete_folder(folder: Path) -> None:
    """Delete a folder with all its files, and also at the URL that it stands for."""
    remote = remote_of(folder)
    shutil.rmtree(folder) if remote is None else remote.delete_all()
