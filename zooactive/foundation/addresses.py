"""Files that lie elsewhere, at an address such as ``s3://survey/galaxy.jpg``: read through fsspec, an extra.

Images are read where they lie, each when it is looked at. Tables and shards are copied into a cache first, because Parquet
files are read by row group, again and again.
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

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}([^/].*)")  # a name of two letters at least: C:/ is a disk
_FILE_ADDRESS = re.compile(r"(file|local):/{1,3}([^/].*)")  # they name no machine: their paths begin at the root
_OWN = ("file", "local")
_TABLES = (".parquet", ".pq")
_AT_ONCE = 1 << 16
_ORIGIN = ".origin"
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "generation")
_TIMES = ("mtime", "created", "LastModified", "last_modified", "updated")


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image at an address."""

    address: str

    def __str__(self) -> str:
        return self.address

    def read(self, most: int) -> bytes:
        """Return the image's bytes; what the file system raises is handed on, and more than `most` bytes are an OSError."""
        files, path = _file_system(self.address)
        _check_local(files, path)
        if {"http", "https"} & set(protocols_of(files)):  # a web server need not keep to a range that it was asked for
            with files.open(path, "rb", block_size=0, size=1) as stream:  # one request, and the size is not believed
                content = _up_to(stream, most + 1)
        else:
            content = files.cat_file(path, end=most + 1)
        if len(content) > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes")
        return content


def address_of(place: str | Path) -> str | None:
    """Return an address as text, also when it has lost a slash as a `Path`; None for a path on this machine.

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
    """Return a path as somebody wrote it, with ~ for the home folder; a ~NAME of nobody stays and is then no file."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_here(path: Path) -> bool:
    """Return whether a path can be looked at and is there; a path that no file system takes is not."""
    try:
        return path.exists()
    except OSError:
        return False


def from_folder(folder: Path, place: Path) -> Path:
    """Return a place that a file in this folder names: an address stays what it is."""
    return place if address_of(place) else folder / place


def remote_images(folder: str) -> dict[str, RemoteImage]:
    """Return the files of a folder at an address, by their names.

    Raises
    ------
    CatalogueError
        When the folder cannot be listed, or fsspec is not installed.
    """
    files, path = _file_system(folder)
    with explained(CatalogueError, f"{folder} cannot be listed: {{reason}}; give the folder that image paths start from"):
        names = [Path(name).name for name in files.ls(path, detail=False)]
    return {name: RemoteImage(f"{folder.rstrip('/')}/{name}") for name in names}


def cache_folder() -> Path:
    """Return the folder for copies of what lies elsewhere; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zooactive"


def local_copy(address: str) -> Path:
    """Copy a table, or a folder of Parquet files, into the cache; what is there and has not changed is kept.

    What was copied before and is no longer at the address goes.

    Raises
    ------
    CatalogueError
        When nothing can be read there, or fsspec is not installed.
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
    """Return the folder for copies of what lies at an address; it may not be there yet."""
    return (cache_folder() / blake2b(address.rstrip("/").encode(), digest_size=8).hexdigest()).absolute()


def copy_file(files: Any, name: str, target: Path) -> None:
    """Copy a file of a file system, unless its copy is there."""
    info = files.info(name)
    if is_copy_of(target, info):
        return
    _check_local(files, name)
    with aside(target, put=False) as temporary:
        files.get_file(name, str(temporary))
        came, size = temporary.stat().st_size, info.get("size")
        if size is not None and came != size:
            raise ConnectionError(errno.ECONNABORTED, f"{came} of its {size} bytes came")
        remember(target, info, temporary)


def is_copy_of(copy: Path, info: Mapping[str, Any]) -> bool:
    """Return whether a copy is there, of what a file system says of the file at its address."""
    stamp = _stamp(copy)
    return copy.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == _state(info)


def remember(copy: Path, info: Mapping[str, Any], content: Path) -> None:
    """Keep what a file system says of a file, of whose copy `content` is to get the name.

    The copy was last changed when the file was: images in it have the same marks on every machine.
    """
    copy.unlink(missing_ok=True)  # or a process killed here would leave what was there before as a copy of this
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
    """Return the file that says what a copy is of: not beside it, where it would be taken for one of the copies."""
    return copy.parent.with_name(copy.parent.name + _ORIGIN) / (copy.name + _ORIGIN)


def _state(info: Mapping[str, Any]) -> str:
    """Return what tells a file's content from another: a mark of the store, or else size and times.

    A listing and a file's own entry say more or less of the rest.
    """
    marks = {name: str(info[name]) for name in _MARKS if info.get(name)}
    times = {name: str(info[name]) for name in _TIMES if info.get(name)}
    return json.dumps({"size": info.get("size"), **(marks or times)}, sort_keys=True)


def _check_local(files: Any, path: str) -> None:
    """Raise an error for a pipe or device of this machine, which may never end."""
    if set(_OWN) & set(protocols_of(files)):
        check_regular(Path(path))


def _up_to(stream: Any, most: int) -> bytes:
    """Read a stream to its end, or so many bytes of it."""
    pieces: list[bytes] = []
    while most > 0 and (piece := stream.read(min(most, _AT_ONCE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def file_system_of(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the path there; a CatalogueError where fsspec, or what it needs, is away."""
    return _file_system(address)


def protocols_of(files: Any) -> tuple[str, ...]:
    """Return how the addresses of a file system may begin."""
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _file_system(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the path there."""
    with explained(CatalogueError, f"{address}: such addresses need fsspec: pip install 'zooactive[remote]'", ImportError):
        core = import_module("fsspec.core")
    with explained(CatalogueError, f"{address} cannot be opened: {{reason}}", ImportError, ValueError):
        files, path = core.url_to_fs(address)
    return files, path
