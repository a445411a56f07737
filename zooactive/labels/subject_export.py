"""Which galaxy each subject shows, by a subject export of the Zooniverse.

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
    """Galaxies of the subjects of an export; a subject stands there once for each workflow and subject set that has it.

    Parameters
    ----------
    path : path
        The CSV.
    wording : Wording
        Names the entries of the metadata that hold galaxies' ids.
    dropped : Dropped
        Takes rows that cannot be read.

    Raises
    ------
    CatalogueError
        When the file is missing, or lacks a column.
    """

    def __init__(self, path: str | Path, wording: Wording, dropped: Dropped) -> None:
        # Workflows mostly name the same entries: one dictionary for each choice of entries, not for each workflow.
        self._galaxies: dict[tuple[str, ...], dict[int, str]] = {
            workflow.galaxy: {} for workflow in wording.workflows.values()
        }
        self._unusable: dict[tuple[tuple[str, ...], int], str] = {}
        rows = rows_of(path, _WHAT, lambda reason, where: dropped.entry(f"{reason} of subjects", where))
        _, header = next(rows)
        where = places_of(_COLUMNS, header, path, _WHAT)
        for line, cells in rows:
            try:
                subject = int(cells[where["subject_id"]])
            except ValueError:
                dropped.entry("a subject in the subject export whose id is no number", f"line {line}")
                continue
            self._add(subject, cells[where["metadata"]])

    def galaxy(self, subject: int, names: tuple[str, ...]) -> str:
        """Return the id of the galaxy that a subject shows, by these entries of its metadata.

        Raises
        ------
        Unusable
            When the export does not say; says why.
        """
        reason = self._unusable.get((names, subject))
        if reason is not None:
            raise Unusable(reason)
        try:
            return self._galaxies[names][subject]
        except KeyError as error:
            raise Unusable("a subject that the subject export lacks") from error

    def _add(self, subject: int, text: str) -> None:
        for names, galaxies in self._galaxies.items():
            try:
                galaxy = galaxy_in(from_json(text), names)
                if galaxies.setdefault(subject, galaxy) != galaxy:
                    raise Unusable("a subject that shows two galaxies by the subject export")
            except ValueError:
                self._unusable[names, subject] = "a subject whose metadata is no JSON"
            except Unusable as reason:
                self._unusable[names, subject] = str(reason)
