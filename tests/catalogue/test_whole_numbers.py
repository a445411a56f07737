"""Whole numbers of a table stay what they are, to the last digit, wherever a cell is blank and wherever they go."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from tiny_network import tiny_model

from zooactive.acquisition import acquire
from zooactive.acquisition.selection_files import read_selection, write_selection
from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.catalogue.surveys import join_catalogues
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.spelling import write_csv
from zooactive.labels.classifications import galaxy_in
from zooactive.labels.ledger import add_votes
from zooactive.labels.subjects import manifest_rows, write_subjects
from zooactive.prediction import PredictionConfig
from zooactive.prediction.runs import write_predictions
from zooactive.tree import DecisionTree, Question

SPECTRA = (1237651752387182713, 1237651752387182719)
"""Two objects of the SDSS that are one as floats."""


def cells(catalogue, name: str) -> list[str | None]:
    return [None if pd.isna(cell) else str(cell) for cell in catalogue.table[name]]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (("1237651752387182713", "", "1237651752387182719"), None),
        (("1237651752387182713", "none", "1237651752387182719"), None),
        (("-1237651752387182713", "NaN", " +7"), ("-1237651752387182713", None, "7")),
        (("18446744073709551615", "", "18446744073709551614"), None),
        (("123456789012345678901", "", "1"), None),
        (("123456789012345678901", "2", "1"), None),
        (("0266", "", "0267"), None),
        (("0266", "0001", "0267"), None),
        (("1237651752387182713", "2.0", "1237651752387182719"), None),
        (("7", "", "8"), None),
    ],
)
def test_whole_numbers_of_a_csv_keep_every_digit(tmp_path, written, read):
    rows = "".join(f"g{row},{cell},1.5\n" for row, cell in enumerate(written))
    (tmp_path / "t.csv").write_text(f"id,specobjid,mag\n{rows}")
    catalogue = read_catalogue(tmp_path / "t.csv")
    blank = ("", "none", "NaN")
    assert cells(catalogue, "specobjid") == list(read or [None if cell in blank else cell for cell in written])
    assert catalogue.table["mag"].tolist() == [1.5] * 3
    assert (tmp_path / "t.csv").read_text()  # a zero in front in the last cell of a file counts as any other
    (tmp_path / "last.csv").write_text(f"id,n\ng0,{written[0]}\ng1,{written[2]}")
    last = read_catalogue(tmp_path / "last.csv")
    assert cells(last, "n") == [read[0] if read else written[0], read[2] if read else written[2]]


def test_columns_of_decimals_stay_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("id,votes,fraction\na,20.0,0.5\nb,,\nc,3,1\n")
    table = read_catalogue(tmp_path / "t.csv").table
    assert table["votes"].fillna(-1).tolist() == [20, -1, 3]
    assert table["fraction"].dtype == table["votes"].dtype == float


def test_a_comparison_of_numbers_with_gaps_leaves_the_gaps_out(tmp_path):
    (tmp_path / "t.csv").write_text("id,run\na,756\nb,\nc,12\n")
    assert list(read_catalogue(tmp_path / "t.csv", where="run > 20").ids) == ["a"]


def test_whole_numbers_of_parquet_keep_every_digit_in_one_file_and_in_parts(tmp_path):
    first, second = SPECTRA
    pq.write_table(pa.table({"id": ["a", "b"], "n": pa.array([first, None], pa.int64())}), tmp_path / "one.parquet")
    assert cells(read_catalogue(tmp_path / "one.parquet"), "n") == [str(first), None]
    (tmp_path / "parts").mkdir()
    pq.write_table(pa.table({"id": ["a"], "n": pa.array([first], pa.int64())}), tmp_path / "parts" / "part-00000.parquet")
    pq.write_table(pa.table({"id": ["b"], "n": pa.array([1.5])}), tmp_path / "parts" / "part-00001.parquet")
    pq.write_table(pa.table({"id": ["c"], "n": pa.array([1 << 63], pa.uint64())}), tmp_path / "parts" / "part-00002.parquet")
    assert cells(read_catalogue(tmp_path / "parts"), "n") == [str(first), "1.5", str(1 << 63)]
    assert second  # as a float it would be the first


def test_galaxies_put_under_each_other_keep_every_digit(tmp_path):
    (tmp_path / "a.csv").write_text(f"id,n\na,{SPECTRA[0]}\nb,{SPECTRA[1]}\n")
    (tmp_path / "b.csv").write_text("id,mag\nc,1.5\n")
    (tmp_path / "c.csv").write_text("id,n\nd,1.5\n")
    a, b, c = (read_catalogue(tmp_path / f"{name}.csv") for name in "abc")
    assert cells(join_catalogues(a, b), "n") == [*map(str, SPECTRA), None]
    assert cells(join_catalogues(a, c), "n") == [*map(str, SPECTRA), "1.5"]


@pytest.fixture
def survey(tmp_path, write_pictures):
    """Three galaxies, the second without a spectrum and the third without an image."""
    write_pictures(["a", "b"])
    (tmp_path / "t.csv").write_text(
        f"id,specobjid,plate,file_loc\na,{SPECTRA[0]},0266,a.jpg\nb,,0267,b.jpg\nc,{SPECTRA[1]},0268,c.jpg\n"
    )
    return read_catalogue(tmp_path / "t.csv", images=tmp_path / "images")


def test_manifests_shards_and_predictions_keep_every_digit(tmp_path, survey, tree):
    selection = pd.DataFrame({"id": ["a", "b"], "score": [0.2, 0.1], "rank": [1, 2], "arm": "acquired"})
    selection["inclusion_probability"], selection["objid"] = 1.0, pd.array([SPECTRA[1], None], dtype="Int64")
    selection.to_csv(tmp_path / "selection.csv", index=False)
    write_subjects(read_selection(tmp_path / "selection.csv"), survey, tmp_path / "subjects", columns=["specobjid", "plate"])
    manifest = pd.read_csv(tmp_path / "subjects" / "manifest.csv", dtype=str, keep_default_na=False)
    assert manifest["#specobjid"].tolist() == [str(SPECTRA[0]), ""]
    assert manifest["#objid"].tolist() == [str(SPECTRA[1]), ""]
    assert manifest["#plate"].tolist() == ["0266", "0267"]

    write_shards(survey, tmp_path / "shards", Preprocessing(size=16))
    assert cells(read_catalogue(tmp_path / "shards"), "specobjid") == [str(SPECTRA[0]), None]

    stored = write_predictions(
        tiny_model(tree), survey, tmp_path / "out", config=PredictionConfig(draws=2, batch_size=2, rows_per_part=2)
    )
    assert [str(cell) for cell in stored.table()["specobjid"]] == [str(SPECTRA[0]), "<NA>"]
    passed = stored.catalogue()
    assert list(passed.ids) == ["a", "b", "c"]
    assert cells(passed, "specobjid") == [str(SPECTRA[0]), None, None]
    assert cells(passed, "plate")[:2] == ["0266", "0267"]


@pytest.mark.parametrize("rounded", ["5.87733E+17", "587.733E+15", "5,87733E+17", "6E+17", "587732578312454276.0"])
def test_an_id_of_a_table_that_has_lost_digits_is_refused(tmp_path, rounded):
    (tmp_path / "t.csv").write_text(f'id,mag\n"{rounded}",1\n')
    with pytest.raises(CatalogueError, match=r"row 1: the id '.*' .* save the ids as text"):
        read_catalogue(tmp_path / "t.csv")


@pytest.mark.parametrize("cell", ['"=""587732578312454276"""', '="587732578312454276"', "'587732578312454276"])
def test_an_id_that_a_spreadsheet_was_told_to_leave_alone_is_the_id_inside(tmp_path, cell):
    (tmp_path / "t.csv").write_text(f"id,mag\n{cell},1\n")
    assert list(read_catalogue(tmp_path / "t.csv").ids) == ["587732578312454276"]


