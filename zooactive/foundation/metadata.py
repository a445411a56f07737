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


def write_result(table: pd.DataFrame, path: Path, *, kind: str) -> None:
    """Write a result table as Parquet, with its kind and format in the metadata, next to those of pandas."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    about = {_RESULT_KEY: json.dumps({"kind": kind, "format": RESULTS})}
    pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **about}), path)
