"""What a Parquet file of zooactive says about itself: JSON in the metadata of its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zooactive.foundation.parsing import from_json

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"zooactive"


def about_of(schema: pa.Schema) -> Any:
    """Return what a file says about itself; None for another program's file, a ValueError for what is no JSON."""
    return from_json((schema.metadata or {}).get(_KEY, b"null"))


def with_about(table: pa.Table, about: Mapping[str, Any]) -> pa.Table:
    """Return a table whose metadata will hold this once it is written."""
    return table.replace_schema_metadata({_KEY: json.dumps(about)})
