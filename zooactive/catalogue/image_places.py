"""Find the images that a table names by paths, row by row.

Tables often name images by paths on the machine where the table was made, or by paths that repeat the start folder. If an
image is not at its path, it is looked for by its file name alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path, PureWindowsPath

from zooactive.foundation.addresses import is_here

_FEW = 16  # with more paths than this in one folder, the folder is listed once instead of checking each path


def places_of(paths: Collection[str], start: Path) -> dict[str, Path]:
    """Find the image that each path names.

    Parameters
    ----------
    paths : collection of str
        Each path once, as the table writes it. A Windows path is understood on every system.
    start : Path
        The folder where relative paths start.

    Returns
    -------
    dict of str to Path
        The path itself if a file is there. Otherwise the file of that name in `start`, unless several paths would find the
        same file there, because then its galaxy is unknown. If nothing is found: the path itself, or the path of its name in
        `start` if all files that were found are there.
    """
    own = {text: start / text.strip() for text in paths}
    here = _there([str(path) for path in own.values()])
    lost = {text: _name(text) for text, path in own.items() if str(path) not in here}
    if not lost:
        return own
    claims = Counter(lost.values())
    folder = str(start / "x")[:-1]
    named = _there([folder + name for name, times in claims.items() if times == 1])
    by_name = {text: start / name for text, name in lost.items() if folder + name in named}
    if by_name and len(lost) == len(own):
        by_name |= {text: start / name for text, name in lost.items() if text not in by_name and claims[name] == 1}
    return own | by_name


def _name(text: str) -> str:
    """Return the last part of a path, or the text itself if it has no parts."""
    if "\\" in text:
        return PureWindowsPath(text.strip()).name or text
    return text.strip().rstrip("/").rpartition("/")[2] or text


def _there(paths: Collection[str]) -> set[str]:
    """Return those paths that exist; a folder with many requested paths is listed only once."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for path in paths:
        folder, slash, name = path.rpartition(os.sep)
        groups.setdefault(folder or slash or ".", []).append((name, path))
    there: set[str] = set()
    for folder, asked in groups.items():
        if len(asked) <= _FEW:
            there.update(path for _, path in asked if is_here(Path(path)))
        else:
            listed = _listed(folder)
            there.update(path for name, path in asked if name in listed)
    return there


def _listed(folder: str) -> frozenset[str]:
    """Return the names of everything in a folder; none if it cannot be listed."""
    try:
        with os.scandir(folder) as files:
            return frozenset(file.name for file in files)
    except (OSError, ValueError):
        return frozenset()
