"""Tables of galaxies: CSV, Parquet, FITS and VOTable, damaged, or whole and not what anybody expects."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hostile import ODD_TEXTS, damaged, fuzzed, miswritten, read_or_refused
from hypothesis import given
from hypothesis import strategies as st
from pictures import picture

from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.images import encode_png
from zooactive.catalogue.tables import IMAGE_COLUMNS
from zooactive.training.finetuning.tasks import task_of_column
from zooactive.tree import DecisionTree, Question

COUNTS = DecisionTree("counts", [Question("smooth", ["yes", "no"]), Question("bar", ["yes", "no"], ["smooth_no"])])
FRACTIONS = DecisionTree("fractions", COUNTS.questions, votes="fractions", volunteers=40)
CUMULATIVE = DecisionTree("cumulative", COUNTS.questions, votes="cumulative", volunteers=40)
LABELS = DecisionTree("labels", [Question("form", ["round", "disk", "odd"])], votes="class", min_votes=1)
TREES = (None, COUNTS, FRACTIONS, CUMULATIVE, LABELS)
ODD_NAMES = ("mag r", "", " ", "é", "a\nb", "index", "x" * 300)
NAMES = ("id", "iauname", *COUNTS.columns, "form", "ra", "dec", *IMAGE_COLUMNS, *ODD_NAMES)
COLUMNS: dict[str, Any] = {
    "id": ["587732578312454270", "587732578312454271", "é", "J0"],
    "smooth_yes": [10, 5, 0, 3],
    "smooth_no": [1, 5, 0, 4],
    "bar_yes": [1, 3, 0, 0],
    "bar_no": [0, 2, 0, 4],
    "form": ["round", "disk", "", "odd"],
    "mag_r": [17.0, 16.5, 15.25, 18.0],
    "image": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
}


def as_csv(columns: dict[str, Any]) -> bytes:
    stream = io.StringIO()
    out = csv.writer(stream)
    out.writerow(columns)
    out.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue().encode("utf-8", "surrogatepass")


def as_parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def as_astropy(columns: dict[str, Any], kind: str) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Table(columns).write(stream, format=kind)
    return stream.getvalue()


def with_images() -> bytes:
    png = encode_png(picture(0, 16))
    images = [{"bytes": png, "path": None}, {"bytes": None, "path": "a.jpg"}, {"bytes": b"no image", "path": ""}, None]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return as_parquet(pa.table(COLUMNS | {"image": pa.array(images, kind)}))


def with_arrays() -> bytes:
    """A FITS table with arrays of any length, which lie behind the rows."""
    arrays = np.array([np.arange(length, dtype=np.float32) for length in (1, 0, 3, 2)], dtype=object)
    columns = [fits.Column("id", "2A", array=["a", "b", "c", "d"]), fits.Column("v", "PE()", array=arrays)]
    columns += [fits.Column(name, "J", array=COLUMNS[name]) for name in COUNTS.columns]
    columns.append(fits.Column("form", "5A", array=COLUMNS["form"]))
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(stream)
    return stream.getvalue()


SHARED = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1, 0], pa.int32()), pa.array(["round" * 100, "disk"]))
SOUND: dict[str, bytes] = {
    "csv": as_csv(COLUMNS),
    "parquet": as_parquet(pa.table(COLUMNS)),
    "images.parquet": with_images(),
    "fits": as_astropy(COLUMNS | {"id": ["1", "2", "3", "J0"]}, "fits"),
    "vot": as_astropy(COLUMNS, "votable"),
    "arrays.fits": with_arrays(),
    "lists.parquet": as_parquet(pa.table(COLUMNS | {"v": [[1], [], [2, 3], None], "note": SHARED})),
}
OPTIONS = st.fixed_dictionaries(
    {"tree": st.sampled_from(TREES)},
    optional={
        "id_column": st.sampled_from(NAMES),
        "label_column": st.sampled_from(NAMES),
        "image_column": st.sampled_from(NAMES),
        "volunteers": st.sampled_from((40, 0.5, "mag r", "smooth_yes", 1e308)),
        "where": st.sampled_from(("mag_r < 17", "smooth_yes > 3", "id == 'J0'", "ra", "`mag r` == `mag r`", "image < 3")),
    },
)


def read(path: Path, options: dict[str, Any]) -> None:
    """Read a table, and look at every image of it."""
    catalogue = read_catalogue(path, **options)
    assert isinstance(catalogue, Catalogue)
    assert all(isinstance(galaxy_id, str) and galaxy_id.strip() for galaxy_id in catalogue.ids)
    if catalogue.votes is not None:
        assert np.isfinite(catalogue.votes).all()
        assert (catalogue.votes >= 0).all()
        assert np.isfinite(catalogue.votes.sum())
    catalogue.split((0.5, 0.5))
    catalogue.decode(Preprocessing(size=8))


@pytest.mark.parametrize("name", SOUND)
def test_what_is_damaged_here_is_sound(name: str, tmp_path: Path):
    path = tmp_path / f"table.{name}"
    path.write_bytes(SOUND[name])
    for tree in (COUNTS, LABELS):
        assert len(read_catalogue(path, tree=tree)) == 4


@pytest.mark.parametrize("name", SOUND)
@fuzzed(30)
@given(data=st.data())
def test_a_damaged_table_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject):
    path = tmp_path / f"table.{name}"
    path.write_bytes(data.draw(damaged(SOUND[name])))
    options = data.draw(st.sampled_from(({"tree": COUNTS}, {"tree": LABELS}, {})) | OPTIONS)
    with read_or_refused():
        read(path, options)


@pytest.mark.parametrize("name", ["csv", "vot"])
@fuzzed(40)
@given(data=st.data())
def test_a_table_with_odd_cells_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject):
    path = tmp_path / f"table.{name}"
    text = data.draw(miswritten(SOUND[name].decode(), "," if name == "csv" else '<>"'))
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with read_or_refused():
        read(path, data.draw(OPTIONS))


# Whole tables of odd columns ------------------------------------------------------------------------------------------

ROWS = 3


def of(*values: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=ROWS, max_size=ROWS)


NUMBERS = of(0.0, 1.0, 0.5, -1.0, -999.0, 1e308, 1e200, float("nan"), float("inf"), None)
TEXTS = of(*ODD_TEXTS, "round", "disk", "a.jpg", None)
WHOLE = of(0, 1, 5, 40, -1, 2**62, None)
ARROW: tuple[tuple[pa.DataType, st.SearchStrategy[list[Any]]], ...] = (
    (pa.float64(), NUMBERS),
    (pa.float16(), of(0.0, 1.0, float("nan"), None)),
    (pa.int64(), WHOLE),
    (pa.int8(), of(0, 1, -1, None)),
    (pa.uint64(), of(0, 2**64 - 1, 587732578312454270, None)),
    (pa.bool_(), of(True, False, None)),
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    (pa.binary(), of(b"", b"\xff\xd8", b"x", None)),
    (pa.null(), of(None)),
    (pa.decimal128(20, 2), of(decimal.Decimal("1.25"), decimal.Decimal(-3), None)),
    (pa.timestamp("ns"), of(0, 2**62, None)),
    (pa.duration("s"), of(0, 5, None)),
    (pa.date32(), of(datetime.date(2020, 1, 1), None)),
    (pa.time64("us"), of(0, 5, None)),
    (pa.list_(pa.float64()), of([], [1.0], [1.0, None], None)),
    (pa.list_(pa.string()), of([], ["a"], [None], None)),
    (pa.map_(pa.string(), pa.int64()), of([("a", 1)], [], None)),
    (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), of({"bytes": b"x", "path": None}, {"path": "\0"}, None)),
    (pa.struct([("bytes", pa.string())]), of({"bytes": "a"}, {}, None)),
    (pa.struct([("a", pa.struct([("b", pa.int64())]))]), of({"a": {"b": 1}}, None)),
)
NUMPY = ("f4", "f8", "i2", "i8", "u1", "u8", "?", "c8", "c16", "U5", "S5", "(2,)f8", "(2,2)i4")


def arrow_array(column: tuple[pa.DataType, st.SearchStrategy[list[Any]]]) -> st.SearchStrategy[pa.Array]:
    kind, values = column
    return values.map(lambda cells: pa.array(cells, pa.string()).dictionary_encode() if pa.types.is_dictionary(kind) else (
        pa.array([None if cell is None else np.float16(cell) for cell in cells], kind)
        if kind == pa.float16() else pa.array(cells, kind)
    ))  # fmt: skip


def with_odd_columns(named: list[tuple[str, Any]], twice: bool) -> list[tuple[str, Any]]:
    """The sound table's first rows with these columns in place of its own, or beside them."""
    own = {name: values[:ROWS] for name, values in COLUMNS.items()}
    return [*own.items(), *named] if twice else list((own | dict(named)).items())


