"""What a result was made of, beside it: the paths and marks of all that went in, and of all that came out."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.logs import log
from zooactive.foundation.writing import file_hash, how_of, how_path, is_passing, write_json

By: TypeAlias = Literal["content", "model.json", "journal.json", "how.json", "names, sizes and times"]
"""What of a source its mark is taken from."""

_SPEAK_FOR_ALL: tuple[tuple[str, By], ...] = (
    ("model.json", "model.json"),
    ("model/model.json", "model.json"),
    ("journal.json", "journal.json"),
    ("how.json", "how.json"),
)
"""Files of a folder that hold marks of what else is in it, and so change with it: looked for in this order."""


@dataclass(frozen=True)
class Source:
    """Something that went into a result.

    Parameters
    ----------
    what : str
        What it was taken for, such as "catalogue".
    path : str
        Where it lay, absolute.
    beside : str
        The same as seen from the result's folder: results that were moved along with it are found by that.
    by : str
        What the mark was taken from, see `By`.
    mark : str or None
        32 hexadecimal digits; None of what was not there.
    """

    what: str
    path: str
    beside: str
    by: str
    mark: str | None


def mark_of(path: Path) -> tuple[By, str | None]:
    """Return what a mark of a file or folder is taken from, and the mark; None where nothing is.

    A file's is of its content. A folder's is that of the file in it which has marks of the others, or else of the names,
    sizes and times of change of its files: a survey's images are not read again for it.
    """
    if path.is_file():
        return "content", file_hash(path)
    for name, by in _SPEAK_FOR_ALL:
        if (path / name).is_file():
            return by, file_hash(path / name)
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


@dataclass
class Making:
    """A job under way, whose sources are marked when it begins: they may be others by its end.

    Parameters
    ----------
    command : str
    sources : mapping of str to Path or None
        What went in by what it was taken for; None is left out.
    """

    command: str
    sources: Mapping[str, Path | None]
    began: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._marked = [(what, path, _mark_if_read(path)) for what, path in self.sources.items() if path is not None]
        self._since = time.monotonic()

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
        """Write what was made of what beside a result, and tell programs that it is done.

        Parameters
        ----------
        result : Path
            A file or a folder, beside or in which how it was made is written already.
        outputs : iterable of Path
            All files of the result, or folders of such.
        counts, failures : mapping of str to int
            How many of what there are, and how many failed by the kind of failure.
        worked : int, optional
            Galaxies, or whatever is counted, that this job went through: for its pace.
        settings : mapping, optional
            What else the result depends on, such as which rows of a table were wanted.
        """
        seconds = time.monotonic() - self._since
        how = how_of(result)
        place = how_path(result)
        marked = {file.relative_to(place.parent).as_posix(): _output(file) for file in _files(outputs, but=place)}
        if how.get("outputs") != marked or "made" not in how:  # else it was there already, as it is
            sources = [
                Source(what, str(path.absolute()), _beside(path.absolute(), place.parent), by, mark)
                for what, path, (by, mark) in self._marked
            ]
            how |= {
                "from": [asdict(source) for source in sources],
                "settings": dict(settings or {}),
                "counts": dict(counts),
                "failures": dict(failures or {}),
                "outputs": marked,
                "made": self._made(),
            }
            write_json(place, how)
        log(
            __name__,
            logging.INFO,
            "done",
            command=self.command,
            result=str(result),
            counts=dict(counts),
            failures=dict(failures or {}),
            seconds=round(seconds, 3),
            **({"worked": worked, "per_second": round(worked / max(seconds, 1e-9), 3)} if worked else {}),
            outputs=[{"path": str(place.parent / name), **about} for name, about in marked.items()],
        )

    def _made(self) -> dict[str, Any]:
        """Return when and where, which no other run has in common with this one."""
        return {
            "host": socket.gethostname(),
            "system": platform.platform(),
            "process": os.getpid(),
            "began": _utc(self.began),
            "ended": _utc(time.time()),
        }


def _mark_if_read(path: Path) -> tuple[By, str | None]:
    """Return `mark_of` a source, or none of one that cannot be read: the job says so better, where it reads it."""
    try:
        return mark_of(path)
    except (OSError, ZooactiveError):
        return "content", None


def written_again(result: Path, *, by: str) -> None:
    """Note beside a result that a later command wrote some of its files anew, if these were noted before."""
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


def _beside(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder.absolute())).as_posix()
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
    """Return what a result was made of, by what `how_of` read; what is damaged is left out."""
    found, listed = [], how.get("from")
    for entry in listed if isinstance(listed, list) else []:
        try:
            found.append(Source(**entry))
        except TypeError:
            continue
    return found
