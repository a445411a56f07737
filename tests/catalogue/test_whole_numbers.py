"""Whole numbers of a table stay what they are, to the last digit, wherever a cell is blank and wherever they go."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_network import tiny_model

from zooactive.acquisition.selection_files import read_selection
from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.catalogue.surveys import join_catalogues
from zooactive.foundation.errors import CatalogueError
from zooactive.labels.subjects import write_subjects
from zooactive.prediction import PredictionConfig
from zooactive.prediction.runs import write_predictions

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