@fuzzed(75)
@given(
    odd=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(ARROW).flatmap(arrow_array)), max_size=4),
    twice=st.integers(0, 9).map(lambda number: number == 9),
    rows=st.sampled_from((0, 1, ROWS, ROWS)),
    about=st.sampled_from((None,) * 6 + (b"", b"null", b"[]", b"{}", b'{"parts": 1}', b"\xff", b"[" * 5000)),
    options=OPTIONS,
)
def test_parquet_of_any_columns_is_read_or_refused(
    tmp_path: Path, odd: list[tuple[str, pa.Array]], twice: bool, rows: int, about: bytes | None, options: dict[str, Any]
):
    columns = [(name, pa.array(values)) for name, values in with_odd_columns(odd, twice)]
    table = pa.Table.from_arrays([array for _, array in columns], names=[name for name, _ in columns]).slice(0, rows)
    path = tmp_path / "table.parquet"
    pq.write_table(table if about is None else table.replace_schema_metadata({b"zooactive": about}), path)
    with read_or_refused():
        read(path, options)


@fuzzed(50)
@given(
    header=st.lists(st.sampled_from(NAMES), min_size=1, max_size=9),
    cells=st.lists(st.lists(st.sampled_from((*ODD_TEXTS, "1", "0", "round")), min_size=1, max_size=10), max_size=4),
    options=OPTIONS,
)
def test_csv_of_any_cells_is_read_or_refused(
    tmp_path: Path, header: list[str], cells: list[list[str]], options: dict[str, Any]
):
    path = tmp_path / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *cells])
    with read_or_refused():
        read(path, options)


