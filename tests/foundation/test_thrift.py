"""Footers of Parquet files, read as PyArrow reads them; damaged ones are refused and end no process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooactive.foundation import parquet
from zooactive.foundation.parquet import check_parquet
from zooactive.foundation.thrift import Struct


@pytest.fixture
def file(tmp_path: Path) -> Path:
    images = [{"bytes": b"x" * i, "path": None} for i in range(300)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "id": [f"J{i}" for i in range(300)],
            "image": pa.array(images, kind),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(1200, dtype=np.float16)), 4),
            "z": pa.array([None if i % 3 else i / 7 for i in range(300)]),
            "day": pa.array([None] * 300, pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=128, write_page_index=True)
    return tmp_path / "t.parquet"


def test_columns_are_told_as_pyarrow_tells_them(file):
    about = pq.read_metadata(file)
    columns = [about.row_group(g).column(c) for g in range(about.num_row_groups) for c in range(about.num_columns)]
    expected = [
        (c.path_in_schema, c.num_values, c.total_uncompressed_size, c.physical_type == "BYTE_ARRAY") for c in columns
    ]
    found = [(".".join(c.path), c.values, c.unpacked, c.kind == 6) for c in parquet._chunks_of(file)]
    assert found == expected
    assert len(found) == 3 * 6


def test_a_damaged_footer_is_refused_or_read_whatever_byte_is_another(file):
    """PyArrow's own way to these numbers ends the process at some of them."""
    content = file.read_bytes()
    begin = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    rng, refused = np.random.default_rng(0), 0
    for place in rng.choice(np.arange(begin, len(content) - 8), 400, replace=False):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(changed)
        parquet._read_chunks.cache_clear()
        try:
            check_parquet(file)
        except (ValueError, OSError, MemoryError, pa.ArrowException):
            refused += 1
    assert refused > 20


NONE = [b"", b"\x1c", b"\x19\xf8\xff\xff\xff\xff\x0f", b"\x15" + b"\x80" * 12, b"\x0d\x00", b"\x1c" * 100, b"\x18\x7fab"]


@pytest.mark.parametrize("content", NONE)
def test_what_is_no_structure_is_a_value_error(content):
    with pytest.raises(ValueError, match=r"too early|too deeply|too long|no type"):
        Struct(content, 0, (1,))


@pytest.mark.parametrize("tail", [b"", b"PAR1", b"\xff\xff\xff\x7fPAR1", b"\x08\x00\x00\x00PARE"])
def test_a_file_without_a_footer_is_a_value_error(file, tail):
    file.write_bytes(b"PAR1" + tail)
    with pytest.raises(ValueError, match="not the footer"):
        parquet._chunks_of(file)