WRITTEN = [
    "NA",
    "nan",
    "None",
    "null",
    "1e5",
    "100000",
    "007",
    "7",
    "TRUE",
    "-0",
    "1.0",
    "1",
    "G1",
    "g1",
    "1,000",
    "Infinity",
    "0x1F",
]
"""Ids that are something else to programs that guess."""


def test_ids_that_look_like_something_else_are_read_as_they_are_written_all_the_way(tmp_path, write_pictures, tree):
    write_pictures(WRITTEN)
    pd.DataFrame({"id": WRITTEN, "m": 1}).to_csv(tmp_path / "t.csv", index=False)
    catalogue = read_catalogue(tmp_path / "t.csv", images=tmp_path / "images")
    assert list(catalogue.ids) == WRITTEN
    assert None not in catalogue.images
    write_shards(catalogue, tmp_path / "shards", Preprocessing(size=16))
    assert list(read_catalogue(tmp_path / "shards").ids) == WRITTEN
    stored = write_predictions(tiny_model(tree), catalogue, tmp_path / "out", config=PredictionConfig(draws=2))
    assert list(stored.catalogue().ids) == WRITTEN
    chosen = acquire(stored, len(WRITTEN), score="random")
    write_selection(chosen, tmp_path / "s.csv", options={}, inputs={})
    assert sorted(read_selection(tmp_path / "s.csv")["id"]) == sorted(WRITTEN)
    write_subjects(read_selection(tmp_path / "s.csv"), catalogue, tmp_path / "subjects")
    assert sorted(galaxy_in(row, ["#id"]) for row in manifest_rows(tmp_path / "subjects")) == sorted(WRITTEN)
    votes = pd.DataFrame({"id": WRITTEN[::-1]} | {column: range(len(WRITTEN)) for column in tree.columns})
    write_csv(votes, tmp_path / "votes.csv", only="id")
    joined, strangers = add_votes(pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False), votes, tree, "id")
    assert strangers == 0
    assert joined[tree.columns[0]].tolist() == list(range(len(WRITTEN)))[::-1]


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (pa.array([2**64 - 1, 2**64 - 2], pa.uint64()), ["18446744073709551615", "18446744073709551614"]),
        (pa.array([2**63 - 1, -(2**63)]), ["9223372036854775807", "-9223372036854775808"]),
        (pa.array([SPECTRA[0], 1]).cast(pa.decimal128(20, 0)), [str(SPECTRA[0]), "1"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array([b"a", b"b"]), ["a", "b"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array([5.877e17, 1.0]).dictionary_encode(), None),
        (pa.array([SPECTRA[0], 1]).cast(pa.decimal128(22, 2)), None),
        (pa.array([b"a", b"\xff"]), None),
        (pa.array([["a"], ["b"]]), None),
    ],
    ids=["uint64", "int64", "decimal", "dictionary", "bytes", "large", "floats by dictionary", "cents", "no text", "lists"],
)
def test_ids_of_every_kind_that_parquet_has_are_read_exactly_or_refused(tmp_path, column, ids):
    pq.write_table(pa.table({"id": column, "m": [1, 2]}), tmp_path / "t.parquet")
    if ids is None:
        with pytest.raises(CatalogueError, match=r"t\.parquet"):
            read_catalogue(tmp_path / "t.parquet")
    else:
        assert list(read_catalogue(tmp_path / "t.parquet").ids) == ids


