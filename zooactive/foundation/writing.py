"""Results are written aside and renamed, and each says how it was made."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import OutputError
from zooactive.foundation.reading import open_regular, read_text

_PACKAGES = ("zooactive", "keras", "tensorflow", "numpy", "scipy", "pandas", "pyarrow", "pillow")


@contextmanager
def aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises
    ------
    OutputError
        When the disk is full or the folder cannot be written.

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
    temporary = path.with_name(f".part-{os.getpid()}-{path.name}")
    with output_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def output_explained(path: str | Path) -> Iterator[None]:
    """Turn a full disk or an unwritable folder into an `OutputError` that names `path`."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full; free some space and run the same command again",
            errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
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


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written aside; a process that lives may be writing there."""
    for leftover in folder.glob(".part-*"):
        process = leftover.name.split("-")[1]
        if process.isdigit() and not _lives(int(process)):
            leftover.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name != "posix":  # elsewhere asking ends the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def make_folder(folder: str | Path) -> None:
    """Make a folder with its parents, before the work that will be written into it.

    Raises
    ------
    OutputError
        When it cannot be made.
    """
    with output_explained(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    """Write plain values as JSON, aside and renamed; a number that is not finite becomes null, which every reader knows."""
    text = json.dumps(_finite(values), indent=2, default=str, allow_nan=False)
    with aside(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_how(path: str | Path, *, command: str, options: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
    """Write beside a result how it was made: ``NAME.how.json``, or ``how.json`` inside a folder.

    Parameters
    ----------
    path : path
        The result.
    command : str
        What made it.
    options : mapping
        Seed and settings.
    inputs : mapping of str to str
        For each input, its hash (see `file_hash`).
    """
    path = Path(path)
    where = path / "how.json" if path.is_dir() else path.with_name(path.name + ".how.json")
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    backend = sys.modules["keras"].backend.backend() if "keras" in sys.modules else None
    record = {"command": command, "options": dict(options), "inputs": dict(inputs), "versions": versions}
    write_json(where, record | ({"keras_backend": backend} if backend else {}))


def file_hash(path: str | Path) -> str:
    """BLAKE2b of a file's bytes, or of every file's name and bytes in a folder, as 32 hexadecimal digits."""
    path = Path(path)
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(str(file.relative_to(path)).encode() if path.is_dir() else b"")
        with open_regular(file) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def how_of(result: Path) -> dict[str, Any]:
    """Read how a result was made, from beside it or from inside a folder; empty where that is not known."""
    path = result / "how.json" if result.is_dir() else result.with_name(result.name + ".how.json")
    try:
        values: dict[str, Any] = json.loads(read_text(path))
    except (OSError, ValueError):
        return {}
    return values
