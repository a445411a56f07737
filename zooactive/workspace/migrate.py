"""Files of older versions brought to the forms of this one, where all that they would have to say is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zooactive.foundation.errors import WorkspaceError, ZooactiveError
from zooactive.foundation.formats import RESULTS
from zooactive.foundation.parsing import read_object
from zooactive.foundation.parts_folder import JOURNAL_FORMAT
from zooactive.foundation.writing import write_json


@dataclass(frozen=True)
class Kind:
    """A kind of file that declares a number, as JSON.

    Parameters
    ----------
    name : str
        The end of the file's name.
    holds : str
        What lies there, for people.
    known : int
        The latest number.
    since : int
        The first number from which on nothing but the number is missing: such files are brought to the latest.
    lacks : str
        What older ones cannot be given.
    """

    name: str
    holds: str
    known: int
    since: int
    lacks: str = ""


@dataclass(frozen=True)
class Migrated:
    """A file that declares the number of its form, and what becomes of it.

    Parameters
    ----------
    file : Path
    holds : str
    found, known : int
        The number that it declares (0: none), and the latest one.
    said : str
        "current", "migrated", "would be migrated", or why it stays as it is.
    """

    file: Path
    holds: str
    found: int
    known: int
    said: str


def kinds() -> tuple[Kind, ...]:
    """Return the kinds of files that are looked for."""
    return (
        Kind("how.json", "how a result was made", RESULTS, 0),
        Kind("finetuned.json", "a fine-tuned task", 1, 0),
        Kind("loop.json", "rounds with volunteers", 1, 0),
        Kind("cutouts.json", "fetched cutouts", 1, 0),
        Kind(
            "journal.json",
            "predictions",
            JOURNAL_FORMAT,
            JOURNAL_FORMAT,
            "it keeps no marks of its images and table, and nobody can tell now what these were; it is read as it is, and a "
            "new folder has them",
        ),
        Kind(
            "state.json",
            "a training",
            2,
            2,
            "it keeps no marks of what its images held, and nobody can tell now; a run that is finished is read as it is",
        ),
    )


def migrate(path: str | Path, *, write: bool = True) -> list[Migrated]:
    """Bring the files of older versions in a folder to the forms of this one.

    A file is written aside and renamed. What it lacked is added and nothing else changes: the model, the predictions or the
    rounds are the same.

    Parameters
    ----------
    path : path
        A file, or a folder, with all below it.
    write : bool
        Whether files are written; else what would be done is returned.

    Returns
    -------
    list of Migrated
        One for each file that declares a number.

    Raises
    ------
    WorkspaceError
        When nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise WorkspaceError(f"{path} is not there; give a folder of results")
    found = []
    for file in [path] if path.is_file() else sorted(path.rglob("*.json")):
        kind = next((kind for kind in kinds() if file.name == kind.name or file.name.endswith(f".{kind.name}")), None)
        if kind is not None:
            found.append(_migrated(file, kind, write))
    return found


def _migrated(file: Path, kind: Kind, write: bool) -> Migrated:
    try:
        values = read_object(file)
    except (OSError, ValueError, ZooactiveError) as error:
        return Migrated(file, kind.holds, 0, kind.known, f"it is damaged ({error}); restore it from a copy")
    number = values.get("format", 0)
    if type(number) is not int or number < 0:
        said = f"format = {number!r} is no number of a format; restore it from a copy"
        return Migrated(file, kind.holds, 0, kind.known, said)
    if kind.name == "finetuned.json" and values.get("kind") == "number":
        return Migrated(file, kind.holds, number, 2, "current" if number >= 2 else "learn the task again")
    said = "current"
    if number > kind.known:
        said = "a newer zooactive wrote it; install that"
    elif number < kind.since:
        said = kind.lacks
    elif number < kind.known:
        said = "migrated" if write else "would be migrated"
        if write:
            write_json(file, {"format": kind.known, **{name: value for name, value in values.items() if name != "format"}})
    return Migrated(file, kind.holds, number, kind.known, said)
