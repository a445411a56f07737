"""Files with votes, recognised by their headers: classification exports, reductions, and tables of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pandas as pd

from zooactive.catalogue.set_aside import MAX_SET_ASIDE
from zooactive.foundation.errors import CatalogueError
from zooactive.labels.classifications import Dropped, read_export
from zooactive.labels.count_tables import read_counts
from zooactive.labels.ledger import Ledger
from zooactive.labels.reductions import read_reductions
from zooactive.labels.rows import rows_of
from zooactive.labels.subject_export import SubjectExport
from zooactive.labels.wording import Wording, load_wording
from zooactive.tree import DecisionTree, load_tree

_BINARY = (".parquet", ".pq", ".fits", ".fit", ".xml", ".vot")  # tables without a header line of text


class Kind(Enum):
    """The kind of a file with votes."""

    EXPORT = "a classification export"
    REDUCTION = "a reduction"
    TABLE = "a table of counts"


def kind_of(path: str | Path) -> Kind:
    """Return the kind of a file by its header.

    Raises
    ------
    CatalogueError
        When the file cannot be read, or has no votes to count, such as a subject export or an extraction.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() in _BINARY:
        return Kind.TABLE
    rows = rows_of(path, "an export, a reduction or a table of counts", lambda reason, where: None)
    _, columns = next(rows)
    rows.close()
    header = set(columns)
    if {"subject_id", "extractor"} <= header:
        raise CatalogueError(f"{path} is an extraction of panoptes-aggregation, which has no counts; give its reduction")
    if "classification_id" in header:
        return Kind.EXPORT
    if {"subject_id", "task"} <= header:
        return Kind.REDUCTION
    if {"subject_id", "metadata"} <= header:
        raise CatalogueError(f"{path} is a subject export, which has no votes; give it as --subjects")
    return Kind.TABLE


@dataclass(frozen=True)
class VoteSources:
    """Files of one kind and everything needed to read them, made by `find_sources`."""

    files: tuple[Path, ...]
    kind: Kind
    tree: DecisionTree
    wording: Wording | None
    subjects: Path | None

    def count(
        self,
        ledger: str | Path,
        dropped: Dropped,
        *,
        id_column: str | None = None,
        max_set_aside: float = MAX_SET_ASIDE,
    ) -> tuple[pd.DataFrame, str]:
        """Count the votes, and return them with a line that says how many were counted.

        Parameters
        ----------
        ledger : path
            The folder that keeps the classifications of exports. Totals are not kept.
        dropped : Dropped
        id_column : str, optional
            The id column of tables of counts.
        max_set_aside : float
            For tables of counts, the largest share of rows that may contradict themselves.

        Returns
        -------
        votes : DataFrame
            A table as from `Ledger.votes`.
        said : str
        """
        if self.kind is Kind.TABLE:
            votes = read_counts(self.files, self.tree, dropped, id_column=id_column, max_set_aside=max_set_aside)
            return votes, _in_all(votes, self.tree)
        assert self.wording is not None
        if self.kind is Kind.REDUCTION:
            assert self.subjects is not None
            subjects = SubjectExport(self.subjects, self.wording, dropped)
            votes = read_reductions(self.files, self.wording, subjects, dropped)
            return votes, _in_all(votes, self.tree)
        kept, new, known = Ledger(ledger, self.tree), 0, 0
        for file in self.files:
            merged = kept.merge(read_export(file, self.wording, dropped), self.wording)
            new, known = new + merged.new, known + merged.known
        votes, counted = kept.count(dropped)
        return votes, f"{new} new classifications, {known} known before; {counted} in all count"


def find_sources(
    files: Sequence[str | Path],
    *,
    wording: str | Path | None = None,
    tree: str | Path | None = None,
    subjects: str | Path | None = None,
) -> VoteSources:
    """Recognise the kind of the files, and load the wording, tree and subjects needed to read them.

    Parameters
    ----------
    files : sequence of path
        Files of one kind. For totals, put the newest last.
    wording : path, optional
        The workflow's wording of the tree, needed for exports and reductions.
    tree : str or path, optional
        The tree, needed for tables of counts.
    subjects : path, optional
        The subject export, needed for reductions.

    Raises
    ------
    CatalogueError
        When the files are of several kinds, or something that their kind needs is missing, or something is given that their
        kind does not need.
    """
    paths = tuple(Path(file) for file in files)
    kinds = [kind_of(path) for path in paths]
    kind = kinds[0]
    for path, other in zip(paths, kinds, strict=True):
        if other is not kind:
            raise CatalogueError(
                f"{paths[0]} is {kind.value} and {path} is {other.value}; both may count the same people; give files of one "
                "kind, and add votes of other people with --catalogue"
            )
    _check_needs(paths[0], kind, wording is not None, tree is not None, subjects is not None)
    if kind is Kind.TABLE:
        assert tree is not None
        return VoteSources(paths, kind, load_tree(tree), None, None)
    assert wording is not None
    words = load_wording(wording)
    return VoteSources(paths, kind, words.tree, words, None if subjects is None else Path(subjects))


def _check_needs(path: Path, kind: Kind, wording: bool, tree: bool, subjects: bool) -> None:
    """Raise a CatalogueError if a file's kind needs something that is missing, or does not need something given."""
    if kind is Kind.TABLE and not tree:
        raise CatalogueError(
            f"{path} has no column classification_id, as an export has, and no subject_id and task, as a reduction has; if "
            "it is a table of counts, give --tree instead of --wording"
        )
    if kind is not Kind.TABLE and not wording:
        raise CatalogueError(f"{path} is {kind.value}, which needs the workflow's wording of the tree; give --wording")
    if kind is Kind.REDUCTION and not subjects:
        raise CatalogueError(f"{path} is a reduction, which does not say what its subjects show; give --subjects")
    if kind is not Kind.REDUCTION and subjects:
        raise CatalogueError(f"{path} is {kind.value}, which names its galaxies itself; leave out --subjects")


def _in_all(votes: pd.DataFrame, tree: DecisionTree) -> str:
    return f"{votes[list(tree.columns)].to_numpy().sum():.15g} votes count"
