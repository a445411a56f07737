"""Read embeddings from tables: Parquet, Arrow and CSV, with a column of lists or one column per feature."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.id_columns import find_id_column, ids_of
from zooactive.catalogue.tables import read_table
from zooactive.foundation.errors import CatalogueError, did_you_mean
from zooactive.foundation.metadata import about_of
from zooactive.foundation.parquet import check_parquet
from zooactive.foundation.reading import check_regular
from zooactive.foundation.whole_numbers import as_frame
from zooactive.prediction.embedding_arrays import KNOWN_NAMES, narrow, room
from zooactive.prediction.embeddings import Embeddings

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)")
_FEWEST = 2  # the least number of columns with a common prefix that are taken for features
_ROWS, _COLUMNS = 4096, 32
"""The number of bytes of a Parquet file that are read together."""
_BUFFER = 1 << 20


def from_parquet(
    source: Path,
    files: Sequence[Path],
    id_column: str | None,
    column: str | None,
    *,
    encoder: str | None = None,
    others: Sequence[str] | None = None,
) -> Embeddings:
    """Read Parquet files of one layout; of the other columns, read those that are named, or all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files:
        check_regular(file)
    schema = pq.read_schema(files[0])
    about = about_of(schema)
    if encoder is None and isinstance(about, dict) and isinstance(about.get("encoder"), str):
        encoder = about["encoder"]
    layout = _Layout(schema, id_column, column, source)
    if others is not None:
        layout.others = list(others)
    rows = 0
    for file in files:
        check_parquet(file, [*layout.features, layout.id_column, *layout.others])
        rows += pq.read_metadata(file).num_rows

    rest = [pq.read_table(file, columns=[layout.id_column, *layout.others]) for file in files]
    parts = _parts_of_columns(files, layout.features) if layout.a_column_each else _parts_of_lists(files, layout.features)
    return layout.read(parts, rows, pa.concat_tables(rest, promote_options="permissive"), encoder)


def _parts_of_lists(files: Iterable[Path], columns: list[str]) -> Iterator[_Part]:
    """Read some thousand rows at a time, unpacked from a stream, because a file may be a single row group."""
    import pyarrow.parquet as pq

    row = 0
    for file in files:
        with pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as opened:
            for batch in opened.iter_batches(_ROWS, columns=columns):
                yield _Part(row, 0, batch)
                row += batch.num_rows


def _parts_of_columns(files: Iterable[Path], columns: list[str]) -> Iterator[_Part]:
    """Read some columns at a time, each for a whole row group; pages of a thousand columns would need much memory."""
    import pyarrow.parquet as pq

    row = 0
    for file in files:
        with pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as opened:
            for group in range(opened.num_row_groups):
                for first in range(0, len(columns), _COLUMNS):
                    some = columns[first : first + _COLUMNS]
                    yield _Part(row, first, opened.read_row_group(group, columns=some))
                row += opened.metadata.row_group(group).num_rows


def from_arrow(source: Path, files: Sequence[Path], id_column: str | None, column: str | None) -> Embeddings:
    """Read Arrow files of one layout, after a check that everything they refer to is in them."""
    import pyarrow as pa

    with ExitStack() as opened:
        tables = [opened.enter_context(_arrow_table(file)) for file in files]
        table = pa.concat_tables(tables, promote_options="permissive")
        table.validate(full=True)
        layout = _Layout(table.schema, id_column, column, source)
        wanted = table.select([layout.id_column, *layout.features])
        others = table.select([layout.id_column, *layout.others])
        return layout.read(_parts_of(wanted.to_batches()), len(table), others, None)


def _parts_of(batches: Iterable[pa.RecordBatch]) -> Iterator[_Part]:
    row = 0
    for batch in batches:
        yield _Part(row, 0, batch)
        row += batch.num_rows


@contextmanager
def _arrow_table(file: Path) -> Iterator[pa.Table]:
    """Map an Arrow file, in the file format or in the stream format, which Hugging Face writes."""
    import pyarrow as pa

    check_regular(file)
    with pa.memory_map(str(file)) as stream:
        try:
            yield pa.ipc.open_file(stream).read_all()
        except pa.ArrowInvalid:
            stream.seek(0)
            yield pa.ipc.open_stream(stream).read_all()


class _Part(NamedTuple):
    """Some rows of some columns, and their position."""

    row: int
    column: int
    table: pa.RecordBatch | pa.Table


