"""A model as one file: a zip of its folder, on this machine or at a URL with a checksum."""

from __future__ import annotations

import hashlib
import re
import stat
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from zooactive.foundation.addresses import cache_folder
from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.reading import open_regular
from zooactive.foundation.writing import aside, write_json
from zooactive.models.published.origin import CARD, CONFIG, RECORD, Origin

ABOUT = "model.json"
FILES = ("encoder.npz", "head.npz", "scale.npz", CARD, CONFIG, ABOUT)
"""The files of a model; the last one shows that all are there."""

_LARGEST = 1 << 32
_LARGEST_PACKED, _RATIO = 1 << 27, 4  # weights do not shrink by packing
_MOST_ENTRIES = 10_000
_AT_ONCE = 1 << 20
_PATIENCE = 60
_DIGEST = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)


def is_archive(path: Path) -> bool:
    """Return whether a path is a zip: its name has that ending, and it is not a folder."""
    return path.suffix.lower() == ".zip" and not path.is_dir()


def unpack(path: Path) -> Path:
    """Unpack a model's zip into the cache and return the folder; a zip that was unpacked before is not unpacked again.

    Raise a ModelError if there is no such file, it is not a zip of one model, or it would unpack to far more than it holds.
    """
    missing = explained(ModelError, f"there is no file {path}; give a zip of a model's folder", FileNotFoundError)
    unreadable = explained(ModelError, f"{path} cannot be read ({{reason}}); give a zip of a model's folder", OSError)
    with unreadable, missing, open_regular(path) as stream:
        digest = _copied(stream, None)
    return _unpacked(path, digest, path.name, path)


def fetch_archive(address: str) -> Path:
    """Fetch a model's zip from a URL with a checksum, and return the folder that it is unpacked into.

    Nothing is fetched if a zip with this checksum was unpacked before. Raise a ModelError if there is no checksum, the file
    has another one, or the file cannot be fetched.
    """
    place, _, fragment = address.partition("#")
    shown = _without_secrets(place)
    said = _DIGEST.fullmatch(fragment)
    if said is None:
        raise ModelError(
            f"{shown} is at an address, so its checksum is needed; add #sha256= and the 64 digits that its publisher gives"
        )
    digest = said[1].lower()
    folder = _folder(digest)
    if (folder / ABOUT).is_file():
        return folder
    target = folder.with_suffix(".zip")
    mend = "check the address and the network, and run the same command again"
    unreachable = explained(ModelError, f"{shown} cannot be fetched ({{reason}}); {mend}")
    with aside(target) as temporary:
        with unreachable, urllib.request.urlopen(place, timeout=_PATIENCE) as stream, temporary.open("wb") as kept:
            found = _copied(stream, kept)
        if found != digest:
            raise ModelError(f"{shown} has the checksum {found}, but {digest} was expected; it is another file, or damaged")
    try:
        return _unpacked(target, digest, shown, shown)
    finally:
        target.unlink(missing_ok=True)


def pack(folder: Path, names: Sequence[str], target: Path) -> str:
    """Write files of a folder as a zip with reproducible bytes, and return its SHA-256."""
    with aside(target) as temporary:
        with zipfile.ZipFile(temporary, "w") as packed:
            for name in names:
                with (
                    open_regular(folder / name) as stream,
                    packed.open(zipfile.ZipInfo(name), "w", force_zip64=True) as kept,
                ):
                    _copied(stream, kept)
        with open_regular(temporary) as stream:
            return _copied(stream, None)


def _folder(digest: str) -> Path:
    return cache_folder() / "models" / digest[:32]


def _without_secrets(address: str) -> str:
    """Return a URL without name, password and query, which may contain a signature."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _copied(source: IO[bytes], target: IO[bytes] | None, most: int = _LARGEST) -> str:
    """Copy a stream into another, and return its SHA-256; raise an OSError if it has more than `most` bytes."""
    digest, left = hashlib.sha256(), most
    while block := source.read(_AT_ONCE):
        left -= len(block)
        if left < 0:
            raise OSError(f"it has more than {most} bytes")
        digest.update(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest()


def _unpacked(path: Path, digest: str, source: str, shown: Path | str) -> Path:
    folder = _folder(digest)
    if (folder / ABOUT).is_file():
        return folder
    hostile = explained(ModelError, f"{shown} is not a zip of a model ({{reason}}); pack the folder of a saved model")
    with hostile, open_regular(path) as stream, zipfile.ZipFile(stream) as packed:
        members = _members(packed, path.stat().st_size)
        write_json(folder / RECORD, Origin(source[:300], f"sha256:{digest}").to_dict())
        for name in (name for name in FILES if name in members):
            with packed.open(members[name]) as entry, aside(folder / name) as temporary, temporary.open("wb") as kept:
                _copied(entry, kept, members[name].file_size)
    return folder


def _members(packed: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries that are a model's files by name; raise a ValueError for a zip that is malicious or damaged."""
    entries = packed.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise ValueError(f"{len(entries)} entries")
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/"))
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if (
            parts.is_absolute()
            or ".." in parts.parts
            or ":" in entry.filename
            or kind not in (0, stat.S_IFREG, stat.S_IFDIR)
        ):
            raise ValueError(f"'{entry.filename[:80]}' would lie outside its folder, or is no file")
    places = [PurePosixPath(entry.filename).parent for entry in entries if PurePosixPath(entry.filename).name == ABOUT]
    if len(places) != 1:
        raise ValueError(f"{len(places)} files {ABOUT} instead of one")
    inside = [entry for entry in entries if PurePosixPath(entry.filename).parent == places[0] and not entry.is_dir()]
    found = {PurePosixPath(entry.filename).name: entry for entry in inside}
    kept = {name: found[name] for name in FILES if name in found}
    if len(found) < len(inside):
        raise ValueError("two of its files have the same name")
    total = sum(entry.file_size for entry in kept.values())
    if total > max(_LARGEST_PACKED, _RATIO * size):
        raise ValueError(f"{size} bytes that unpack to {total}")
    return kept
