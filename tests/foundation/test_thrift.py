"""Footers of Parquet files, read as PyArrow reads them; damaged ones are refused and end no process."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

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


def varint(number: int) -> bytes:
    """A number of seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else -2 * number - 1)


def value(kind: str, given: Any) -> tuple[int, bytes]:
    """The number of a kind in the compact protocol, and a value of it, from the specification alone."""
    match kind:
        case "yes" | "no":
            return {"yes": 1, "no": 2}[kind], b""
        case "byte":
            return 3, bytes([given])
        case "i16" | "i32" | "i64":
            return {"i16": 4, "i32": 5, "i64": 6}[kind], zigzag(given)
        case "double":
            return 7, struct.pack("<d", given)
        case "binary":
            return 8, varint(len(given)) + given
        case "list" | "set":
            item, items = given
            number, written = {"yes": 1, "list": 9}.get(item) or value(item, items[0])[0], [value(item, i)[1] for i in items]
            length = len(items)
            head = bytes([length << 4 | number]) if length < 15 else bytes([0xF0 | number]) + varint(length)
            # A truth in a list takes a byte; as a field it is in the field's kind.
            body = b"\x01" * length if item == "yes" else b"".join(written)
            return {"list": 9, "set": 10}[kind], head + body
        case "map":
            (of, to), entries = given
            if not entries:
                return 11, b"\x00"
            kinds = value(of, next(iter(entries)))[0] << 4 | value(to, next(iter(entries.values())))[0]
            body = b"".join(value(of, key)[1] + value(to, entry)[1] for key, entry in entries.items())
            return 11, varint(len(entries)) + bytes([kinds]) + body
        case _:
            return 12, structure(given)


def structure(fields: dict[int, tuple[str, Any]]) -> bytes:
    """Fields in the order of their numbers; a step of over 15 is written in full."""
    out, before = b"", 0
    for number, (kind, given) in fields.items():
        code, body = value(kind, given)
        step = number - before
        out += bytes([step << 4 | code]) if 0 < step < 16 else bytes([code]) + zigzag(number)
        out += body
        before = number
    return out + b"\x00"


OTHERS = {
    1: ("yes", None),
    2: ("no", None),
    3: ("byte", 200),
    4: ("i64", -(2**62)),
    5: ("double", 1.5),
    6: ("binary", b"x" * 200),
    7: ("list", ("i32", [1, -2, 300])),
    8: ("list", ("yes", [True] * 3)),
    9: ("set", ("binary", [b"one", b"two"])),
    10: ("map", (("binary", "double"), {b"a": 1.0, b"b": 2.0})),
    11: ("map", (("i32", "i32"), {})),
    12: ("struct", {1: ("list", ("double", [0.5] * 20)), 40: ("map", (("i32", "struct"), {7: {2: ("i16", 3)}}))}),
}


def test_every_kind_of_field_is_stepped_over_and_what_stands_behind_is_read():
    wanted = {
        50: ("i64", -(10**15)),
        51: ("list", ("binary", ["café".encode(), b""])),
        52: ("struct", {3: ("i32", 7)}),
        90: ("set", ("struct", [{3: ("i32", number)} for number in range(-9, 9)])),
    }
    content = structure(OTHERS | wanted)
    found = Struct(b"before" + content + b"behind", 6, wanted)
    assert found.end == 6 + len(content)
    assert found.number(50) == -(10**15)
    assert found.texts(51) == ["café", ""]
    assert [inner.number(3) for inner in found.structs(52, (3,))] == [7]
    assert [inner.number(3) for inner in found.structs(90, (3,))] == list(range(-9, 9))
    assert list(found.structs(99, (3,))) == []


def test_a_field_of_another_kind_than_expected_is_a_value_error():
    found = Struct(structure(OTHERS), 0, OTHERS)
    with pytest.raises(ValueError, match="field 5 is not a whole number"):
        found.number(5)
    with pytest.raises(ValueError, match="field 6 is not a list"):
        found.texts(6)
    with pytest.raises(ValueError, match="field 7 has another type"):
        found.texts(7)


@pytest.mark.parametrize("number", sorted(OTHERS))
def test_every_kind_of_field_that_is_cut_off_is_a_value_error(number):
    content = structure({number: OTHERS[number]})
    for length in range(len(content)):
        with pytest.raises(ValueError, match="too early"):
            Struct(content[:length], 0, ())


@pytest.mark.parametrize(("head", "body"), [(b"\x1b", b"\x01\xbb"), (b"\x19", b"\x19"), (b"\x19", b"\x1a")])
def test_maps_and_lists_within_each_other_without_end_are_refused(head, body):
    with pytest.raises(ValueError, match="too deeply"):
        Struct(head + body * 400, 0, ())
