"""The origin of the weights that a model started from, and the licence under which they were published."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zooactive.foundation.catalogs import catalogs_folder
from zooactive.foundation.parsing import read_object
from zooactive.foundation.reading import read_text
from zooactive.foundation.spelling import for_terminal
from zooactive.models.published.names import IMAGENET

CARD, CONFIG, RECORD = "README.md", "config.json", "origin.json"
"""The card and the description of a repository, and the note next to an unpacked zip."""

_MOST_CARD = 1 << 20
_LONGEST = 300
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY = r"^{name}:[ \t]*(?:\n?[ \t]*-[ \t]+)?[\"']?([\w.+ -]{{1,60}}?)[\"']?[ \t]*$"
_LICENCE = re.compile(r"[\w.+-][\w.+ -]{0,59}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """The weights that a model started from, with their version and licence.

    Parameters
    ----------
    source : str
        For example "hf://mwalmsley/zoobot-encoder-convnext_nano", "bundled", "imagenet" or the name of a file.
    revision : str, optional
        The version of the source: a commit, or the checksum of a file.
    licence : str, optional
        The licence that its card states, or None if it is not known.
    """

    source: str
    revision: str | None = None
    licence: str | None = None

    def __str__(self) -> str:
        return f"{self.source}, licence {self.licence or 'not stated'}"

    def to_dict(self) -> dict[str, str | None]:
        """Return the origin as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Origin:
        """Make an origin from plain values; raise a ValueError if they are not an origin."""
        source, revision, licence = (_text(values.get(name)) for name in ("source", "revision", "licence"))
        if source is None:
            raise ValueError("origin has no source")
        return cls(source, revision, licence)


def origin_in(folder: Path) -> Origin | None:
    """Return the origin of a folder's files: the hub, a zip, or the author of its card; None if it is not known."""
    if folder == catalogs_folder() / "encoder":
        return Origin("bundled", None, "bsd-3-clause")
    licence = licence_in(folder)
    repository, marker, commit = folder.parts[-3:] if len(folder.parts) > 2 else ("", "", "")
    kind, *name = repository.split("--")
    if marker == "snapshots" and kind == "models" and len(name) == 2:  # the layout of huggingface_hub's cache
        return Origin(f"hf://{'/'.join(name)}", commit, licence)
    try:
        noted = Origin.from_dict(read_object(folder / RECORD))
    except (OSError, ValueError):
        return None if licence is None else Origin(folder.absolute().name, None, licence)
    return Origin(noted.source, noted.revision, licence)


def was_fetched(folder: Path) -> bool:
    """Return whether a folder is in a cache, where nothing may be written."""
    found = origin_in(folder)
    return found is not None and (found.source.startswith("hf://") or (folder / RECORD).is_file())


def name_of(folder: Path) -> str | None:
    """Return the name under which a repository in the hub's cache was fetched, or None for another folder."""
    found = origin_in(folder) if "snapshots" in folder.parts else None
    return None if found is None or found.revision is None else f"{found.source}@{found.revision}"


def origin_of_weights(weights: str | Path) -> Origin:
    """Return the origin of published weights: "imagenet", a file, or the folder of a repository."""
    if str(weights) == IMAGENET:
        return Origin(IMAGENET, None, "apache-2.0")
    path = Path(weights)
    folder = path if path.is_dir() else path.parent
    found = origin_in(folder)
    if found is not None and found.source.startswith("hf://"):
        return found
    return Origin(path.name, None, None if found is None else found.licence)


def licence_in(folder: Path) -> str | None:
    """Return the licence that a repository's card or config.json states, or None if neither states one."""
    try:
        front = _FRONT.match(read_text(folder / CARD, most=_MOST_CARD))
    except (OSError, ValueError):
        front = None
    said = None if front is None else _entry(front[1], "license")
    if said == "other" and front is not None:
        said = _entry(front[1], "license_name") or said
    if said is None:
        try:
            said = read_object(folder / CONFIG).get("license")
        except (OSError, ValueError):
            return None
    return said if isinstance(said, str) and _LICENCE.fullmatch(said) else None


def _text(value: object) -> str | None:
    if value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST and for_terminal(value) == value):
        return value
    raise ValueError("source, revision or licence of origin is not a short text")


def _entry(front: str, name: str) -> str | None:
    """Return an entry of a card's front matter, or the first item if it is a list."""
    found = re.search(_ENTRY.format(name=name), front, re.MULTILINE | re.ASCII)
    return None if found is None else found[1].strip()
