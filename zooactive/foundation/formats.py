"""What zooactive writes declares the number of its form, so that an older version says that it is too old to read it."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import ZooactiveError

SHARDS = 2
"""Of shards: 2 has the marks of its images in each part and no longer in the run's name; before 1 no number was written."""

RESULTS = 1
"""Of how.json, and of the tables that it lies beside: selections, plans, votes, catalogues, evaluations."""

FITS_KEY, VOTABLE_KEY = "ZOOFORM", "zooactive_format"
"""Where tables of results as FITS (a header entry) and as VOTable (an INFO of the table) declare it."""


def refuse_future(path: Path, found: object, known: int, error: type[ZooactiveError]) -> None:
    """Raise `error` unless the form that a file declares is known to this version.

    Parameters
    ----------
    path : Path
        The file or folder.
    found : object
        The number that it declares.
    known : int
        The latest number that this version writes.
    error : type of ZooactiveError
    """
    if type(found) is not int or found < 0:
        raise error(f"{path}: format = {found!r} is no number of a format; the file is damaged: restore it from a copy")
    if found > known:
        raise error(
            f"{path} has format {found}, and this version of zooactive knows up to {known}; install a newer zooactive"
        )
