"""The numbers of zooactive's file formats, by which an older version recognises files that it is too old to read."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import ZooactiveError

SHARDS = 2
"""The format of shards. In format 2 each part has the marks of its images; before format 1 no number was written."""

RESULTS = 1
"""The format of how.json, and of the tables next to it: selections, plans, votes, catalogues, evaluations."""

FITS_KEY, VOTABLE_KEY = "ZOOFORM", "zooactive_format"
"""Where tables of results as FITS (a header entry) and as VOTable (an INFO of the table) declare it."""


def refuse_future(path: Path, found: object, known: int, error: type[ZooactiveError]) -> None:
    """Raise `error` unless this version knows the format that a file declares.

    Parameters
    ----------
    path : Path
        The file or folder.
    found : object
        The number that the file declares.
    known : int
        The latest format that this version writes.
    error : type of ZooactiveError
    """
    if type(found) is not int or found < 0:
        raise error(f"{path}: format = {found!r} is not the number of a format; the file is damaged: restore it from a copy")
    if found > known:
        raise error(
            f"{path} has format {found}, but this version of zooactive knows up to {known}; install a newer zooactive"
        )
