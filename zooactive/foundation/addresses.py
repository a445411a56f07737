"""Files that lie elsewhere, at an address such as ``s3://survey/galaxy.jpg``: read through fsspec, an extra.

Images are read where they lie, each when it is looked at. Tables and shards are copied into a cache first, because Parquet
files are read by row group, again and again.
"""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.reading import check_regular
from zooactive.foundation.writing import aside, is_passing

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}([^/].*)")  # a name of two letters at least: C:/ is a disk
_TABLES = (".parquet", ".pq")
_AT_ONCE = 1 << 16
_ORIGIN = ".origin"


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
        if {"http", "https"} & set(_protocols(files)):  # a web server need not keep to a range that it was asked for
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
    found = _ADDRESS.fullmatch(str(place))
    return None if found is None else f"{found[1]}://{found[2]}"


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
    folder = cache_folder() / blake2b(address.rstrip("/").encode(), digest_size=8).hexdigest()
    with explained(CatalogueError, f"{address} cannot be read: {{reason}}; check the address and your right to read it"):
        single = files.isfile(path)
        found = [path] if single else [name for name in files.ls(path, detail=False) if name.endswith(_TABLES)]
        if not found:
            raise CatalogueError(f"{address} holds no Parquet files; give a table, or a folder of shards")
        for name in found:
            _copy(files, name, folder / Path(name).name)
        kept = {Path(name).name for name in found}
        for copy in sorted(folder.iterdir()):
            if copy.name.removesuffix(_ORIGIN) not in kept and not is_passing(copy.name):
                copy.unlink(missing_ok=True)
    return folder / Path(found[0]).name if single else folder


def _copy(files: Any, name: str, target: Path) -> None:
    stamp = target.with_name(target.name + _ORIGIN)
    origin = json.dumps(files.info(name), default=str, sort_keys=True)
    if target.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == origin:
        return
    _check_local(files, name)
    with aside(target) as temporary:
        files.get_file(name, str(temporary))
    with aside(stamp) as temporary:
        temporary.write_text(origin, encoding="utf-8")


def _check_local(files: Any, path: str) -> None:
    """Raise an error for a pipe or device of this machine, which may never end."""
    if {"file", "local"} & set(_protocols(files)):
        check_regular(Path(path))


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _up_to(stream: Any, most: int) -> bytes:
    """Read a stream to its end, or so many bytes of it."""
    pieces: list[bytes] = []
    while most > 0 and (piece := stream.read(min(most, _AT_ONCE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _file_system(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the path there."""
    with explained(CatalogueError, f"{address}: to read it install fsspec: pip install 'zooactive[remote]'", ImportError):
        core = import_module("fsspec.core")
    with explained(CatalogueError, f"{address} cannot be opened: {{reason}}", ImportError, ValueError):
        files, path = core.url_to_fs(address)
    return files, path
