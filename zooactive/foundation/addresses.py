"""Files at a URL such as ``s3://survey/galaxy.jpg``, which are read through fsspec (an extra).

Images are read directly from the URL, each when it is needed. Tables and shards are first copied into a cache, because
Parquet files are read by row group, many times.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.reading import check_regular
from zooactive.foundation.spelling import STANDS_FOR
from zooactive.foundation.writing import aside, is_passing

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}([^/].*)")  # the scheme has at least two letters: C:/ is a disk
_FILE_ADDRESS = re.compile(r"(file|local):/{1,3}([^/].*)")  # these name no machine: their paths begin at the root
_OWN = ("file", "local")
_TABLES = (".parquet", ".pq")
_AT_ONCE = 1 << 16
_ORIGIN = ".origin"
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "generation")
_TIMES = ("mtime", "created", "LastModified", "last_modified", "updated")


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image at a URL."""

    address: str

    def __str__(self) -> str:
        return self.address

    def read(self, most: int) -> bytes:
        """Return the image's bytes; errors of the file system are passed on, and more than `most` bytes are an OSError."""
        files, path = _file_system(self.address)
        _check_local(files, path)
        if {"http", "https"} & set(protocols_of(files)):  # a web server may ignore a requested range
            with files.open(path, "rb", block_size=0, size=1) as stream:  # one request; the size is not trusted
                content = _up_to(stream, most + 1)
        else:
            content = files.cat_file(path, end=most + 1)
        if len(content) > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes")
        return content


def address_of(place: str | Path) -> str | None:
    """Return a URL as text, even if it has lost a slash as a `Path`; None for a path on this machine.

    Examples
    --------
    >>> address_of(Path("s3://survey/shards")), address_of("images/J0.jpg"), address_of("C:/images")
    ('s3://survey/shards', None, None)
    """
    found = _ADDRESS.fullmatch(str(place)) or _FILE_ADDRESS.fullmatch(str(place))
    if found is None:
        return None
    return f"{found[1]}:///{found[2]}" if found[1] in _OWN else f"{found[1]}://{found[2]}"


def own_path(text: str) -> Path:
    """Return a path that a user wrote, with ~ replaced by the home folder; the ~NAME of an unknown user stays as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_here(path: Path) -> bool:
    """Return whether a path exists; a path that no file system accepts does not."""
    try:
        return path.exists()
    except OSError:
        return False


def from_folder(folder: Path, place: Path) -> Path:
    """Return a place relative to the folder of the file that names it; a URL stays unchanged."""
    return place if address_of(place) else folder / place


def remote_images(folder: str) -> dict[str, RemoteImage]:
    """Return the files in a folder at a URL, by their names.

    Raises
    ------
    CatalogueError
        If the folder cannot be listed, or fsspec is not installed.
    """
    files, path = _file_system(folder)
    with explained(CatalogueError, f"{folder} cannot be listed: {{reason}}; give the folder where image paths start"):
        names = [Path(name).name for name in files.ls(path, detail=False)]
    return {name: RemoteImage(f"{folder.rstrip('/')}/{name}") for name in names}


def cache_folder() -> Path:
    """Return the folder for copies of files from URLs; it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zooactive"


def local_copy(address: str) -> Path:
    """Copy a table, or a folder of Parquet files, into the cache; unchanged copies are kept.

    Copies of files that are no longer at the URL are deleted.

    Raises
    ------
    CatalogueError
        If nothing can be read at the URL, or fsspec is not installed.
    """
    files, path = _file_system(address)
    folder = copy_folder(address)
    with explained(CatalogueError, f"{address} cannot be read: {{reason}}; check the address and your right to read it"):
        single = files.isfile(path)
        there = [path] if single else files.ls(path, detail=False)
        found = [name for name in there if single or name.endswith(_TABLES)]
        if not found:
            raise CatalogueError(f"{address} holds no Parquet files; give a table, or a folder of shards")
        for name in found:
            copy_file(files, name, folder / Path(name).name)
        kept = {Path(name).name for name in there}
        for copy in sorted(folder.iterdir()):
            if copy.name not in kept and not is_passing(copy.name):
                forget(copy)
    STANDS_FOR[str(folder)] = address.rstrip("/").rpartition("/")[0] if single else address.rstrip("/")
    return folder / Path(found[0]).name if single else folder


