"""What a Parquet file of zooactive says about itself: JSON in the metadata of its schema."""

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
_RESULT_KEY = b"zooactive_result"  # another: tables with the first are taken for shards


def about_of(schema: pa.Schema) -> Any:
    """Return what a file says about itself; None for another program's file, a ValueError for what is no JSON."""
    return from_json((schema.metadata or {}).get(_KEY, b"null"))


def with_about(table: pa.Table, about: Mapping[str, Any]) -> pa.Table:
    """Return a table whose metadata will hold this once it is written."""
    return table.replace_schema_metadata({_KEY: json.dumps(about)})


def write_result(table: pd.DataFrame, path: Path, *, kind: str) -> None:
    """Write a table that people read as Parquet, with its kind and format in the metadata, beside those of pandas."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    about = {_RESULT_KEY: json.dumps({"kind": kind, "format": RESULTS})}
    pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **about}), path)