@fuzzed(50)
@given(
    odd=st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(NUMBERS, WHOLE, TEXTS)), max_size=4),
    twice=st.integers(0, 9).map(lambda number: number == 9),
    options=OPTIONS,
)
def test_csv_of_any_columns_is_read_or_refused(
    tmp_path: Path, odd: list[tuple[str, list[Any]]], twice: bool, options: dict[str, Any]
):
    columns = with_odd_columns(odd, twice)
    path = tmp_path / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow([name for name, _ in columns])
        out.writerows(zip(*(values for _, values in columns), strict=True))
    with read_or_refused():
        read(path, options)


@st.composite
def astropy_tables(draw: st.DrawFn, kinds: tuple[str, ...]) -> Table:
    """Columns of every kind that FITS and VOTable know, some of their cells masked."""
    table, rows = Table(), draw(st.sampled_from((0, 1, ROWS)))
    plain = [name for name in NAMES if name.strip() and name.isascii() and name.isprintable() and len(name) < 60]
    names = draw(st.lists(st.sampled_from(plain), unique=True, max_size=4))
    for name, values in COLUMNS.items():
        table[name] = [f"g{i}" for i in range(rows)] if name == "id" else values[:rows]
    for name in names:
        kind = np.dtype(draw(st.sampled_from(kinds)))
        cells = draw(of("0", "1", "5")) if kind.kind in "US" else draw(of(0, 1, 5, 0.5, 40, -1 if kind.kind in "fci" else 1))
        filled = np.zeros(rows, kind)
        filled[...] = np.array(cells[:rows]).reshape((rows, *(1,) * (filled.ndim - 1))).astype(kind.base)
        if kind.kind == "f" and rows and not kind.subdtype:
            filled[0] = draw(st.sampled_from((0, 1, np.nan, np.inf, 1e300 if kind.itemsize == 8 else 1e30)))
        masked = draw(st.booleans()) and not kind.subdtype
        table[name] = MaskedColumn(filled, mask=[i == 0 for i in range(rows)]) if masked else filled
    return table


@pytest.mark.parametrize("kind", ["fits", "votable"])
@fuzzed(50)
@given(data=st.data(), options=OPTIONS)
def test_fits_and_votables_of_any_columns_are_read_or_refused(
    kind: str, tmp_path: Path, data: st.DataObject, options: dict[str, Any]
):
    kinds = NUMPY if kind == "fits" else tuple(name for name in NUMPY if name != "u8")  # which VOTables do not know
    path = tmp_path / ("table.fits" if kind == "fits" else "table.vot")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.draw(astropy_tables(kinds)).write(path, format=kind, overwrite=True)
    with read_or_refused():
        read(path, options)


@fuzzed(30)
@given(cells=st.one_of(NUMBERS, TEXTS, WHOLE), volunteers=st.sampled_from((None, 40, "n")))
def test_a_column_of_anything_is_a_task_or_refused(tmp_path: Path, cells: list[Any], volunteers: Any):
    path = tmp_path / "labels.csv"
    path.write_bytes(as_csv({"id": range(ROWS), "label": cells, "n": [1, 2, 3]}))
    with read_or_refused():
        task_of_column(path, "label", volunteers=volunteers).read(path)
