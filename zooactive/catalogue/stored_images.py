"""Images inside Parquet files: read when they are looked at, one row group after the other.

A survey's shards are larger than memory, so a catalogue read from them holds where each image lies and not its bytes.
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

_GROUPS = 4  # row groups kept: catalogues are read in order, by one reader and one that works ahead of it
_ROWS_AT_ONCE = 512
_reading = threading.Lock()  # decoding threads ask for the same group at once, and it is to be read once


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """The image column of a Parquet file, as the file was when its table was read."""

    file: Path
    name: str
    start: Path
    changed: int

    def images(self) -> Iterator[StoredImage]:
        """Yield where each row's image lies, in the order of the rows."""
        import pyarrow.parquet as pq

        metadata = pq.read_metadata(self.file)
        for group in range(metadata.num_row_groups):
            for index in range(metadata.row_group(group).num_rows):
                yield StoredImage(self, group, index)


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image in a Parquet file: bytes, or {bytes, path} as the Hugging Face datasets store it."""

    column: StoredColumn
    group: int
    index: int
    group_cells: Any = field(default=None, compare=False, repr=False)

    def with_group(self) -> StoredImage:
        """Return the image holding its row group's cells, which then stay whatever else is read; raises as `read` does."""
        with _reading:
            return replace(self, group_cells=_row_group(self.column, self.group))

    @property
    def place(self) -> tuple[str, int, int]:
        """Where the image lies; reading in this order touches each row group once."""
        return str(self.column.file), self.group, self.index

    def __str__(self) -> str:
        return f"in {self.column.file}"

    def read(self) -> bytes | Path | None:
        """Return the image's bytes; or where they lie, when the row holds a path alone; None when it holds neither.

        Raises
        ------
        CatalogueError
            When the file was changed after its table was read.
        ImageError
            When the row cannot be read.
        """
        cell = self.cell()
        if isinstance(cell, dict):
            cell = cell["bytes"] if cell["bytes"] is not None else cell.get("path")
        if not isinstance(cell, str):
            return None if cell is None else bytes(cell)
        path = self.column.start / cell.strip()
        named = self.column.start / path.name  # tables often keep the path of the machine they were made on
        return named if not is_here(path) and is_here(named) else path

    def cell(self) -> Any:
        """Return what the file holds here: bytes, or {bytes, path}; raises as `read` does."""
        held = self if self.group_cells is not None else self.with_group()
        try:
            return held.group_cells[self.index].as_py()
        except (UnicodeDecodeError, IndexError) as error:
            raise ImageError(f"{self.column.file} is damaged at an image or its path; fetch it again") from error


def write_parquet(frame: pd.DataFrame, path: Path, about: Mapping[str, Any] | None = None, *, kind: str) -> None:
    """Write a table as Parquet, with the images that its cells stand for; few of them are in memory at once.

    Parameters
    ----------
    frame : DataFrame
        Cells that are `StoredImage` become {bytes, path}.
    path : Path
    about : mapping, optional
        What the file says about itself, as shards do.
    kind : str
        What the table is, such as "votes": see `zooactive.foundation.metadata.result_about`.

    Raises
    ------
    CatalogueError
        When Parquet cannot hold a column, or a file with images was changed meanwhile.
    ImageError
        When a row of such a file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = [name for name in frame.columns if any(isinstance(cell, StoredImage) for cell in frame[name])]
    said = "Parquet cannot hold a column of the table: {reason}; mend or drop it"
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
    """Return a file's column of images when it holds their bytes, and None when it holds something else or is not there."""
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
            raise CatalogueError(f"{column.file} was changed since its table was read; run the same command again")
        return pq.ParquetFile(column.file).read_row_group(group, columns=[column.name])[column.name].combine_chunks()
