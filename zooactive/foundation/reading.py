"""Read files from others safely: only regular files are opened, because pipes wait forever, and unpacking is limited."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

LARGEST_TEXT = 1 << 26
"""The largest size in bytes of TOML or JSON settings; the largest that zooactive writes have some hundred kilobytes."""

_AT_ONCE = 1 << 16

_KINDS = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def check_regular(path: Path) -> os.stat_result:
    """Return the stat of a regular file; raise an OSError for any other file.

    Raises
    ------
    OSError
        If there is no file, or it is a folder, pipe, socket or device: reading these may never end.
    """
    found = path.stat()
    _check(found, path)
    return found


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading bytes; raise an OSError for any other file."""
    check_regular(path)  # before opening, because opening some devices has effects
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    stream = os.fdopen(number, "rb")
    try:
        _check(os.fstat(number), path)  # again, because another file may be there by now
    except OSError:
        stream.close()
        raise
    return stream


def read_text(path: Path, most: int = LARGEST_TEXT) -> str:
    """Read a regular file of UTF-8 text.

    Raises
    ------
    OSError
        If it cannot be read, is not a regular file, or holds more than `most` bytes.
    UnicodeDecodeError
    """
    with open_regular(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))
    return content.decode("utf-8").replace("\r\n", "\n")


class Unpacked(io.RawIOBase):
    """A gzipped stream that is unpacked as it is read, up to a number of bytes; more bytes raise an OSError.

    Parameters
    ----------
    packed : binary stream
    most : int
    """

    def __init__(self, packed: BinaryIO, most: int) -> None:
        self._stream = gzip.GzipFile(fileobj=packed)
        self._most = most

    def readable(self) -> bool:
        """Return whether the stream can be read."""
        return True

    def seekable(self) -> bool:
        """Return whether the stream can be read from another position."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes, or all."""
        left = self._most + 1 - self._stream.tell()
        content = self._stream.read(left if size is None or size < 0 else min(size, left))
        self._check()
        return content

    def readinto(self, buffer: object, /) -> int:
        """Read bytes into a buffer."""
        view = memoryview(cast(bytearray, buffer)).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to another position; to move forwards, the bytes between are unpacked."""
        if whence == 2:
            while self.read(_AT_ONCE):
                pass
            offset, whence = offset + self._stream.tell(), 0
        target = offset if whence == 0 else self._stream.tell() + offset
        self._stream.seek(min(target, self._most + 1))
        self._check()
        return self._stream.tell()

    def tell(self) -> int:
        """Return the position in the unpacked bytes."""
        return self._stream.tell()

    def _check(self) -> None:
        if self._stream.tell() > self._most:
            raise OSError(errno.EFBIG, f"it unpacks to more than {self._most} bytes")


def _check(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_one, name in _KINDS if is_one(found.st_mode)), "no file")
        raise OSError(errno.EINVAL, f"it is {kind}, and only regular files are read", str(path))
