"""A folder of Parquet parts; if a run is interrupted, the same call finishes it.

The metadata of each part say to which run it belongs and which of its images failed. A run may keep a journal next to them.
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
    """Return the parts in a folder, in the order of their rows."""
    return sorted(folder.glob("part-*.parquet"))


JOURNAL_FORMAT = 3
"""The format of folders with a journal. Format 3 has marks of images and table; before it no number was written."""


def read_journal(folder: Path) -> dict[str, Any] | None:
    """Return the journal of a folder of parts, or None if there is no journal.

    Raises
    ------
    PosteriorError
        If the journal is damaged, or a newer zooactive wrote it.
    """
    bring(folder)
    path = folder / "journal.json"
    said = (
        f"{path} is damaged ({{reason}}), so it is not known to which run the parts next to it belong; restore it from a "
        "copy, or delete the folder and run the same command again"
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
    """Raise `error` if a part in a folder belongs to another run, or to no run."""
    for number, part in numbered_parts(folder):
        said = about(part)
        if number is None or number >= parts or said.get("part", number) != number or said.get("fingerprint") != fingerprint:
            raise error(f"{part} does not belong to the run in this folder; move it away and run the same command again")


def numbered_parts(folder: Path) -> list[tuple[int | None, Path]]:
    """Return the parts of a folder with the number in each one's name; None for a name without a number."""
    names = ((part, part.stem.removeprefix("part-")) for part in parts_in(folder))
    return [(int(name) if name.isdecimal() and name == f"{int(name):05d}" else None, part) for part, name in names]


@dataclass(frozen=True)
class Failed:
    """The number of galaxies in a run that have no result, and what a user needs to know about them.

    Parameters
    ----------
    number, galaxies : int
        How many galaxies failed, and how many there are.
    passing : int
        How many of them failed for reasons that may pass, such as a server that does not answer.
    path, reason : str
        The path and the reason of one of them; empty if none failed.
    listed : Path
        The file that lists all of them.

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
        """The share of the galaxies that failed."""
        return self.number / self.galaxies if self.galaxies else 0.0

    def too_many(self, most: float = MOST_FAILED) -> bool:
        """Return whether a larger share than this failed."""
        return self.share > most

    def told(self, most: float, again: str) -> str:
        """Return a sentence about how many failed and whether these are too many; `again` says how to read them again."""
        if not self.too_many(most):
            listed = f"{self.listed} names each with the reason"
            images = "1 image" if self.number == 1 else f"{self.number} images"
            return f"{images} could not be used; {listed}; to try again, {again}"
        return f"{self}; more than the {100 * most:.3g}% that may fail, so this survey is incomplete: fix it, and {again}"

    def __str__(self) -> str:
        such = f"{self.path}: {self.reason}" if self.path and self.path not in self.reason else self.reason
        number = f"{self.number} of {self.galaxies} galaxies ({100 * self.share:.3g}%)"
        return f"{number} failed, such as {such}; {self.listed} names each with the reason"


@dataclass(frozen=True)
class PartsFolder:
    """The folder with the parts of one run, and the rows of each part.

    It can be pickled: on another machine, a folder that stands for a URL becomes the folder that stands for that URL there.

    Parameters
    ----------
    folder : Path
    rows : int
        The number of rows in the whole run.
    rows_per_part : int
        The number of rows that an interruption can cost.
    about : callable
        Reads the metadata of a part: its run's ``fingerprint`` and its ``failures``, each with id, path, reason and
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
        """Return the rows of a part, including those that failed."""
        return range(self.rows)[part * self.rows_per_part : (part + 1) * self.rows_per_part]

    def path(self, part: int) -> Path:
        """Return the path of a part when it is finished."""
        return self.folder / f"part-{part:05d}.parquet"

    def arrived(self, part: int) -> Path:
        """Return the path of a part that any worker has finished; it is fetched if the folder stands for a URL."""
        fetch(self.path(part))
        return self.path(part)

    def when_stopped(self) -> str:
        """Return a sentence about what is kept of the run if it is stopped now, and what will be repeated."""
        kept = sum(len(self.rows_of(part)) for part in range(self.parts) if self.path(part).exists())
        if not kept:
            first = min(self.rows, self.rows_per_part)
            return f"nothing is kept in {self.folder} before its first {first:,} galaxies; run it again to start over"
        return f"{kept:,} of {self.rows:,} galaxies are kept in {self.folder}; run it again to resume"

    def enter(self, fingerprint: str, another_run: ZooactiveError) -> None:
        """Raise `another_run` if the folder holds another run; remove incomplete files that killed runs left.

        Raises
        ------
        ZooactiveError
            Of the type of `another_run` if a part belongs to another run than the others; a PosteriorError if the journal is
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
        """Write the journal of the run into its folder."""
        write_json(self.folder / "journal.json", journal)

    def write_failures(self) -> pd.DataFrame:
        """Write the failures of all parts to ``failures.parquet``, and return them: id, path, reason, kind."""
        import pandas as pd

        there = [self.path(part) for part in range(self.parts) if self.path(part).exists()]
        rows = [{"kind": "", **row} for part in there for row in self.about(part)["failures"]]  # older parts have no kind
        table = pd.DataFrame(rows, columns=["id", "path", "reason", "kind"]).astype("str")
        with aside(self.folder / "failures.parquet") as temporary:
            table.to_parquet(temporary, index=False)
        return table


def _restored(
    place: str | Path, owner: str | None, rows: int, rows_per_part: int, about: Callable[[Path], Mapping[str, Any]]
) -> PartsFolder:
    return PartsFolder(folder_here(place, owner=owner), rows, rows_per_part, about)


def failed_of(failures: pd.DataFrame, galaxies: int, folder: Path) -> Failed:
    """Summarise the table of `PartsFolder.write_failures` for a run with this number of galaxies."""
    listed = folder / "failures.parquet"
    if not len(failures):
        return Failed(0, galaxies, 0, "", "", listed)
    first = failures.iloc[0]
    passing = int((failures["kind"] == "transient").sum()) if "kind" in failures else 0
    return Failed(len(failures), galaxies, passing, str(first["path"]), str(first["reason"]), listed)


class Tally:
    """A counter of the images that are done and those that failed, which stops a hopeless run.

    Parameters
    ----------
    folder : PartsFolder
    max_failures : int or None
        The number of images that may fail; None for no limit.
    progress : callable or None
        Called with the number of images done.
    hopeless : str
        The message of the ImageError if more images failed; ``{failed}``, ``{done}``, ``{allowed}`` and ``{first}``, the
        first reason, are replaced.
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
        if progress is not None and self.done:  # reported at once, so that it does not count as pace
            progress(self.done)
        return parts

    def find(self, part: int) -> None:
        """Count a part that is already there, whoever wrote it."""
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
