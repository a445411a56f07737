"""CSV as Excel, other countries and other programs write it; FITS files of several tables; folders inside folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from zooactive.catalogue import read_catalogue
from zooactive.foundation.errors import CatalogueError

PLAIN = "id,mag,name,digits\nx,1.5,Été,007\ny,2.25,b,010\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_csv_in_any_encoding_and_with_any_separator_is_the_same_table(tmp_path: Path, encoding: str, separator: str):
    (tmp_path / "plain.csv").write_text(PLAIN, encoding="utf-8")
    (tmp_path / "other.csv").write_bytes(PLAIN.replace(",", separator).encode(encoding))
    wanted = read_catalogue(tmp_path / "plain.csv")
    if (encoding, separator) == ("utf-8-sig", ","):
        found = read_catalogue(tmp_path / "other.csv")
    else:
        with pytest.warns(UserWarning, match="other.csv: read as ") as told:
            found = read_catalogue(tmp_path / "other.csv")
        text = str(told[0].message)
        assert ("UTF-16" in text) == encoding.startswith("utf-16")
        assert ("Windows-1252" in text) == (encoding == "cp1252")
        assert ("semicolons" in text, "tabs" in text) == (separator == ";", separator == "\t")
    assert list(found.ids) == list(wanted.ids)
    pd.testing.assert_frame_equal(found.table, wanted.table)


@pytest.mark.filterwarnings("ignore:.*read as")
def test_a_comma_is_a_decimal_point_where_semicolons_separate(tmp_path: Path):
    (tmp_path / "g.csv").write_text("name;mag;note\n1,5;17,25;a, b\n2;-0,5;\n")
    with pytest.warns(UserWarning, match="semicolons and commas as decimal points"):
        found = read_catalogue(tmp_path / "g.csv", id_column="name")
    assert list(found.ids) == ["1,5", "2"]
    assert list(found.table["mag"]) == [17.25, -0.5]
    assert found.table["note"][0] == "a, b"


@pytest.mark.filterwarnings("ignore:.*read as")
@pytest.mark.parametrize("text", ["id;mag;ra\nx;1;2\ny;2", "id\tmag\nx\t1\t3\ny\t2\t4\n"])
def test_a_csv_with_another_separator_is_refused_for_what_a_plain_one_is_refused(tmp_path: Path, text: str):
    (tmp_path / "g.csv").write_text(text)
    with pytest.raises(CatalogueError, match=r"g\.csv (ends within its last row|cannot be read as a table)"):
        read_catalogue(tmp_path / "g.csv")


def test_a_file_with_commas_in_its_header_is_left_as_it_is(tmp_path: Path):
    (tmp_path / "g.csv").write_text('id,"a;b;c",note\nx,1,2;3\n')
    found = read_catalogue(tmp_path / "g.csv").table
    assert list(found.columns) == ["a;b;c", "note"]
    assert found["note"][0] == "2;3"


@pytest.mark.filterwarnings("ignore:.*read as")
def test_a_name_may_have_a_comma_where_all_lines_have_as_many_semicolons(tmp_path: Path):
    (tmp_path / "g.csv").write_text("id;mag, z;note, free\nx;17,25;\n\ny;-0,5;c\n")
    found = read_catalogue(tmp_path / "g.csv").table
    assert list(found.columns) == ["mag, z", "note, free"]
    assert list(found["mag, z"]) == [17.25, -0.5]


@pytest.mark.parametrize("line", ["x,1\ny,2\n", "x,a;b;c\ny,2\n", "x,a;b\ny,c;d\n"])
def test_semicolons_in_a_header_of_commas_separate_only_where_all_lines_have_them(tmp_path: Path, line: str):
    (tmp_path / "g.csv").write_text("id,a;b;c\n" + line)
    assert list(read_catalogue(tmp_path / "g.csv").table.columns) == ["a;b;c"]


def test_of_several_fits_tables_the_first_with_an_id_column_is_read_and_told(tmp_path: Path):
    from astropy.io import fits

    def table(name: str, **columns: list[int]) -> fits.BinTableHDU:
        return fits.BinTableHDU.from_columns([fits.Column(c, "K", array=v) for c, v in columns.items()], name=name)

    two = [table("DEPTHS", depth=[1]), table("GALAXIES", id=[7, 8], mag=[1, 2])]
    fits.HDUList([fits.PrimaryHDU(), *two]).writeto(tmp_path / "g.fits")
    with pytest.warns(UserWarning, match=r"extension 2 \('GALAXIES'\) of its 2 tables is read"):
        assert list(read_catalogue(tmp_path / "g.fits").ids) == ["7", "8"]
    fits.HDUList([fits.PrimaryHDU(), two[1], two[0]]).writeto(tmp_path / "first.fits")
    assert list(read_catalogue(tmp_path / "first.fits").ids) == ["7", "8"]  # only one has ids: nothing to tell
    with pytest.raises(CatalogueError, match="the id column 'objid' is missing"):
        read_catalogue(tmp_path / "first.fits", id_column="objid")


def test_a_folder_of_images_is_read_with_its_subfolders(tmp_path: Path, write_pictures):
    write_pictures(["a", "b"], tmp_path / "all" / "brick1")
    write_pictures(["c"], tmp_path / "all")
    write_pictures(["hidden"], tmp_path / "all" / ".thumbnails")
    found = read_catalogue(tmp_path / "all")
    assert sorted(found.ids) == ["a", "b", "c"]
    assert all(image.is_file() for image in found.images)
    (tmp_path / "g.csv").write_text("id\na\nc\n")
    named = read_catalogue(tmp_path / "g.csv", images=tmp_path / "all")
    assert [image.name for image in named.images] == ["a.jpg", "c.jpg"]


def test_one_name_in_two_subfolders_is_refused_and_one_nearer_is_taken(tmp_path: Path, write_pictures):
    for band in ("g", "r"):
        write_pictures(["a"], tmp_path / "all" / band)
    (tmp_path / "t.csv").write_text("id\na\n")
    with pytest.raises(CatalogueError, match=r"g.a\.jpg and r.a\.jpg are both named 'a'"):
        read_catalogue(tmp_path / "all")
    with pytest.raises(CatalogueError, match=r"has a\.jpg in .*g and in .*r; give one of these folders"):
        read_catalogue(tmp_path / "t.csv", images=tmp_path / "all")
    write_pictures(["a"], tmp_path / "all")
    assert read_catalogue(tmp_path / "t.csv", images=tmp_path / "all").images == (tmp_path / "all" / "a.jpg",)


def test_a_missing_image_column_is_told_with_the_names_that_are_looked_for(tmp_path: Path):
    (tmp_path / "g.csv").write_text("id,cutout,mag\na,a.jpg,1\n")
    with pytest.raises(CatalogueError, match=r"'cutot' is missing .*Did you mean 'cutout'.* file_loc, image, png_loc"):
        read_catalogue(tmp_path / "g.csv", image_column="cutot")
