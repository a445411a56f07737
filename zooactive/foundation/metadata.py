"""The metadata of zooactive's Parquet files: JSON in the metadata of the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zooactive.foundation.formats import RESULTS
from zooactive.foundation.parsing import from_json

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

_KEY = b"zooactive"
_RESULT_KEY = b"zooactive_result"  # a second key, because tables with the first are taken for shards


def about_of(schema: pa.Schema) -> Any:
    """Return a file's metadata; None for another program's file; raise a ValueError for metadata that are not JSON."""
    return from_json((schema.metadata or {}).get(_KEY, b"null"))


def with_about(table: pa.Table, about: Mapping[str, Any]) -> pa.Table:
    """Return a table with metadata that are written with it."""
    return table.replace_schema_metadata({_KEY: json.dumps(about)})


def result_about(kind: str) -> dict[bytes, str]:
    """Return what the metadata of a table that people read say of it: its kind, such as "votes", and its format."""
    return {_RESULT_KEY: json.dumps({"kind": kind, "format": RESULTS})}


def result_format(schema: pa.Schema) -> Any:
    """Return the format that such a table declares; 0 of one that declares none, a ValueError for what is no JSON."""
    about = from_json((schema.metadata or {}).get(_RESULT_KEY, b"{}"))
    return about.get("format", 0) if isinstance(about, dict) else about


def write_result(table: pd.DataFrame, path: Path, *, kind: str) -> None:
    """Write a result table as Parquet, with its kind and format in the metadata, next to those of pandas."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **result_about(kind)}), path)
