"""Convert files of older versions to the formats of this version, if they hold everything that it needs."""

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
    """A kind of JSON file that declares the number of its format.

    Parameters
    ----------
    name : str
        The end of the file's name.
    holds : str
        What the file holds, in words for people.
    known : int
        The latest number.
    since : int
        The first number from which files lack nothing but the number: such files can be converted to the latest format.
    lacks : str
        What older files lack and cannot be given.
    """

    name: str
    holds: str
    known: int
    since: int
    lacks: str = ""


@dataclass(frozen=True)
class Migrated:
    """A file that declares the number of its format, and what was done with it.

    Parameters
    ----------
    file : Path
    holds : str
    found, known : int
        The number that it declares (0: none), and the latest number.
    said : str
        "current", "migrated", "would be migrated", or why it cannot be migrated.
    """

    file: Path
    holds: str
    found: int
    known: int
    said: str


def kinds() -> tuple[Kind, ...]:
    """Return the kinds of files that `migrate` looks for."""
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
            "it has no checksums of its images and table, and they cannot be added now; it can be read as it is, and new "
            "folders have checksums",
        ),
        Kind(
            "state.json",
            "a training",
            2,
            2,
            "it has no checksums of its images, and they cannot be added now; a finished run can be read as it is",
        ),
    )


def migrate(path: str | Path, *, write: bool = True) -> list[Migrated]:
    """Convert the files of older versions in a folder to the formats of this version.

    A file is written under another name and then renamed. What it lacked is added, and nothing else changes: the model, the
    predictions or the rounds stay the same.

    Parameters
    ----------
    path : path
        A file, or a folder and everything below it.
    write : bool
        Whether files are written. If not, only what would be done is returned.

    Returns
    -------
    list of Migrated
        One for each file that declares a number.

    Raises
    ------
    WorkspaceError
        If nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise WorkspaceError(f"{path} does not exist; give a folder of results")
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
        said = f"format = {number!r} is not the number of a format; restore the file from a copy"
        return Migrated(file, kind.holds, 0, kind.known, said)
    if kind.name == "finetuned.json" and values.get("kind") == "number":
        return Migrated(file, kind.holds, number, 2, "current" if number >= 2 else "fine-tune the task again")
    said = "current"
    if number > kind.known:
        said = "a newer version of zooactive wrote it; install that version"
    elif number < kind.since:
        said = kind.lacks
    elif number < kind.known:
        said = "migrated" if write else "would be migrated"
        if write:
            write_json(file, {"format": kind.known, **{name: value for name, value in values.items() if name != "format"}})
    return Migrated(file, kind.holds, number, kind.known, said)
