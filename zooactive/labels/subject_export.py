"""The galaxy that each subject shows, from a subject export of the Zooniverse.

Columns: https://help.zooniverse.org/next-steps/data-exports
"""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.parsing import from_json
from zooactive.labels.classifications import Dropped, Unusable, galaxy_in
from zooactive.labels.rows import places_of, rows_of
from zooactive.labels.wording import Wording

_COLUMNS = ("subject_id", "metadata")
_WHAT = "a subject export of the Zooniverse (Data exports)"


class SubjectExport:
    """The galaxies of the subjects in an export, which lists a subject once for each of its workflows and subject sets.

    Parameters
    ----------
    path : path
        The CSV file.
    wording : Wording
        Names the entries of the metadata that hold galaxies' ids.
    dropped : Dropped
        Counts the rows that cannot be read.

    Raises
    ------
    CatalogueError
        When the file is missing, or lacks a column.
    """

    def __init__(self, path: str | Path, wording: Wording, dropped: Dropped) -> None:
        # Most workflows name the same entries, so there is one dictionary per choice of entries, not per workflow.
        self._galaxies: dict[tuple[str, ...], dict[int, str]] = {
            workflow.galaxy: {} for workflow in wording.workflows.values()
        }
        self._unusable: dict[tuple[tuple[str, ...], int], str] = {}
        rows = rows_of(path, _WHAT, lambda reason, where: dropped.entry(f"{reason} in the subject export", where))
        _, header = next(rows)
        where = places_of(_COLUMNS, header, path, _WHAT)
        for line, cells in rows:
            try:
                subject = int(cells[where["subject_id"]])
            except ValueError:
                dropped.entry("a subject in the subject export whose id is not a number", f"line {line}")
                continue
            self._add(subject, cells[where["metadata"]])

    def galaxy(self, subject: int, names: tuple[str, ...]) -> str:
        """Return the id of the galaxy that a subject shows, by these entries of its metadata.

        Raises
        ------
        Unusable
            When the export does not contain the id; the error says why.
        """
        reason = self._unusable.get((names, subject))
        if reason is not None:
            raise Unusable(reason)
        try:
            return self._galaxies[names][subject]
        except KeyError as error:
            raise Unusable("a subject that is not in the subject export") from error

    def _add(self, subject: int, text: str) -> None:
        for names, galaxies in self._galaxies.items():
            try:
                galaxy = galaxy_in(from_json(text), names)
                if galaxies.setdefault(subject, galaxy) != galaxy:
                    raise Unusable("a subject with two galaxies in the subject export")
            except ValueError:
                self._unusable[names, subject] = "a subject whose metadata is not JSON"
            except Unusable as reason:
                self._unusable[names, subject] = str(reason)
