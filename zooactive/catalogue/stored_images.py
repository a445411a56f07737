"""Images inside Parquet files, which are read on demand, one row group after the other.

A survey's shards are larger than memory. A catalogue that is read from them therefore holds the position of each image and
not its bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.addresses import is_here
from zooactive.foundation.errors import CatalogueError, ImageError, explained
from zooactive.foundation.metadata import result_about, with_about

if TYPE_CHECKING:
    import pandas as pd

_GROUPS = 4  # row groups kept in memory: catalogues are read in order, by one reader and one that works ahead of it
_ROWS_AT_ONCE = 512
_reading = threading.Lock()  # decoding threads request the same group at the same time, and it must be read only once


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """The image column of a Parquet file, in the state in which its table was read."""

    file: Path
    name: str
    start: Path
    changed: int

    def images(self) -> Iterator[StoredImage]:
        """Yield the position of each row's image, in the order of the rows."""
        import pyarrow.parquet as pq

        metadata = pq.read_metadata(self.file)
        for group in range(metadata.num_row_groups):
            for index in range(metadata.row_group(group).num_rows):
                yield StoredImage(self, group, index)


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image in a Parquet file: bytes, or {bytes, path} as Hugging Face datasets store it."""

    column: StoredColumn
    group: int
    index: int
    group_cells: Any = field(default=None, compare=False, repr=False)

    def with_group(self) -> StoredImage:
        """Return the image with the cells of its row group, which then stay in memory; raise the errors of `read`."""
        with _reading:
            return replace(self, group_cells=_row_group(self.column, self.group))

    @property
    def place(self) -> tuple[str, int, int]:
        """The position of the image; reading in the order of positions opens each row group once."""
        return str(self.column.file), self.group, self.index

    def __str__(self) -> str:
        return f"in {self.column.file}"

    def read(self) -> bytes | Path | None:
        """Return the image's bytes, its path if the row holds only a path, or None if the row holds neither.

        Raises
        ------
        CatalogueError
            If the file was changed after its table was read.
        ImageError
            If the row cannot be read.
        """
        cell = self.cell()
        if isinstance(cell, dict):
            cell = cell["bytes"] if cell["bytes"] is not None else cell.get("path")
        if not isinstance(cell, str):
            return None if cell is None else bytes(cell)
        path = self.column.start / cell.strip()
        named = self.column.start / path.name  # tables often keep the path on the machine where they were made
        return named if not is_here(path) and is_here(named) else path

    def cell(self) -> Any:
        """Return what the file holds in this row: bytes, or {bytes, path}; raise the errors of `read`."""
        held = self if self.group_cells is not None else self.with_group()
        try:
            return held.group_cells[self.index].as_py()
        except (UnicodeDecodeError, IndexError) as error:
            raise ImageError(f"{self.column.file} is damaged at an image or its path; fetch it again") from error


def write_parquet(frame: pd.DataFrame, path: Path, about: Mapping[str, Any] | None = None, *, kind: str) -> None:
    """Write a table as Parquet, including the images that its cells refer to; only a few are in memory at once.

    Parameters
    ----------
    frame : DataFrame
        A table whose `StoredImage` cells become {bytes, path}.
    path : Path
    about : mapping, optional
        Metadata of the file, like those of shards.
    kind : str
        What the table is, such as "votes": see `zooactive.foundation.metadata.result_about`.

    Raises
    ------
    CatalogueError
        If Parquet cannot hold a column, or a file with images was changed meanwhile.
    ImageError
        If a row of such a file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = [name for name in frame.columns if any(isinstance(cell, StoredImage) for cell in frame[name])]
    said = "Parquet cannot hold a column of the table: {reason}; change or drop the column"
    with explained(CatalogueError, said, pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        rest = pa.Table.from_pandas(frame.drop(columns=held), preserve_index=False)
    if about is not None:
        rest = with_about(rest, about)
    rest = rest.replace_schema_metadata({**(rest.schema.metadata or {}), **result_about(kind)})
    kind, schema = pa.struct([("bytes", pa.binary()), ("path", pa.string())]), rest.schema
    for name in held:
        schema = schema.insert(list(frame.columns).index(name), pa.field(name, kind))
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(frame), _ROWS_AT_ONCE):
            rows = rest.slice(start, _ROWS_AT_ONCE)
            for name in held:
                cells = [_as_struct(cell) for cell in frame[name].iloc[start : start + _ROWS_AT_ONCE]]
                rows = rows.add_column(list(frame.columns).index(name), name, pa.array(cells, kind))
            writer.write_table(rows)


def _as_struct(cell: object) -> dict[str, Any] | None:
    content = cell.cell() if isinstance(cell, StoredImage) else cell
    if isinstance(content, dict):
        return {"bytes": content["bytes"], "path": content.get("path")}
    if isinstance(content, str):
        return {"bytes": None, "path": content}
    return None if content is None else {"bytes": content, "path": None}


def stored_column(file: Path, name: str, start: Path) -> StoredColumn | None:
    """Return a file's image column if it holds bytes of images; None if it holds something different or does not exist."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    kind = schema.field(name).type if name in schema.names else pa.null()
    if pa.types.is_struct(kind):
        kind = kind.field("bytes").type if kind.get_field_index("bytes") >= 0 else pa.null()
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return StoredColumn(file, name, start, file.stat().st_mtime_ns) if binary else None


@lru_cache(maxsize=_GROUPS)
def _row_group(column: StoredColumn, group: int) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = f"{column.file}: its images cannot be read ({{reason}}); fetch it again"
    with explained(CatalogueError, said, OSError, pa.ArrowException):
        if column.file.stat().st_mtime_ns != column.changed:
            raise CatalogueError(f"{column.file} has changed since its table was read; run the same command again")
        return pq.ParquetFile(column.file).read_row_group(group, columns=[column.name])[column.name].combine_chunks()
