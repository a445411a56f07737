"""Check Parquet files from others: their unpacked size is known before anything is unpacked."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zooactive.foundation.allowance import usable_memory
from zooactive.foundation.reading import open_regular
from zooactive.foundation.thrift import Struct

if TYPE_CHECKING:
    from pyarrow import Field
    from pyarrow.parquet import FileMetaData

_BYTES_A_VALUE = 8  # the approximate size of a cell
_BYTE_ARRAY = 6
_ROW_GROUPS, _COLUMNS, _DESCRIPTION = (4,), (1,), (3,)  # field numbers in a footer, a row group and a column


def check_parquet(file: Path, columns: Collection[str] | None = None) -> None:
    """Raise a MemoryError if a file's columns, or some of them, need more memory than there is.

    A few kilobytes can hold a text once and say that a million rows have it, or hold one list of a thousand million zeros.

    Raises
    ------
    MemoryError
        If what it claims does not fit into memory.
    ValueError
        If its footer is damaged.
    """
    import pyarrow.parquet as pq

    about = pq.read_metadata(file)
    schema = about.schema.to_arrow_schema()
    allowed, claimed, doubtful = usable_memory(), 0, set[str]()
    wanted = [field for field in schema if columns is None or field.name in columns]
    if _is_plainly_small(about, wanted, allowed):
        return
    names = schema.names
    for chunk in _chunks_of(file):
        path = ".".join(chunk.path)
        name = path if path in names else chunk.path[0]
        if columns is not None and name not in columns:
            continue
        claimed += max(chunk.values * _BYTES_A_VALUE, chunk.unpacked)
        # A text is at most as long as all stored data of its column.
        if path == name and chunk.kind == _BYTE_ARRAY and chunk.values * chunk.unpacked > allowed:
            doubtful.add(name)
    for name in doubtful:
        claimed += _bytes_of_texts(file, name)
    if claimed > allowed:
        raise MemoryError(f"{claimed} bytes of cells")


def _is_plainly_small(about: FileMetaData, wanted: Collection[Field], allowed: int) -> bool:
    """Return whether columns without lists fit into memory even if every row had all texts of its group; most do."""
    from pyarrow.types import is_nested

    if any(is_nested(field.type) for field in wanted):
        return False
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    cells = sum(group.num_rows for group in groups) * _BYTES_A_VALUE * len(wanted)
    return bool(cells + sum(group.num_rows * group.total_byte_size for group in groups) <= allowed)


class _Chunk(NamedTuple):
    """The entry of a footer for one column in one row group."""

    path: tuple[str, ...]
    kind: int
    values: int
    unpacked: int


def _chunks_of(file: Path) -> tuple[_Chunk, ...]:
    """Return the entries of a file's footer for its columns.

    PyArrow can return them as well, but for some damaged columns it ends the whole process.
    """
    found = file.stat()
    return _read_chunks(file, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=1024)
def _read_chunks(file: Path, size: int, changed: int) -> tuple[_Chunk, ...]:
    """Read the footer of a file in its current state, cached because the parts of a survey are opened several times."""
    with open_regular(file) as stream:
        stream.seek(max(size - 8, 0))
        tail = stream.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != b"PAR1" or length > size - 8:
            raise ValueError("its end is not the footer of a Parquet file")
        stream.seek(size - 8 - length)
        footer = Struct(stream.read(length), 0, _ROW_GROUPS)
    return tuple(_chunk(column) for group in footer.structs(4, _COLUMNS) for column in group.structs(1, _DESCRIPTION))


def _chunk(column: Struct) -> _Chunk:
    about = list(column.structs(3, (1, 3, 5, 6)))
    if len(about) != 1:
        raise ValueError("a column in its footer is encrypted or lacks its description")
    path, numbers = tuple(about[0].texts(3)), [about[0].number(field) for field in (1, 5, 6)]
    if not path or min(numbers) < 0:
        raise ValueError("a column in its footer has no name, or a negative size")
    return _Chunk(path, *numbers)


def _bytes_of_texts(file: Path, name: str) -> int:
    """Return the number of bytes of a column's texts, each counted as often as it occurs; a repeated text is read once."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    total = 0
    with pq.ParquetFile(file, read_dictionary=[name]) as stream:
        for group in range(stream.num_row_groups):
            for texts in stream.read_row_group(group, columns=[name], use_threads=False)[name].chunks:
                if pa.types.is_dictionary(texts.type):
                    total += pc.sum(pc.binary_length(texts.dictionary).take(texts.indices)).as_py() or 0
    return total
