"""Parquet files that others made: what they unpack to is known before anything is unpacked."""

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

_BYTES_A_VALUE = 8  # of a cell, about
_BYTE_ARRAY = 6
_ROW_GROUPS, _COLUMNS, _DESCRIPTION = (4,), (1,), (3,)  # fields of a footer, of its row groups, of their columns


def check_parquet(file: Path, columns: Collection[str] | None = None) -> None:
    """Refuse a file whose columns, or some of them, take more memory than there is.

    A few kilobytes can hold a text once and say that a million rows have it, or one list of a thousand million zeros.

    Raises
    ------
    MemoryError
        When what it claims does not fit into memory.
    ValueError
        When its footer is damaged.
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
        # A text is at most as long as all that is stored of its column.
        if path == name and chunk.kind == _BYTE_ARRAY and chunk.values * chunk.unpacked > allowed:
            doubtful.add(name)
    for name in doubtful:
        claimed += _bytes_of_texts(file, name)
    if claimed > allowed:
        raise MemoryError(f"{claimed} bytes of cells")


def _is_plainly_small(about: FileMetaData, wanted: Collection[Field], allowed: int) -> bool:
    """Return whether columns without lists fit into memory even if every row had all texts of its group: most do."""
    from pyarrow.types import is_nested

    if any(is_nested(field.type) for field in wanted):
        return False
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    cells = sum(group.num_rows for group in groups) * _BYTES_A_VALUE * len(wanted)
    return bool(cells + sum(group.num_rows * group.total_byte_size for group in groups) <= allowed)


class _Chunk(NamedTuple):
    """What a footer says of one column in one row group."""

    path: tuple[str, ...]
    kind: int
    values: int
    unpacked: int


def _chunks_of(file: Path) -> tuple[_Chunk, ...]:
    """Return what a file's footer says of its columns.

    PyArrow tells it too, but the whole process ends when it is asked about some damaged columns.
    """
    found = file.stat()
    return _read_chunks(file, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=1024)
def _read_chunks(file: Path, size: int, changed: int) -> tuple[_Chunk, ...]:
    """Read the footer of a file as it is now; the parts of a survey are opened several times."""
    with open_regular(file) as stream:
        stream.seek(max(size - 8, 0))
        tail = stream.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != b"PAR1" or length > size - 8:
            raise ValueError("its end is no footer of a Parquet file")
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
    """How many bytes the texts of a column have, each as often as it is there; a text that many have is read once."""
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
