"""Where the images lie that a table names by paths, told row by row.

Tables often name images by the path of the machine that they were made on, or by a folder that is the start already. An
image that is not at its path is then looked for by its name alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path, PureWindowsPath

from zooactive.foundation.addresses import is_here

_FEW = 16  # paths in a folder that are looked at one by one, where a list of the folder may be long


def places_of(paths: Collection[str], start: Path) -> dict[str, Path]:
    """Find the image that each path names.

    Parameters
    ----------
    paths : collection of str
        Each once, as a table writes it; a Windows path is understood everywhere.
    start : Path
        The folder that relative paths start from.

    Returns
    -------
    dict of str to Path
        The path itself where something is there. Otherwise the file of that name in `start`, unless several paths would
        find the same one there: nobody knows whose it is. Where nothing is found, the path itself; or that of its name in
        `start` if all that were found are there.
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
    """The last part of a path; the text itself where there is none."""
    if "\\" in text:
        return PureWindowsPath(text.strip()).name or text
    return text.strip().rstrip("/").rpartition("/")[2] or text


def _there(paths: Collection[str]) -> set[str]:
    """Those paths at which something is; a folder of which many are asked is listed once."""
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
    """Names of what lies in a folder; none where it cannot be listed."""
    try:
        with os.scandir(folder) as files:
            return frozenset(file.name for file in files)
    except (OSError, ValueError):
        return frozenset()