class _Layout:
    """The roles of a table's columns: ids, features and others."""

    def __init__(self, schema: pa.Schema, id_column: str | None, column: str | None, source: Path) -> None:
        names = list(schema.names)
        self.source, self.schema = source, schema
        self.id_column = find_id_column(names, id_column, source)
        self.features = self._found([name for name in names if name != self.id_column], column)
        self.others = [name for name in names if name not in (*self.features, self.id_column) and not self._lists(name)]

    def _lists(self, name: str) -> bool:
        return _value_type(self.schema.field(name).type) is not None

    def _number(self, name: str) -> bool:
        return _is_number(self.schema.field(name).type)

    def _found(self, names: Sequence[str], column: str | None) -> list[str]:
        """Return the column of lists, or the columns of single features in the order of their numbers."""
        lists = [name for name in names if self._lists(name)]
        groups = _groups([name for name in names if self._number(name)])
        if column is not None:
            if column in lists:
                return [column]
            if column in groups:
                return groups[column]
            hint = did_you_mean(column, [*lists, *groups])
            raise CatalogueError(f"{self.source} has no column of lists '{column}', and no columns '{column}0', ....{hint}")
        known = [name for name in KNOWN_NAMES if name in lists]
        if known or len(lists) == 1:
            return known[:1] or lists
        if len(lists) > 1:
            raise CatalogueError(f"{self.source} has several columns of lists ({', '.join(lists[:5])}); name one of them")
        if len(groups) > 1:
            said = ", ".join(f"'{prefix}' ({len(group)})" for prefix, group in list(groups.items())[:5])
            raise CatalogueError(f"{self.source} has several kinds of numbered columns, {said}; name the features' prefix")
        if not groups:
            raise CatalogueError(
                f"{self.source} has neither a column of lists of numbers nor numbered columns of features (it has "
                f"{', '.join(names[:8])}); give embeddings"
            )
        return next(iter(groups.values()))

    @property
    def a_column_each(self) -> bool:
        """Return whether each feature is a separate column."""
        return not self._lists(self.features[0])

    def read(self, parts: Iterator[_Part], rows: int, others: pa.Table, encoder: str | None) -> Embeddings:
        """Read the features of all rows, part by part, and the other columns at once."""
        ids = _text_ids(others[self.id_column], self.id_column, self.source)
        features: NDArray[np.floating] | None = None
        read = 0
        for row, column, part in parts:
            if not part.num_rows:
                continue
            values = self._values(part, ids[row : row + part.num_rows])
            if features is None:
                width = len(self.features) if self.a_column_each else values.shape[1]
                features = room(rows, width, self._dtype())
            if not self.a_column_each and values.shape[1] != features.shape[1]:
                raise CatalogueError(
                    f"{self.source}: galaxy '{ids[row]}' has {values.shape[1]} features, but others have "
                    f"{features.shape[1]}; give embeddings of one encoder"
                )
            if not np.can_cast(values.dtype, features.dtype):
                raise ValueError("some of its parts are float16, and others are not")
            features[row : row + len(values), column : column + values.shape[1]] = values
            read += values.size
        if features is None:
            raise CatalogueError(f"{self.source} has no rows; give embeddings of at least one galaxy")
        if read != features.size or len(ids) != rows:
            raise ValueError("it has fewer rows than it claims")
        table = as_frame(others.select(self.others).replace_schema_metadata(None))
        stored = encoder is not None
        return Embeddings(ids, features, encoder, stored, table, str(self.source))

    def _dtype(self) -> np.dtype[Any]:
        """Return the dtype for the features: float16 if all of them are float16."""
        import pyarrow as pa

        kinds = [self.schema.field(name).type for name in self.features]
        halves = [pa.types.is_float16(kind if self.a_column_each else _value_type(kind)) for kind in kinds]
        return np.dtype(np.float16 if all(halves) else np.float32)

    def _values(self, batch: pa.RecordBatch | pa.Table, ids: NDArray[np.object_]) -> NDArray[np.floating]:
        if self.a_column_each:
            return np.column_stack([_numbers(column, self._refusal(column, ids)) for column in batch.columns])
        column = batch.column(self.features[0])
        import pyarrow as pa
        import pyarrow.compute as pc

        while isinstance(column, pa.ExtensionArray):
            column = column.storage
        if column.null_count:
            raise self._refusal(column, ids)
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        if (lengths != lengths[0]).any():
            other = int(np.argmax(lengths != lengths[0]))
            raise CatalogueError(
                f"{self.source}: galaxy '{ids[other]}' has {lengths[other]} features, but '{ids[0]}' has {lengths[0]}; give "
                "embeddings of one encoder"
            )
        flat = column.flatten()
        if flat.null_count:
            row = int(np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))[0]) // int(lengths[0])
            raise CatalogueError(f"{self.source}: a feature of galaxy '{ids[row]}' is missing; leave that galaxy out")
        return _numbers(flat, None).reshape(len(column), int(lengths[0]))

    def _refusal(self, column: pa.Array, ids: NDArray[np.object_]) -> CatalogueError:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        galaxy = ids[int(np.argmax(missing))] if len(ids) else ""
        return CatalogueError(f"{self.source}: features of galaxy '{galaxy}' are missing; leave that galaxy out")


def _value_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type of the values if a column type is a list of numbers, otherwise None."""
    import pyarrow as pa

    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return None
    held = kind.value_type
    return held if _is_number(held) else None


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns whose names are a prefix and a number, by prefix, ordered by number and without gaps."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match is not None:
            found.setdefault(match["prefix"], {})[int(match["number"])] = name
    groups = {}
    for prefix, numbered in found.items():
        numbers = sorted(numbered)
        if len(numbers) >= _FEWEST and numbers[-1] - numbers[0] == len(numbers) - 1:
            groups[prefix] = [numbered[number] for number in numbers]
    return groups


def _numbers(column: pa.Array, refusal: CatalogueError | None) -> NDArray[np.floating]:
    if refusal is not None and column.null_count:
        raise refusal
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return narrow(column.to_numpy(zero_copy_only=False))


def _text_ids(column: pa.ChunkedArray, name: str, source: Path) -> NDArray[np.object_]:
    import pyarrow as pa

    if not pa.types.is_floating(column.type):
        column = column.cast(pa.string())
    return ids_of(column.to_pandas(), name, source)


def read_csv(path: Path, ids: object, id_column: str | None, column: str | None) -> Embeddings:
    """Read a text table with one column per feature."""
    import pyarrow as pa

    table = read_table(path, id_column=id_column)
    frame = table.frame
    numbers = frame.select_dtypes("number").columns
    layout = _Layout(
        pa.schema([(name, pa.float64() if name in numbers else pa.string()) for name in frame.columns]),
        table.id_column,
        column,
        path,
    )
    with np.errstate(over="ignore"):
        features = frame[layout.features].to_numpy(dtype=np.float32, na_value=np.nan)
    return Embeddings(table.ids, features, table=frame[layout.others].reset_index(drop=True), source=str(path))