def copy_folder(address: str) -> Path:
    """Return the folder for copies of the files at a URL; it may not exist yet."""
    return (cache_folder() / blake2b(address.rstrip("/").encode(), digest_size=8).hexdigest()).absolute()


def copy_file(files: Any, name: str, target: Path) -> None:
    """Copy a file from a file system, unless there is a copy already."""
    info = files.info(name)
    if is_copy_of(target, info):
        return
    _check_local(files, name)
    with aside(target, put=False) as temporary:
        files.get_file(name, str(temporary))
        came, size = temporary.stat().st_size, info.get("size")
        if size is not None and came != size:
            raise ConnectionError(errno.ECONNABORTED, f"only {came} of its {size} bytes came")
        remember(target, info, temporary)


def is_copy_of(copy: Path, info: Mapping[str, Any]) -> bool:
    """Return whether there is a copy that matches what a file system says about the original."""
    stamp = _stamp(copy)
    return copy.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == _state(info)


def remember(copy: Path, info: Mapping[str, Any], content: Path) -> None:
    """Record what a file system says about a file whose copy, now in `content`, will get its name.

    The copy gets the original's time of change, so images in it have the same marks on every machine.
    """
    copy.unlink(missing_ok=True)  # otherwise, if this process were killed here, an old copy would pass for a new one
    with aside(_stamp(copy)) as temporary:
        temporary.write_text(_state(info), encoding="utf-8")
    found = next((info[name] for name in _TIMES if isinstance(info.get(name), int | float | datetime)), None)
    if found is not None:
        changed = found.timestamp() if isinstance(found, datetime) else float(found)
        os.utime(content, (changed, changed))


def forget(copy: Path) -> None:
    """Delete a copy."""
    copy.unlink(missing_ok=True)
    _stamp(copy).unlink(missing_ok=True)


def _stamp(copy: Path) -> Path:
    """Return the file that records the original of a copy; it is not next to the copy, where it would look like a copy."""
    return copy.parent.with_name(copy.parent.name + _ORIGIN) / (copy.name + _ORIGIN)


def _state(info: Mapping[str, Any]) -> str:
    """Return a mark that changes with a file's content: a mark of the store, or otherwise size and times.

    All other entries differ between a listing and the entry of a single file.
    """
    marks = {name: str(info[name]) for name in _MARKS if info.get(name)}
    times = {name: str(info[name]) for name in _TIMES if info.get(name)}
    return json.dumps({"size": info.get("size"), **(marks or times)}, sort_keys=True)


def _check_local(files: Any, path: str) -> None:
    """Raise an error for a pipe or device on this machine, because reading it may never end."""
    if set(_OWN) & set(protocols_of(files)):
        check_regular(Path(path))


def _up_to(stream: Any, most: int) -> bytes:
    """Read a stream to its end, or at most `most` bytes of it."""
    pieces: list[bytes] = []
    while most > 0 and (piece := stream.read(min(most, _AT_ONCE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def file_system_of(address: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; a CatalogueError if fsspec or a package it needs is missing."""
    return _file_system(address)


def protocols_of(files: Any) -> tuple[str, ...]:
    """Return the possible beginnings of URLs in a file system."""
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _file_system(address: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it."""
    with explained(CatalogueError, f"{address}: such addresses need fsspec: pip install 'zooactive[remote]'", ImportError):
        core = import_module("fsspec.core")
    with explained(CatalogueError, f"{address} cannot be opened: {{reason}}", ImportError, ValueError):
        files, path = core.url_to_fs(address)
    return files, path
