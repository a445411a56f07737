"""A ledger that holds every classification once: a folder into which exports are merged, and the votes that follow."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue.set_aside import MAX_SET_ASIDE, SetAside
from zooactive.catalogue.tables import GalaxyTable
from zooactive.catalogue.votes import MISSING, doubt_excess, match_columns, numbers_of, refuse_misspelt
from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.locking import held
from zooactive.foundation.parquet import check_parquet
from zooactive.foundation.parsing import from_json
from zooactive.foundation.reading import check_regular
from zooactive.foundation.writing import aside
from zooactive.labels.classifications import Classification, Dropped
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pyarrow as pa

    from zooactive.labels.wording import Wording

_FORMAT = 1
"""The format number of the file of classifications. Files older than number 1 hold no number."""

_AT_ONCE = 50_000
_KEY_LENGTH = 16  # bytes
_MERGE_AGAIN = "delete the folder and merge all exports again"


@dataclass(frozen=True)
class Merged:
    """The result of one merge: the number of new classifications, and of those already there (or twice in the export)."""

    new: int
    known: int


class Ledger:
    """The classifications of one tree in a folder, without volunteers' names.

    Volunteers are stored as keyed hashes. The key is drawn when the folder is made and stays in the folder. The hashes tell
    whether two classifications are by the same person, and nothing more. People who were not logged in have a different name
    in each export: two classifications are by one such person if any export gives them the same name. Names of different
    exports are never compared.

    Parameters
    ----------
    folder : path
    tree : DecisionTree

    Raises
    ------
    CatalogueError
        When the folder holds classifications of another tree.
    """

    def __init__(self, folder: str | Path, tree: DecisionTree) -> None:
        self.folder, self.tree = Path(folder), tree
        self._file, self._key_file = self.folder / "classifications.parquet", self.folder / "key"
        self._worded: dict[str, str] = {}
        if self._file.exists():
            import pyarrow.parquet as pq

            with self._explained():
                check_regular(self._file)
                metadata = pq.read_schema(self._file).metadata
                columns = metadata[b"columns"].decode().split("\n")
                form = int(metadata.get(b"format", 0))
                worded = from_json(metadata.get(b"worded", b"{}"))
                if not isinstance(worded, dict):
                    raise ValueError("the hashes of its wordings are not a mapping")
            refuse_future(self._file, form, _FORMAT, CatalogueError)
            self._worded = worded
            if columns != list(tree.columns):
                raise CatalogueError(
                    f"{self.folder} holds classifications of another tree than '{tree.name}'; give another folder"
                )

    def merge(self, classifications: Iterable[Classification], wording: Wording | None = None) -> Merged:
        """Add the classifications that are not there yet; merging the same export again changes nothing.

        Parameters
        ----------
        classifications : iterable of Classification
            The classifications of one export.
        wording : Wording, optional
            The wording with which they were read. It protects against merging one workflow with two wordings.

        Raises
        ------
        CatalogueError
            When classifications of the same workflow were merged before with another wording.
        OutputError
            When another process is merging into the folder.
        """
        with held(self.folder):
            worded = self._worded | self._marks(wording)
            merged = self._merge(classifications, worded)
            self._worded = worded
            return merged

    def _marks(self, wording: Wording | None) -> dict[str, str]:
        """Return hashes of the workflows' wordings, after a check that no workflow had another wording before."""
        marks = {} if wording is None else {str(number): words.mark() for number, words in wording.workflows.items()}
        other = [number for number, mark in marks.items() if self._worded.get(number, mark) != mark]
        if other:
            raise CatalogueError(
                f"{self.folder} holds classifications of workflow {', '.join(other)} that were read with another wording; "
                f"{_MERGE_AGAIN}, or give another folder"
            )
        return marks

    def _merge(self, classifications: Iterable[Classification], worded: dict[str, str]) -> Merged:
        import pyarrow as pa
        import pyarrow.parquet as pq

        key = self._key()
        this = secrets.token_bytes(_KEY_LENGTH)  # names of this export mean nothing in another one
        parts, batch = [self._table()], list[Classification]()
        anonymous = [np.zeros(len(parts[0]), dtype=bool)]
        for classification in classifications:
            batch.append(classification)
            if len(batch) == _AT_ONCE:
                parts.append(_as_table(batch, key, this))
                anonymous.append(_anonymous(batch))
                batch = []
        parts.append(_as_table(batch, key, this))
        anonymous.append(_anonymous(batch))
        before, met = len(parts[0]), sum(map(len, parts[1:]))
        table = pa.concat_tables(parts)
        identities, said = table["classification"].to_numpy(), table["volunteer"].to_numpy()
        _, first = np.unique(identities, return_index=True)
        volunteers = _one_person_each(identities, said, np.concatenate(anonymous), first, key)[first]
        table = table.take(pa.array(first)).set_column(2, "volunteer", pa.array(volunteers, pa.uint64()))
        nothing_new = len(table) == before and worded == self._worded and np.array_equal(volunteers, said[first])
        if nothing_new and self._file.exists():
            return Merged(0, met)
        with aside(self._file) as temporary:
            about = {"columns": "\n".join(self.tree.columns), "format": str(_FORMAT), "worded": json.dumps(worded)}
            stored = table.replace_schema_metadata(about)
            pq.write_table(stored, temporary, compression="zstd")
        return Merged(len(table) - before, met - (len(table) - before))

    def votes(self, dropped: Dropped | None = None) -> pd.DataFrame:
        """Count the votes; of several answers by one volunteer about one galaxy, only the first counts.

        This rule applies separately below each root question of the tree, because each workflow may ask another root
        question.

        Returns
        -------
        DataFrame
            ``id``, one column per answer of the tree, and ``volunteers``, the number of people counted. Sorted by id.
        """
        return self.count(dropped)[0]

    def count(self, dropped: Dropped | None = None) -> tuple[pd.DataFrame, int]:
        """Return the table of `votes`, and the number of classifications that count."""
        table = self._table()
        names, galaxy = np.unique(table["galaxy"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
        volunteer = table["volunteer"].to_numpy()
        order = np.lexsort((table["classification"].to_numpy(), table["at"].to_numpy(), volunteer, galaxy))
        answers = table["answers"].combine_chunks()
        of_row, columns = (
            np.repeat(np.arange(len(galaxy)), np.diff(answers.offsets.to_numpy())),
            answers.flatten().to_numpy(),
        )
        root = _roots(self.tree)[columns]
        kept = np.ones(len(columns), dtype=bool)
        for question in self.tree.roots:
            here = root == question
            kept[here] = ~_repeats(order, galaxy, volunteer, among=of_row[here])[of_row[here]]
        counted = np.zeros(len(galaxy), dtype=bool)
        counted[of_row[kept]] = True
        if dropped is not None:
            _tell_repeats(dropped, table["classification"], counted, of_row[~kept])
        counts = np.zeros((len(names), len(self.tree.columns)), dtype=np.int64)
        np.add.at(counts, (galaxy[of_row[kept]], columns[kept]), 1)
        votes = pd.DataFrame(counts, columns=list(self.tree.columns))
        votes.insert(0, "id", names)
        people = galaxy[~_repeats(order, galaxy, volunteer, among=np.arange(len(galaxy)))]
        return votes.assign(volunteers=np.bincount(people, minlength=len(names))), int(counted.sum())

    def _key(self) -> bytes:
        if not self._key_file.exists():
            with aside(self._key_file) as temporary:
                temporary.write_bytes(secrets.token_bytes(_KEY_LENGTH))
            self._key_file.chmod(0o600)
        check_regular(self._key_file)
        key = self._key_file.read_bytes()
        if len(key) != _KEY_LENGTH:
            raise CatalogueError(f"{self._key_file} is damaged; restore it from a copy, or {_MERGE_AGAIN}")
        return key

    def _table(self) -> pa.Table:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        empty = _as_table([], b"")
        if not self._file.exists():
            return empty
        with self._explained():
            check_regular(self._file)
            check_parquet(self._file)
            table = pq.read_table(self._file).replace_schema_metadata(None).cast(empty.schema)
            table.validate(full=True)
            answers = pc.list_flatten(table["answers"])
            if any(column.null_count for column in [*table.columns, answers]):
                raise ValueError("cells are blank")
            if len(answers) and not 0 <= pc.min(answers).as_py() <= pc.max(answers).as_py() < len(self.tree.columns):
                raise ValueError("it has answers that the tree does not have")
        return table

    def _explained(self) -> AbstractContextManager[None]:
        """Turn any error of Parquet about damaged bytes into one sentence."""
        return explained(CatalogueError, f"{self._file} is damaged ({{reason}}); restore it from a copy, or {_MERGE_AGAIN}")


def _roots(tree: DecisionTree) -> NDArray[np.int64]:
    """Return, for each column of a tree, the number of the root question above it."""
    roots = np.array(tree.parents)
    for question in tree.order:  # parents first
        roots[question] = question if tree.parents[question] < 0 else roots[tree.parents[question]]
    return np.asarray(roots[tree.question_index], dtype=np.int64)


def _repeats(
    order: NDArray[np.int64], galaxy: NDArray[np.int64], volunteer: NDArray[np.uint64], *, among: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which of some rows repeat another row of the same galaxy and volunteer in the given order, shape (row,)."""
    chosen = np.zeros(len(galaxy), dtype=bool)
    chosen[among] = True
    rows = order[chosen[order]]
    who = volunteer[rows]
    again = (galaxy[rows[1:]] == galaxy[rows[:-1]]) & (who[1:] == who[:-1]) & (who[1:] != 0)
    out = np.zeros(len(galaxy), dtype=bool)
    out[rows[1:][again]] = True
    return out


def _tell_repeats(
    dropped: Dropped, identities: pa.ChunkedArray, counted: NDArray[np.bool_], repeated: NDArray[np.int64]
) -> None:
    """Count classifications that do not count, and answers that do not count in classifications that do."""
    whole = np.flatnonzero(~counted)
    if len(whole):
        dropped.classification("the same volunteer and galaxy again", identities[int(whole[0])], len(whole))
    single = repeated[counted[repeated]]
    if len(single):
        dropped.answer("the same volunteer, galaxy and question again", identities[int(single[0])], len(single))


def _one_person_each(
    identities: NDArray[np.int64],
    volunteers: NDArray[np.uint64],
    anonymous: NDArray[np.bool_],
    first: NDArray[np.int64],
    key: bytes,
) -> NDArray[np.uint64]:
    """Give all classifications by one anonymous person the same number, whatever the order of the exports.

    Two classifications are by one person if any export gives them the same name. If an export names a classification that is
    already stored, the new name and the stored one belong to one person.

    Parameters
    ----------
    identities, volunteers : ndarray, shape (row,)
        The stored classifications, followed by those of an export. Names are numbers, with 0 for an unknown person.
    anonymous : ndarray of bool, shape (row,)
        Which rows of the export are by people who were not logged in.
    first : ndarray of int64
        The first row of each classification, in the order of the classifications' ids.
    key : bytes

    Returns
    -------
    ndarray of uint64, shape (row,)
    """
    rows = np.flatnonzero(anonymous & (volunteers != 0))
    if not len(rows):
        return volunteers
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    out = volunteers.copy()
    there = first[np.searchsorted(identities[first], identities[rows])]
    out[there] = np.where(out[there] == 0, volunteers[rows], out[there])
    names = np.unique(np.concatenate([volunteers[rows], out[there]]))
    links = np.searchsorted(names, volunteers[rows]), np.searchsorted(names, out[there])
    pairs = coo_array((np.ones(len(rows), dtype=bool), links), shape=(len(names), len(names)))
    people, person = connected_components(pairs, directed=False)
    place = np.minimum(np.searchsorted(names, out), len(names) - 1)
    theirs = np.flatnonzero(names[place] == out)
    smallest = np.full(people, np.iinfo(np.int64).max)
    np.minimum.at(smallest, person[place[theirs]], identities[theirs])
    numbers = np.array([_number(str(identity).encode(), key, b"not logged in") for identity in smallest], dtype=np.uint64)
    out[theirs] = numbers[person[place[theirs]]]
    return out


def _anonymous(batch: list[Classification]) -> NDArray[np.bool_]:
    return np.array([entry.anonymous for entry in batch], dtype=bool)


def _as_table(batch: list[Classification], key: bytes, export: bytes = b"") -> pa.Table:
    import pyarrow as pa

    names = {(entry.volunteer, entry.anonymous) for entry in batch}
    hashes = {name: _hashed(name[0], key, export if name[1] else b"") for name in names}
    return pa.table(
        {
            "classification": pa.array([entry.id for entry in batch], pa.int64()),
            "galaxy": pa.array([entry.galaxy for entry in batch], pa.string()),
            "volunteer": pa.array([hashes[entry.volunteer, entry.anonymous] for entry in batch], pa.uint64()),
            "at": pa.array([entry.at for entry in batch], pa.int64()),
            "answers": pa.array([list(entry.columns) for entry in batch], pa.list_(pa.int16())),
        }
    )


def _hashed(name: str, key: bytes, export: bytes = b"") -> int:
    """Return a number above 0 for a name, valid for one export only if `export` is given; 0 means an unknown person."""
    return _number(name.encode(), key, export) if name else 0


def _number(text: bytes, key: bytes, person: bytes) -> int:
    return int.from_bytes(blake2b(text, key=key, digest_size=8, person=person).digest(), "little") or 1


def _refuse_beside(tree: DecisionTree, present: list[str], source: str) -> None:
    """Raise a CatalogueError if a column's name is nearly one of the tree's, next to which new columns would be added."""
    meant = {_letters(header): header for header in tree.headers}
    for name in present:
        if _letters(name) in meant:
            raise CatalogueError(
                f"{source} has none of the vote columns of tree '{tree.name}', but '{name}', which may be "
                f"'{meant[_letters(name)]}'; rename it"
            )


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def add_votes(
    table: pd.DataFrame,
    votes: pd.DataFrame,
    tree: DecisionTree,
    id_column: str,
    *,
    source: str = "the table",
    dropped: Dropped | None = None,
    max_set_aside: float = MAX_SET_ASIDE,
) -> tuple[pd.DataFrame, int]:
    """Add votes to a table of galaxies, and return the table and the number of galaxies with votes that it lacks.

    Parameters
    ----------
    table : DataFrame
        A table with ids as text. Its vote columns are found by all their names, as when a catalogue is read. Missing columns
        are added. Blank cells and -999 count as 0 in galaxies that get new votes.
    votes : DataFrame
        The result of `Ledger.votes`.
    tree : DecisionTree
    id_column : str
    source : str
        The table's file, for errors.
    dropped : Dropped, optional
        Lists the rows whose votes contradict themselves. The table's votes in these rows are ignored; only the new votes
        count.
    max_set_aside : float
        The largest share of such rows.

    Raises
    ------
    CatalogueError
        When more rows have cells that are not votes, or votes that no volunteers could have given. Also when a column's name
        is nearly one of the tree's, while other columns have exact names.
    """
    present = [str(name) for name in table.columns]
    columns = match_columns(tree, present, source)
    refuse_misspelt(columns, tree, present, source)
    if not any(columns.values()):
        _refuse_beside(tree, present, source)
    galaxies = GalaxyTable(table, table[id_column].astype(str).to_numpy(dtype=object), id_column)
    row_of = {galaxy_id: row for row, galaxy_id in enumerate(table[id_column].astype(str))}
    rows: NDArray[np.int64] = np.array([row_of.get(galaxy_id, -1) for galaxy_id in votes["id"]], dtype=np.int64)
    known = rows >= 0
    out = table.copy()
    doubts = SetAside(galaxies, source, max_set_aside)
    before = {column: numbers_of(galaxies, name, doubts) for column, name in columns.items() if name is not None}
    if len(before) == len(columns):
        doubt_excess(np.column_stack(list(before.values())), None, tree, doubts, source, stacklevel=2)
    doubts.warn(stacklevel=2)
    if dropped is not None:
        dropped.set_aside(doubts.listed(), source)
    for column, name in columns.items():
        counts = np.full(len(out), np.nan)
        if name is not None:
            counts = before[column]
            said = pd.to_numeric(out[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
            counts[np.isnan(said) | (said == MISSING) | ~doubts.kept] = np.nan
        counts[rows[known]] = np.nan_to_num(counts[rows[known]]) + votes[column].to_numpy()[known]
        whole = np.all(counts[~np.isnan(counts)] % 1 == 0)
        out[name or column] = pd.array(counts, dtype="Int64") if whole else counts
    return out, int((~known).sum())
