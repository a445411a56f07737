"""Where a table's images lie is decided row by row, with one list of a folder in place of a look at every file."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from zooactive.catalogue import Preprocessing, image_places, read_catalogue
from zooactive.catalogue.image_places import places_of

IDS = [f"J{i:02d}" for i in range(24)]


@pytest.fixture
def folder(write_pictures) -> Path:
    return write_pictures(IDS)


def found(table: list[str], folder: Path) -> list[str]:
    """The paths from the folder at which each cell's image is, or is not."""
    places = places_of(set(table), folder)
    return [os.path.relpath(places[cell], folder) if places[cell].exists() else f"no {places[cell]}" for cell in table]


@pytest.mark.parametrize("missing", [0, 7, 23])
@pytest.mark.parametrize("form", ["/old/{}.jpg", "/old/{0}/{0}.jpg", "D:\\galaxies\\{}.jpg", "sub\\{}.jpg", "sub/{}.jpg"])
def test_one_missing_image_takes_no_other_away(folder, tmp_path, missing, form):
    (folder / f"{IDS[missing]}.jpg").unlink()
    table = tmp_path / "elsewhere.csv"
    pd.DataFrame({"id": IDS, "file_loc": [form.format(name) for name in IDS]}).to_csv(table, index=False)
    _, failures = read_catalogue(table, images=folder).decode(Preprocessing(size=8))
    assert list(failures) == [missing]
    assert str(folder / f"{IDS[missing]}.jpg") in failures[missing]
    assert failures[missing].kind == "permanent"


def test_rows_of_several_kinds_are_each_found(folder):
    (folder / "deep").mkdir()
    (folder / "J01.jpg").rename(folder / "deep" / "J01.jpg")
    cells = ["/gone/J00.jpg", "deep/J01.jpg", str(folder / "J02.jpg"), " J03.jpg ", "C:\\x\\J04.jpg", "J99.jpg"]
    assert found(cells, folder) == ["J00.jpg", "deep/J01.jpg", "J02.jpg", "J03.jpg", "J04.jpg", f"no {folder / 'J99.jpg'}"]


def test_a_name_that_two_paths_have_finds_nobodys_image(folder):
    cells = ["/a/J00.jpg", "/b/J00.jpg", "/a/J01.jpg"]
    assert found(cells, folder) == ["no /a/J00.jpg", "no /b/J00.jpg", "J01.jpg"]


def test_a_name_with_a_backslash_that_is_there_is_taken_as_it_is(folder):
    (folder / "J00.jpg").rename(folder / "odd\\J01.jpg")
    assert found(["odd\\J01.jpg", "J01.jpg"], folder) == ["odd\\J01.jpg", "J01.jpg"]


@pytest.mark.parametrize("cell", ["/", ".", "..", "a/", "\\", "x" * 5000, "a\0b"])
def test_odd_paths_end_at_their_own_place(folder, cell):
    assert places_of({cell}, folder)[cell] == folder / cell


def test_many_rows_cost_a_list_of_the_folder_and_few_a_look_each(folder, monkeypatch):
    looks: list[Path] = []
    lists: list[str] = []
    listed = image_places._listed
    monkeypatch.setattr(image_places, "is_here", lambda path: looks.append(path) or path.exists())
    monkeypatch.setattr(image_places, "_listed", lambda place: lists.append(place) or listed(place))
    places_of({f"/old/{name}.jpg" for name in IDS}, folder)
    assert (len(looks), sorted(lists)) == (0, sorted(["/old", str(folder)]))
    lists.clear()
    places_of({f"/old/{name}.jpg" for name in IDS[:3]}, folder)
    assert (len(looks), lists) == (6, [])