def test_a_column_twice_is_refused_in_every_kind_of_table(tmp_path):
    (tmp_path / "t.csv").write_text("id,m,m\na,1,2\n")
    pq.write_table(pa.table([["a"], [1], [2]], names=["id", "m", "m"]), tmp_path / "t.parquet")
    columns = [fits.Column("id", "2A", array=["a"]), *(fits.Column(name, "J", array=[1]) for name in ("m", "n"))]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(tmp_path / "t.fits")
    (tmp_path / "t.fits").write_bytes((tmp_path / "t.fits").read_bytes().replace(b"= 'n ", b"= 'm "))
    fields = "".join(f'<FIELD name="{name}" datatype="char" arraysize="*"/>' for name in ("id", "m", "m"))
    row = "<TR><TD>a</TD><TD>1</TD><TD>2</TD></TR>"
    (tmp_path / "t.vot").write_text(
        f'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{row}'
        "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    for kind in ("csv", "parquet", "fits", "vot"):
        with pytest.raises(CatalogueError, match=r"the column 'm' twice|already used as a name"):
            read_catalogue(tmp_path / f"t.{kind}")


@pytest.mark.parametrize("end", ["b,1", "b,1,", "b", "b,1,2\nc,1"])
def test_a_table_that_was_cut_off_within_a_row_is_refused_where_cells_are_gone(tmp_path, end):
    (tmp_path / "t.csv").write_text(f"id,m,n\na,1,2\n{end}")
    if end == "b,1,":
        assert len(read_catalogue(tmp_path / "t.csv")) == 2  # all cells are there, the last one blank
    else:
        with pytest.raises(CatalogueError, match=r"t\.csv ends within its last row, which has \d of 3 cells"):
            read_catalogue(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "cell", ["1,234", "0,5", "1_000", "1 000", "1\u202f000", "1'000", "1.234.567", "0x10", "5%", "(5)", "٣", "t"]
)
def test_votes_written_for_people_are_refused_and_never_read_as_another_number(tmp_path, cell):
    tree = DecisionTree("t", [Question("q", ["a", "b"])])
    table = pd.DataFrame({"id": ["x", "y"], "q_a": [cell, "2"], "q_b": "0"})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for kind in ("csv", "parquet"):
        with pytest.raises(CatalogueError, match=r"row 1 .* is not a number of votes"):
            read_catalogue(tmp_path / f"t.{kind}", tree=tree)


def test_yes_and_no_in_every_spelling_of_one_column_are_two_labels(tmp_path):
    tree = DecisionTree("t", [Question("merger", ["yes", "no"])], votes="class", min_votes=1)
    cells = ["True", "FALSE", "t", "F", "1", "0", "1.0", "0.0", "YES", " no ", "Y", "", "-999"]
    table = pd.DataFrame({"id": [f"g{i}" for i in range(len(cells))], "merger": cells})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    expected = [[1, 0], [0, 1]] * 5 + [[1, 0], [0, 0], [0, 0]]
    for kind in ("csv", "parquet"):
        assert read_catalogue(tmp_path / f"t.{kind}", tree=tree).votes.tolist() == expected
    table.assign(merger=["2", *cells[1:]]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(CatalogueError, match=r"row 1 .*the label '2' is not an answer"):
        read_catalogue(tmp_path / "t.csv", tree=tree)


def test_images_are_found_though_a_camera_or_a_machine_writes_their_names_otherwise(tmp_path, write_pictures):
    folder = write_pictures(["a", "b", "c", "d", "e"])
    parted = unicodedata.normalize("NFD", "Sérsic 1")
    (folder / "a.jpg").rename(folder / f"{parted}.jpg")
    (folder / "b.jpg").rename(folder / "G2.JPG")
    (folder / "c.jpg").rename(folder / "G3.Jpeg")
    (folder / "d.jpg").rename(folder / "G4.jpg")
    (folder / "e.jpg").rename(folder / "G4.JPG")
    (tmp_path / "t.csv").write_text("id\nSérsic 1\nG2\nG3\nG4\ng2\n")
    images = read_catalogue(tmp_path / "t.csv", images=folder).images
    assert [image and image.name for image in images] == [f"{parted}.jpg", "G2.JPG", "G3.Jpeg", "G4.jpg", None]
    (folder / "G4.JPG").unlink()
    assert sorted(read_catalogue(folder).ids) == ["G2", "G3", "G4", "Sérsic 1"]
