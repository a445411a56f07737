"""The provenance of a result, written next to it: paths and marks of all its inputs and outputs."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from zooactive.foundation.addresses import address_of, local_copy
from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.logs import log
from zooactive.foundation.remote_folders import bring, folder_here, remote_of
from zooactive.foundation.spelling import with_addresses
from zooactive.foundation.writing import file_hash, how_of, how_path, is_passing, told_of, write_json

By: TypeAlias = Literal[
    "content", "model.json", "journal.json", "how.json", "names, sizes and times", "files of a list", "not marked"
]
"""What of a source its mark is taken from; "not marked" are images that were not looked at for it."""

_SPEAK_FOR_ALL: tuple[tuple[str, By], ...] = (
    ("model.json", "model.json"),
    ("model/model.json", "model.json"),
    ("journal.json", "journal.json"),
    ("how.json", "how.json"),
)
"""Files that hold marks of the other files in their folder, and therefore change with them, in the order of preference."""


@dataclass(frozen=True)
class Source:
    """An input of a result.

    Parameters
    ----------
    what : str
        Its role, such as "catalogue".
    path : str
        Its absolute path, or its address.
    beside : str
        The path relative to the result's folder, by which it is found if result and input were moved together. If one of
        both is at an address, it is the same as `path`.
    by : str
        What the mark was taken from, see `By`.
    mark : str or None
        32 hexadecimal digits; None for an input that did not exist.
    """

    what: str
    path: str
    beside: str
    by: str
    mark: str | None


def mark_of(path: Path) -> tuple[By, str | None]:
    """Return what the mark of a file or folder is taken from, and the mark; None if it does not exist.

    The mark of a file is taken from its content. The mark of a folder is that of a file in it that has marks of the others,
    or otherwise it is taken from the names, sizes and times of change of its files: a survey's images are not read again for
    it.
    """
    if path.is_file():
        return "content", file_hash(path)
    for name, by in _SPEAK_FOR_ALL:
        if (path / name).is_file():
            return by, _mark_of_outputs(path) if by == "how.json" else file_hash(path / name)
    if not path.is_dir():
        return "content", None
    digest = hashlib.blake2b(digest_size=16)
    for folder, _, names in sorted(os.walk(path)):
        for name in sorted(names):
            if not is_passing(name):
                file = Path(folder) / name
                state = file.stat()
                digest.update(
                    f"{file.relative_to(path)}|{state.st_size}|{state.st_mtime_ns}\n".encode(errors="surrogateescape")
                )
    return "names, sizes and times", digest.hexdigest()


def mark_of_files(files: Iterable[Path]) -> str:
    """Return a mark of the names, sizes and times of some files, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        try:
            state = file.stat()
        except OSError:
            digest.update(f"{file.name}|gone\n".encode(errors="surrogateescape"))
            continue
        digest.update(f"{file.name}|{state.st_size}|{state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _mark_of_outputs(folder: Path) -> str:
    """Return a mark of what how.json says came out, and not of when; of all that it says where an older version wrote it."""
    outputs = how_of(folder).get("outputs")
    if not isinstance(outputs, dict):
        return file_hash(folder / "how.json")
    return hashlib.blake2b(json.dumps(outputs, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass
class Making:
    """A running job; its inputs are marked when it begins, because they may have changed by its end.

    Parameters
    ----------
    command : str
    sources : mapping of str to Path or None
        The inputs by their roles; None is left out.
    unmarked : collection of str
        Inputs that are named but not marked, such as a folder of images. Walking a folder of a million images takes long.
        A job may use few of them, or keep marks of its own of the images that it used, as predictions do.
    """

    command: str
    sources: Mapping[str, Path | None]
    unmarked: Collection[str] = ()
    began: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        given = {what: path for what, path in self.sources.items() if path is not None}
        self._marked: list[tuple[str, Path, tuple[By, str | None]]] = [
            (what, path, ("not marked", None) if what in self.unmarked else _mark_if_read(what, path))
            for what, path in given.items()
        ]
        self._since = time.monotonic()

    def took(self, what: str, files: Iterable[object]) -> None:
        """Mark those files of a source that the job takes, in place of all that is there: those of a list, of a folder."""
        marked: tuple[By, str | None] = "files of a list", mark_of_files(path for path in files if isinstance(path, Path))
        self._marked = [entry if entry[0] != what else (what, entry[1], marked) for entry in self._marked]

    def done(
        self,
        result: Path,
        *,
        outputs: Iterable[Path],
        counts: Mapping[str, int],
        failures: Mapping[str, int] | None = None,
        worked: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the inputs and outputs of a result next to it, and log that it is done.

        Parameters
        ----------
        result : Path
            A file or a folder, next to or in which the record of how it was made already exists.
        outputs : iterable of Path
            All files of the result, or folders with such files.
        counts, failures : mapping of str to int
            How many there are of each thing, and how many failed for each kind of failure.
        worked : int, optional
            The number of galaxies, or of other counted things, that this job processed: for its pace.
        settings : mapping, optional
            Other settings that the result depends on, such as the selected rows of a table.
        """
        seconds = time.monotonic() - self._since
        how = how_of(result)
        place = how_path(result)
        marked = {file.relative_to(place.parent).as_posix(): _output(file) for file in _files(outputs, but=place)}
        if how.get("outputs") != marked or "made" not in how:  # otherwise the result was already there, unchanged
            sources = [
                Source(what, _named(path), _beside(path, place.parent), by, mark) for what, path, (by, mark) in self._marked
            ]
            how |= {
                "from": [asdict(source) for source in sources],
                "settings": dict(settings or {}),
                "counts": dict(counts),
                "failures": dict(failures or {}),
                "outputs": marked,
                "made": self._made(),
            }
            write_json(place, told_of(how))
        log(
            __name__,
            logging.INFO,
            "done",
            command=self.command,
            result=_named(result),
            counts=dict(counts),
            failures=dict(failures or {}),
            seconds=round(seconds, 3),
            **({"worked": worked, "per_second": round(worked / max(seconds, 1e-9), 3)} if worked else {}),
            outputs=[{"path": _named(place.parent / name), **about} for name, about in marked.items()],
        )

    def _made(self) -> dict[str, Any]:
        """Return the time and place of the job, which no other run shares."""
        return {
            "host": socket.gethostname(),
            "system": platform.platform(),
            "process": os.getpid(),
            "began": _utc(self.began),
            "ended": _utc(time.time()),
        }


def _mark_if_read(what: str, path: Path) -> tuple[By, str | None]:
    """Return `mark_of` a source, or none of one that cannot be read: the job says so better, where it reads it."""
    try:
        return mark_of(place_of(what, path))
    except (OSError, ZooactiveError):
        return "content", None


def written_again(result: Path, *, by: str) -> None:
    """Record next to a result that a later command rewrote some of its files, if these had been recorded before."""
    how, place = how_of(result), how_path(result)
    outputs = how.get("outputs")
    if not isinstance(outputs, dict):
        return
    files = {name: place.parent / name for name in outputs}
    again = {name: _output(file) for name, file in files.items() if file.is_file()}
    if again != outputs:
        write_json(place, how | {"outputs": again, "written_again_by": by})


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def place_of(what: str, path: Path, *, by: str | None = None) -> Path:
    """Return where something can be looked at here: a table at an address is copied, a folder of results is brought.

    Images stay at their address. Of a source of before, `by` says what its mark was taken from.
    """
    address = address_of(path)
    if address is None or what == "images":
        bring(path)
        return path
    if by in (None, "content"):
        return local_copy(address)
    folder = folder_here(address)
    bring(folder)
    return folder


def _named(path: Path) -> str:
    """Return a path as people know it from anywhere: absolute, or an address."""
    return address_of(path) or with_addresses(str(path.absolute()))


def _beside(path: Path, folder: Path) -> str:
    named = _named(path)
    if address_of(named) is not None or remote_of(folder) is not None:
        return named
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:  # on another drive
        return str(path)


def _files(outputs: Iterable[Path], but: Path) -> list[Path]:
    """Return the files of outputs, and of the folders among them, in the order of their names."""
    found = set[Path]()
    for path in outputs:
        inside = path.rglob("*") if path.is_dir() else [path]
        found |= {file for file in inside if file.is_file() and not is_passing(file.name) and file != but}
    return sorted(found)


def _output(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "blake2b": file_hash(file)}


def sources_of(how: Mapping[str, Any]) -> list[Source]:
    """Return the inputs of a result from the record that `how_of` read; damaged entries are left out."""
    found, listed = [], how.get("from")
    for entry in listed if isinstance(listed, list) else []:
        try:
            found.append(Source(**entry))
        except TypeError:
            continue
    return found
