"""Write results to a temporary file and rename it, with a record of how each was made."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import platform
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import OutputError, WorkspaceError
from zooactive.foundation.formats import RESULTS, refuse_future
from zooactive.foundation.logs import finite, log
from zooactive.foundation.reading import open_regular, read_text
from zooactive.foundation.spelling import with_addresses
from zooactive.foundation.stopping import undisturbed

_DAY = 24 * 3600  # seconds
_LONGEST_NAME = 120  # characters of a name that are kept in its temporary file's name: file systems take 255 bytes
_ASIDE = re.compile(r"\.part-(?:(?P<host>[0-9a-f]{8})-)?(?P<process>\d+)-")
"""The pattern of a temporary name; older versions wrote only the process."""

_PASSING = (".part-", ".lock")
"""The beginnings of names of files that are not results."""

_FILES_AT_ONCE = 256
_SYNCED_AT_ONCE = 32
"""The number of files that are flushed at the same time: the disk takes many in about the time of one."""

ELSEWHERE: dict[Path, Callable[[Path, str], None]] = {}
"""Maps a folder to the function that puts a file to the URL that the folder stands for: see `remote_folders`."""

_PACKAGES = ("zooactive", "keras", "tensorflow", "numpy", "scipy", "pandas", "pyarrow", "pillow")


@contextmanager
def aside(path: str | Path, *, put: bool = True) -> Iterator[Path]:
    """Yield a temporary file next to `path`; it is renamed to `path` if the block succeeds, and removed if it fails.

    File and folder are flushed to the disk before this returns: after a power cut there is either the old file or the
    complete new one. In a folder that stands for a URL, the file is put there first, unless `put` is false because it came
    from there.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with aside(Path(folder) / "out.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "out.txt").read_text()
    'whole'
    """
    path = Path(path)
    with output_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        _sweep_once(path.parent)
        temporary: Path | None = None
        try:
            with undisturbed():  # a stop before it is noted would leave it behind
                temporary = _create_aside(path)
            yield temporary
            _sync(temporary)
            if put:
                _put_elsewhere(temporary, path)
            temporary.replace(path)
            _sync(path.parent)
            log(__name__, logging.DEBUG, "file written", file=str(path))
        finally:
            with undisturbed():
                if temporary is not None:
                    temporary.unlink(missing_ok=True)


@contextmanager
def many_aside() -> Iterator[Callable[[Path, bytes], None]]:
    """Yield a function (path, content) that writes small files as `aside` does, but flushes many of them together.

    All files are complete, have their names and are on the disk when the block ends. Write whatever refers to them, such as
    a table or a manifest, afterwards. If the block fails, the last of them do not exist.

    Raises
    ------
    OutputError
        As in `aside`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with many_aside() as write:
    ...         write(Path(folder) / "a.txt", b"one")
    ...         write(Path(folder) / "b.txt", b"two")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['a.txt', 'b.txt']
    """
    waiting: dict[Path, Path] = {}  # maps a path to its temporary file

    def write(path: Path, content: bytes) -> None:
        with output_explained(path):
            if path not in waiting:
                _sweep_once(path.parent)
                with undisturbed():
                    waiting[path] = _create_aside(path)
            waiting[path].write_bytes(content)
        if len(waiting) >= _FILES_AT_ONCE:
            _rename_all(waiting)

    try:
        yield write
        _rename_all(waiting)
    finally:
        with undisturbed():
            for temporary in waiting.values():
                temporary.unlink(missing_ok=True)


def _rename_all(waiting: dict[Path, Path]) -> None:
    """Give files their names when all of them are on the disk."""
    if not waiting:
        return
    with output_explained(next(iter(waiting))):
        with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
            list(pool.map(_sync, waiting.values()))
        for path, temporary in waiting.items():
            _put_elsewhere(temporary, path)
            temporary.replace(path)
            log(__name__, logging.DEBUG, "file written", file=str(path))
        for folder in {path.parent for path in waiting}:
            _sync(folder)
    waiting.clear()


def _put_elsewhere(temporary: Path, path: Path) -> None:
    """Put a file to the URL that its folder stands for, if any: a file that has its name here is there as well."""
    if ELSEWHERE and (put := ELSEWHERE.get(path.parent)) is not None:
        put(temporary, path.name)


def refuse_without_room(temporary: Path, size: int) -> None:
    """Raise the disk's error if it has no room for this many bytes, for writers that report it badly themselves."""
    if not hasattr(os, "posix_fallocate"):  # only on Linux
        return
    with temporary.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        stream.truncate(0)


def _create_aside(path: Path) -> Path:
    """Create an empty file that nobody else writes to: other processes, threads and machines get other names."""
    while True:
        mine = f".part-{this_host()}-{os.getpid()}-{secrets.token_hex(4)}-"
        temporary = path.with_name(mine + path.name[-_LONGEST_NAME:])  # the ending stays, because some writers depend on it
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        return temporary


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    if path.is_dir() and os.name != "posix":  # on other systems folders cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no sync
            raise
    finally:
        os.close(descriptor)


@contextmanager
def output_explained(path: str | Path) -> Iterator[None]:
    """Turn a full disk or an unwritable folder into an `OutputError` that names `path`."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full; free some space and run the same command again",
            errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
            errno.EFBIG: "it is larger than files may be here; raise the limit (`ulimit -f`) and run the same command again",
            errno.EROFS: "the file system is read-only; choose another place",
            errno.EACCES: "permission denied; choose another place",
            errno.EPERM: "permission denied; choose another place",
            errno.ENOTDIR: "a file stands where a folder is needed; choose another place",
            errno.EEXIST: "a file stands where a folder is needed; choose another place",
            errno.EISDIR: "a folder stands where a file is needed; choose another place",
        }
        if error.errno not in reasons:
            raise
        raise OutputError(f"{path} cannot be written: {reasons[error.errno]}") from error


@cache
def this_host() -> str:
    """Return a mark of the scope in which process numbers are valid: eight digits of machine, last start and container."""
    said = [platform.node()]
    for told in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            said.append(str(Path(told).readlink()) if told.endswith("pid") else Path(told).read_text(encoding="ascii"))
        except OSError:  # not on Linux
            continue
    return hashlib.blake2b("|".join(said).encode(), digest_size=4).hexdigest()


def remove_leftovers(*folders: Path) -> None:
    """Remove temporary files that killed processes left.

    A living process may be writing to such a file. Whether a process of another machine or container lives cannot be known
    here, so its files are removed a day after they were last written to.
    """
    for folder in folders:
        for leftover in folder.glob(".part-*"):
            if _is_left(leftover):
                leftover.unlink(missing_ok=True)


def _is_left(file: Path) -> bool:
    named = _ASIDE.match(file.name)
    if named is None:
        return False
    if named["host"] == this_host():
        return not process_lives(int(named["process"]))
    try:
        return time.time() - file.stat().st_mtime > _DAY
    except FileNotFoundError:
        return False


_swept: set[Path] = set()


def _sweep_once(folder: Path) -> None:
    """Remove leftovers from a folder when this process first writes to it."""
    place = folder.resolve()
    if place not in _swept:
        _swept.add(place)
        remove_leftovers(folder)


def process_lives(process: int) -> bool:
    """Return whether a process of this machine exists; True if that cannot be found out."""
    if os.name != "posix":  # on other systems asking ends the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def make_folder(folder: str | Path) -> None:
    """Create a folder with its parents, before the work that will be written into it.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    with output_explained(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)


def told_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as plain values that people can follow: an address in place of its copy here."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {with_addresses(name): told(entry) for name, entry in value.items()}
        if isinstance(value, list):
            return [told(entry) for entry in value]
        return with_addresses(value) if isinstance(value, str) else value

    found: dict[str, Any] = told(json.loads(json.dumps(finite(record), default=str)))
    return found


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    """Write plain values as JSON, aside and renamed; numbers that are not finite become null, which every reader knows."""
    text = json.dumps(finite(values), indent=2, default=str, allow_nan=False)
    with aside(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_how(path: str | Path, *, command: str, options: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
    """Write a record of how a result was made next to it: ``NAME.how.json``, or ``how.json`` inside a folder.

    Parameters
    ----------
    path : path
        The result.
    command : str
        The command that made it.
    options : mapping
        The seed and settings.
    inputs : mapping of str to str
        The hash of each input (see `file_hash`).
    """
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    backend = sys.modules["keras"].backend.backend() if "keras" in sys.modules else None
    record = {"format": RESULTS, "command": command, "options": dict(options), "inputs": dict(inputs), "versions": versions}
    record |= {"keras_backend": backend} if backend else {}
    record = told_of(record)
    try:
        before = how_of(Path(path))
    except WorkspaceError:  # the record of a newer version, which is overwritten together with its result
        before = {}
    if all(before.get(name) == value for name, value in record.items()):
        record = before | record  # an unchanged result keeps the record of its inputs and time
    write_json(how_path(Path(path)), record)


def file_hash(path: str | Path) -> str:
    """Return a hash (BLAKE2b) of a file's bytes, or of every file's name and bytes in a folder, 32 hexadecimal digits."""
    path = Path(path)
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(p for p in path.rglob("*") if p.is_file() and not is_passing(p.name)) if path.is_dir() else [path]:
        digest.update(str(file.relative_to(path)).encode() if path.is_dir() else b"")
        with open_regular(file) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def is_passing(name: str) -> bool:
    """Return whether a file of this name is not a result, but a temporary file or a lock."""
    return name.startswith(_PASSING)


def how_of(result: Path) -> dict[str, Any]:
    """Read the record of how a result was made, next to it or inside a folder; empty if there is none.

    Raise a WorkspaceError if a newer zooactive wrote it, because the results may mean something different.
    """
    try:
        values = json.loads(read_text(how_path(result)))
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict):
        return {}
    refuse_future(how_path(result), values.get("format", 0), RESULTS, WorkspaceError)
    return values


def how_path(result: Path) -> Path:
    """Return the file with the record of how a result was made: inside a folder, or next to a file."""
    return result / "how.json" if result.is_dir() else result.with_name(result.name + ".how.json")
