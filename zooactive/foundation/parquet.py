"""Parquet files that others made: what they unpack to is known before anything is unpacked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from zooactive.foundation.allowance import usable_memory

_BYTES_A_VALUE = 8  # of a cell, about


def check_parquet(file: Path, columns: Collection[str] | None = None) -> None:
    """Refuse a file whose columns, or some of them, take more memory than there is.

    A few kilobytes can hold a text once and say that a million rows have it, or one list of a thousand million zeros.

    Raises
    ------
    MemoryError
        When what it claims does not fit into memory.
    """
    import pyarrow.parquet as pq

    about = pq.read_metadata(file)
    names = about.schema.to_arrow_schema().names
    allowed, claimed, doubtful = usable_memory(), 0, set[str]()
    for group in range(about.num_row_groups):
        for number in range(about.num_columns):
            column = about.row_group(group).column(number)
            path = column.path_in_schema
            name = path if path in names else path.split(".")[0]
            if columns is not None and name not in columns:
                continue
            claimed += max(column.num_values * _BYTES_A_VALUE, column.total_uncompressed_size)
            # A text is at most as long as all that is stored of its column.
            flat = path == name and column.physical_type == "BYTE_ARRAY"
            if flat and column.num_values * column.total_uncompressed_size > allowed:
                doubtful.add(name)
    for name in doubtful:
        claimed += _bytes_of_texts(file, name)
    if claimed > allowed:
        raise MemoryError(f"{claimed} bytes of cells")


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
