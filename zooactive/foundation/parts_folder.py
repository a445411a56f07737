"""A folder of Parquet parts, which the same call finishes wherever it was interrupted.

Each part says in its metadata which run it belongs to and which of its images failed. A run may keep a journal beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import ImageError, PosteriorError, ZooactiveError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.metadata import with_about
from zooactive.foundation.parsing import read_object
from zooactive.foundation.remote_folders import bring, fetch, folder_here, remote_of
from zooactive.foundation.telling import Progress
from zooactive.foundation.vocabulary import MOST_FAILED
from zooactive.foundation.writing import aside, remove_leftovers, write_json

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def parts_in(folder: Path) -> list[Path]:
    """Return the parts that lie in a folder, in the order of their rows."""
    return sorted(folder.glob("part-*.parquet"))


JOURNAL_FORMAT = 3
"""Of the folders with a journal: 3 has marks of the images and of the table, before it no number was written."""


def read_journal(folder: Path) -> dict[str, Any] | None:
    """Return what a folder of parts says about its run; None where there is no journal.

    Raises
    ------
    PosteriorError
        When a journal is there that is damaged, or that a newer zooactive wrote.
    """
    bring(folder)
    path = folder / "journal.json"
    said = (
        f"{path} is damaged ({{reason}}), so nobody can tell what the parts beside it are of; restore it from a copy, or "
        "delete the folder and run the same command again"
    )
    with explained(PosteriorError, said, OSError, ValueError):
        try:
            journal = read_object(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not isinstance(journal.get("fingerprint"), str):
            raise ValueError("it names no run")
    refuse_future(path, journal.get("format", 0), JOURNAL_FORMAT, PosteriorError)
    return journal


def refuse_strays(
    folder: Path, parts: int, fingerprint: str, about: Callable[[Path], Mapping[str, Any]], error: type[ZooactiveError]
) -> None:
    """Raise `error` where a part of a folder belongs to another run, or is none of the run's parts."""
    for number, part in numbered_parts(folder):
        said = about(part)
        if number is None or number >= parts or said.get("part", number) != number or said.get("fingerprint") != fingerprint:
            raise error(f"{part} is no part of the run in this folder; move it away and run the same command again")


def numbered_parts(folder: Path) -> list[tuple[int | None, Path]]:
    """Return the parts of a folder with the number that each one's name says; None for a name that says none."""
    names = ((part, part.stem.removeprefix("part-")) for part in parts_in(folder))
    return [(int(name) if name.isdecimal() and name == f"{int(name):05d}" else None, part) for part, name in names]


@dataclass(frozen=True)
class Failed:
    """How many galaxies of a run have no result, and what a person needs to know of them.

    Parameters
    ----------
    number, galaxies : int
        That failed, of all.
    passing : int
        Of those that failed: for reasons that may pass, such as a server that does not answer.
    path, reason : str
        Of one of them; empty where none failed.
    listed : Path
        The file that has all.

    Examples
    --------
    >>> failed = Failed(63, 64, 0, "images/g1.jpg", "the image images/g1.jpg does not exist", Path("failures.parquet"))
    >>> failed.too_many(), failed.too_many(0.99)
    (True, False)
    """

    number: int
    galaxies: int
    passing: int
    path: str
    reason: str
    listed: Path

    @property
    def share(self) -> float:
        """Share of the galaxies that failed."""
        return self.number / self.galaxies if self.galaxies else 0.0

    def too_many(self, most: float = MOST_FAILED) -> bool:
        """Whether a larger share than this failed."""
        return self.share > most

    def told(self, most: float, again: str) -> str:
        """Say how many failed, whether these are too many, and what `again` would read them once more."""
        if not self.too_many(most):
            listed = f"{self.listed} names each with the reason"
            images = "1 image" if self.number == 1 else f"{self.number} images"
            return f"{images} could not be used; {listed}; to try again, {again}"
        return f"{self}; more than the {100 * most:.3g}% that may fail, so this survey is not whole: mend that, and {again}"

    def __str__(self) -> str:
        such = f"{self.path}: {self.reason}" if self.path and self.path not in self.reason else self.reason
        number = f"{self.number} of {self.galaxies} galaxies ({100 * self.share:.3g}%)"
        return f"{number} failed, such as {such}; {self.listed} names each with the reason"


