"""Marks of the inputs of a prediction run, by which a second run into the same folder recognises changes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.catalogue import Catalogue
from zooactive.catalogue.band_files import BandFiles
from zooactive.catalogue.images import ImageSource, NoImage
from zooactive.catalogue.stored_images import StoredImage
from zooactive.foundation.addresses import RemoteImage

if TYPE_CHECKING:
    import pandas as pd

LENGTH = 4
"""The number of letters of an image's mark, 24 bits. Each part stores the marks of its galaxies; one changed image in 17
million keeps its mark by chance."""


def image_mark(source: ImageSource) -> str:
    """Return a mark of an image without reading it: from its file's name, size and time of change, its bytes or its URL.

    For an image in a Parquet file, that file's time of change and the image's position are used instead of the bytes.
    """
    if isinstance(source, RemoteImage):  # reading it would download the whole survey
        return short_mark(source.address)
    if isinstance(source, StoredImage):
        return short_mark(f"{source.column.file.name}|{source.column.changed}|{source.group}|{source.index}")
    if isinstance(source, bytes):
        return short_mark(source)
    if source is None or isinstance(source, NoImage):
        return short_mark("")
    if isinstance(source, BandFiles):
        marks = [image_mark(file) for file in source.paths]
        there = all(mark != unseen_mark(file) for file, mark in zip(source.paths, marks, strict=True))
        return short_mark("".join(marks)) if there else unseen_mark(source) or ""
    try:
        file = source.stat()
    except (OSError, ValueError):  # no file, or an impossible name
        return short_mark(source.name)
    return short_mark(f"{source.name}|{file.st_size}|{file.st_mtime_ns}")


def unseen_mark(source: ImageSource) -> str | None:
    """Return the mark of a missing file (also of one of several files); None if the image is not a file."""
    if isinstance(source, BandFiles):
        return short_mark(str(source))
    return short_mark(source.name) if isinstance(source, Path) else None


def short_mark(content: str | bytes) -> str:
    """Return a hash of something with `LENGTH` letters."""
    content = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    return b64encode(blake2b(content, digest_size=3).digest()).decode()


def marks_of(catalogue: Catalogue, columns: Iterable[str]) -> dict[str, Any]:
    """Return marks of a run's galaxies, of the fields that their images show, and of each passed column."""
    fields = catalogue.field_crops
    return {
        "galaxies": _hash("\n".join(catalogue.ids).encode()),
        "fields": None if fields is None else _hash(np.ascontiguousarray(fields, dtype="<f8").tobytes()),
        "columns": {name: _column_mark(catalogue.table[name]) for name in columns},
    }


def _column_mark(column: pd.Series[Any]) -> str:
    values = column.to_numpy()
    if values.dtype.kind in "biufmM":
        return _hash(values.dtype.str.encode() + np.ascontiguousarray(values).tobytes())
    return _hash("\x1f".join(map(str, values)).encode(errors="surrogateescape"))


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def what_is_other(then: Mapping[str, Any], now: Mapping[str, Any], settings: Sequence[str]) -> list[str]:
    """Return descriptions of the differences between two journals; marks are compared if both have them."""
    other = [] if then.get("model") == now["model"] else ["another model"]
    other += [f"another {name} ({then.get(name)} then, {now[name]} now)" for name in settings if then.get(name) != now[name]]
    if not other and then.get("head", now["head"]) != now["head"]:
        other.append("draws of another fit")
    marks: Mapping[str, Any] = then.get("marks") or now["marks"]
    same_rows = marks["galaxies"] == now["marks"]["galaxies"]
    if not same_rows:
        other.append("other galaxies or another order of them")
    if same_rows and marks["fields"] != now["marks"]["fields"]:
        other.append("other fields of the images")
    columns, before = now["marks"]["columns"], marks["columns"]
    for name in dict.fromkeys([*columns, *before]):
        if name not in before:
            other.append(f"other columns ('{name}' is new)")
        elif name not in columns:
            other.append(f"other columns ('{name}' is gone)")
        elif same_rows and before[name] != columns[name]:
            other.append(f"other values of column '{name}'")
    return other
