"""Locks that let only one process at a time read, change and write a folder."""

from __future__ import annotations

import errno
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zooactive.foundation.errors import OutputError
from zooactive.foundation.remote_folders import held_remotely
from zooactive.foundation.stopping import undisturbed
from zooactive.foundation.writing import output_explained, process_lives, this_host

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""The errors of file systems without locks, such as some network file systems."""

_held: dict[Path, int] = {}
"""Maps a folder to the thread of this process that holds it; functions called by that thread may hold it again."""


@contextmanager
def held(folder: str | Path) -> Iterator[None]:
    """Hold a folder for this thread until the block ends; the folder is created if it does not exist.

    The system releases the lock when the process ends, for whatever reason. If the file system has no locks, a file
    ``.lock-held`` is used instead; if a process of another machine leaves it behind, somebody has to delete it. If the
    folder stands for a URL, the URL is marked as well, and the folder is brought up to date with it (`RemoteFolder.held`).

    Raises
    ------
    OutputError
        If another process, or another thread of this process, holds the folder; the message names machine and process.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, held(folder):
    ...     (Path(folder) / ".lock").exists()
    True
    """
    folder = Path(folder)
    with output_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    place, thread = folder.resolve(), threading.get_ident()
    if _held.get(place) == thread:
        yield
        return
    lock = _Lock(folder, place, thread)
    try:
        with undisturbed():  # a stop between taking the lock and noting it would leave the file behind
            lock.take()
        with held_remotely(folder):
            yield
    finally:
        with undisturbed():
            lock.release()


@dataclass
class _Lock:
    """A lock on a folder, as far as it has been taken."""

    folder: Path
    place: Path
    thread: int
    descriptor: int | None = None
    instead: Path | None = None

    def take(self) -> None:
        """Take it, or raise an OutputError."""
        self.descriptor = _locked(self.folder / ".lock")
        if self.descriptor is None:
            self.instead = _created(self.folder / ".lock-held")
        _held[self.place] = self.thread

    def release(self) -> None:
        """Let go of what was taken."""
        if self.descriptor is None and self.instead is None:
            return
        _held.pop(self.place, None)
        if self.descriptor is not None:
            (self.folder / ".lock").unlink(missing_ok=True)  # before releasing it: nobody else has locked it yet
            os.close(self.descriptor)
        if self.instead is not None:
            self.instead.unlink(missing_ok=True)


def _locked(file: Path) -> int | None:
    """Open and lock a file; return None if the system or the file system has no locks."""
    try:
        import fcntl
    except ImportError:  # a system without fcntl
        return None
    while True:
        with output_explained(file.parent):
            if file.is_symlink():  # the file that it points to would be overwritten
                raise OutputError(f"{file} is a link, which zooactive never makes; delete it")
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(file, descriptor):
                with suppress(OSError):  # on a full disk the lock still works, but nobody can read who holds it
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, _who().encode(), 0)
                return descriptor
        except BlockingIOError:
            said = os.pread(descriptor, 200, 0).decode(errors="replace")
            os.close(descriptor)
            raise OutputError(_sentence(file.parent, said)) from None
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _NO_LOCKS:
                raise
            return None
        os.close(descriptor)  # the previous holder has deleted the file since it was opened


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _created(file: Path) -> Path:
    """Create a file that serves as a lock, or take over one that a dead process of this machine left."""
    while True:
        try:
            with output_explained(file.parent), _created_alone(file) as descriptor:
                os.write(descriptor, _who().encode())
            return file
        except _ThereAlready:
            try:
                said = file.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                continue
            _, process, where = (*said.split("\n"), "", "", "")[:3]
            if where == this_host() and process.isdecimal() and not process_lives(int(process)):
                file.unlink(missing_ok=True)
                continue
            mend = f"; if no such process is there, delete {file}"
            raise OutputError(_sentence(file.parent, said) + mend) from None


class _ThereAlready(Exception):
    pass


@contextmanager
def _created_alone(file: Path) -> Iterator[int]:
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        raise _ThereAlready from None
    try:
        yield descriptor
    except OSError:
        file.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _who() -> str:
    return f"{platform.node()}\n{os.getpid()}\n{this_host()}"


def _sentence(folder: Path, said: str) -> str:
    machine, process = (*said.split("\n"), "", "")[:2]
    who = f"process {process} on {machine}" if process and machine else "another process"
    return f"{folder} is in use by {who}; wait until it has ended, and run the same command again"