@dataclass(frozen=True)
class PartsFolder:
    """The folder where the parts of one run lie, and which rows each part holds.

    It can be pickled: a folder that stands for an address is, on another machine, what stands for that address there.

    Parameters
    ----------
    folder : Path
    rows : int
        Of the whole run.
    rows_per_part : int
        What an interruption can cost.
    about : callable
        Reads what a part says about itself: its run's ``fingerprint`` and its ``failures``, each with id, path, reason and
        kind, "transient" or "permanent".
    """

    folder: Path
    rows: int
    rows_per_part: int
    about: Callable[[Path], Mapping[str, Any]]

    def __reduce__(self) -> tuple[Any, ...]:
        remote = remote_of(self.folder)
        place, owner = (self.folder, None) if remote is None else (remote.address, remote.owner)
        return _restored, (place, owner, self.rows, self.rows_per_part, self.about)

    @property
    def parts(self) -> int:
        """The number of parts in the run."""
        return -(-self.rows // self.rows_per_part)

    def rows_of(self, part: int) -> range:
        """Return the rows that a part holds, with those that failed."""
        return range(self.rows)[part * self.rows_per_part : (part + 1) * self.rows_per_part]

    def path(self, part: int) -> Path:
        """Return where a part lies when it is finished."""
        return self.folder / f"part-{part:05d}.parquet"

    def arrived(self, part: int) -> Path:
        """Return where a part lies that any worker has finished, fetched where it lies at an address."""
        fetch(self.path(part))
        return self.path(part)

    def when_stopped(self) -> str:
        """Say what is kept of the run, should it be stopped now, and what will be done again."""
        kept = sum(len(self.rows_of(part)) for part in range(self.parts) if self.path(part).exists())
        if not kept:
            first = min(self.rows, self.rows_per_part)
            return f"nothing is kept in {self.folder} before its first {first:,} galaxies; run it again to begin anew"
        return f"{kept:,} of {self.rows:,} galaxies are kept in {self.folder}; run it again to go on from there"

    def enter(self, fingerprint: str, another_run: ZooactiveError) -> None:
        """Raise `another_run` if the folder holds one; remove what killed runs left half-written.

        Raises
        ------
        ZooactiveError
            Of the kind of `another_run` when a part is of another run than the others; a PosteriorError when the journal is
            damaged.
        """
        journal = read_journal(self.folder)
        found = [self.about(part) for part in parts_in(self.folder)] if journal is None else [journal]
        if any(about.get("fingerprint") != fingerprint for about in found):
            raise another_run
        refuse_strays(self.folder, self.parts, fingerprint, self.about, type(another_run))
        remove_leftovers(self.folder)

    def write(self, part: int, table: pa.Table, about: Mapping[str, Any], **layout: Any) -> None:
        """Write a part aside and rename it; `layout` is that of `pyarrow.parquet.write_table`."""
        import pyarrow.parquet as pq

        with aside(self.path(part)) as temporary:
            pq.write_table(with_about(table, about), temporary, **layout)

    def write_journal(self, journal: Mapping[str, Any]) -> None:
        """Write what is known of the run into its folder."""
        write_json(self.folder / "journal.json", journal)

    def write_failures(self) -> pd.DataFrame:
        """Write the failures of all parts to ``failures.parquet``, and return them: id, path, reason, kind."""
        import pandas as pd

        there = [self.path(part) for part in range(self.parts) if self.path(part).exists()]
        rows = [{"kind": "", **row} for part in there for row in self.about(part)["failures"]]  # once no kind was written
        table = pd.DataFrame(rows, columns=["id", "path", "reason", "kind"]).astype("str")
        with aside(self.folder / "failures.parquet") as temporary:
            table.to_parquet(temporary, index=False)
        return table


def _restored(
    place: str | Path, owner: str | None, rows: int, rows_per_part: int, about: Callable[[Path], Mapping[str, Any]]
) -> PartsFolder:
    return PartsFolder(folder_here(place, owner=owner), rows, rows_per_part, about)


def failed_of(failures: pd.DataFrame, galaxies: int, folder: Path) -> Failed:
    """Sum up the table of `PartsFolder.write_failures`, of a run of so many galaxies."""
    listed = folder / "failures.parquet"
    if not len(failures):
        return Failed(0, galaxies, 0, "", "", listed)
    first = failures.iloc[0]
    passing = int((failures["kind"] == "transient").sum()) if "kind" in failures else 0
    return Failed(len(failures), galaxies, passing, str(first["path"]), str(first["reason"]), listed)


class Tally:
    """Counts the images that are done and those that failed, and stops a run that is hopeless.

    Parameters
    ----------
    folder : PartsFolder
    max_failures : int or None
        Images that may fail; None: all.
    progress : callable or None
        Called with the number of images done.
    hopeless : str
        What the ImageError says when more have failed; ``{failed}``, ``{done}``, ``{allowed}`` and ``{first}``, the first
        reason, are filled in.
    """

    def __init__(self, folder: PartsFolder, max_failures: int | None, progress: Progress | None, hopeless: str) -> None:
        self._folder, self._allowed, self._progress, self._hopeless = folder, max_failures, progress, hopeless
        self.done, self.failed, self.first = 0, 0, ""

    def missing(self, again: Collection[int] = ()) -> list[int]:
        """Return the parts that are not there yet, or are to be made `again`, and count the others."""
        parts, progress = [], self._progress
        self._progress = None
        for part in range(self._folder.parts):
            if part not in again and self._folder.path(part).exists():
                self.find(part)
            else:
                parts.append(part)
        self._progress = progress
        if progress is not None and self.done:  # at once: it is no pace
            progress(self.done)
        return parts

    def find(self, part: int) -> None:
        """Count a part that is there, whoever wrote it."""
        reasons = [failure["reason"] for failure in self._folder.about(self._folder.arrived(part))["failures"]]
        self.count(len(self._folder.rows_of(part)), reasons)

    def count(self, done: int, reasons: Sequence[str]) -> None:
        """Count images that are done, with the reasons of those that failed."""
        self.done += done
        self.failed += len(reasons)
        self.first = self.first or next(iter(reasons), "")
        if self._allowed is not None and self.failed > self._allowed:
            raise ImageError(
                self._hopeless.format(failed=self.failed, done=self.done, allowed=self._allowed, first=self.first)
            )
        if self._progress is not None:
            self._progress(self.done)
