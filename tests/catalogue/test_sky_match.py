"""Matches on the sky against brute force, also at the poles and across the first meridian, and the tables of matches."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from zooactive.catalogue.sky_match import match_sky
from zooactive.catalogue.tables import read_table
from zooactive.foundation.errors import CatalogueError, PosteriorError
from zooactive.workspace.match import match


def angles(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Every distance in arcsec, by the formula of Vincenty (1975)."""
    a, d = np.deg2rad(one).T[:, :, None]
    b, e = np.deg2rad(two).T[:, None, :]
    x = np.hypot(np.cos(e) * np.sin(b - a), np.cos(d) * np.sin(e) - np.sin(d) * np.cos(e) * np.cos(b - a))
    y = np.sin(d) * np.sin(e) + np.cos(d) * np.cos(e) * np.cos(b - a)
    return np.rad2deg(np.arctan2(x, y)) * 3600


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (359.9999, -30.0), (10.0, 89.9995), (0.0, -90.0)])
@pytest.mark.parametrize("arcsec", [0.5, 3.0, 60.0])
def test_the_nearest_within_the_distance_is_that_of_brute_force(ra, dec, arcsec):
    rng = np.random.default_rng(0)

    def around(number: int) -> np.ndarray:
        places = np.stack([ra + rng.normal(0, 0.01, number), dec + rng.normal(0, 0.002, number)], axis=1)
        return np.stack([places[:, 0] % 360, places[:, 1].clip(-90, 90)], axis=1)

    here, there = around(200), around(300)
    there[:50] = here[:50] + np.array([0, 1e-5])
    there[:, 1] = there[:, 1].clip(-90, 90)
    every = angles(here, there)
    found = match_sky(here, there, arcsec=arcsec)
    nearest = every.min(axis=1)
    np.testing.assert_array_equal(found.matched, nearest <= arcsec)
    np.testing.assert_allclose(found.arcsec[found.matched], nearest[found.matched], atol=2e-4)
    np.testing.assert_allclose(every[found.matched, found.row[found.matched]], nearest[found.matched], atol=2e-4)


def test_rows_that_share_a_match_are_counted():
    found = match_sky([[10, 0], [10.0001, 0], [20, 0]], [[10.00005, 0], [20, 0]], arcsec=1)
    assert found.row.tolist() == [0, 0, 1]
    assert found.shared() == 2
    assert match_sky(np.empty((0, 2)), [[1, 1]]).row.size == 0
    assert match_sky([[1, 1]], np.empty((0, 2))).row.tolist() == [-1]


@pytest.mark.parametrize("arcsec", [0, -1, float("nan"), 4000])
def test_distances_out_of_range_are_refused(arcsec):
    with pytest.raises(CatalogueError, match="give a number above 0, at most 3600"):
        match_sky([[1, 1]], [[1, 1]], arcsec=arcsec)
    with pytest.raises(CatalogueError, match=r"give \(row, 2\), right ascension and declination"):
        match_sky([1, 1], [[1, 1]])


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    mine = pd.DataFrame({"id": ["587732578312454276", "g2", "g3"], "ra": [10.0, 20.0, 30.0], "dec": 0.5, "votes": [1, 2, 3]})
    mine.to_csv(tmp_path / "mine.csv", index=False)
    theirs = Table(
        {
            "name": ["b", "a"],
            "RAJ2000": [20.0001, 10.0],
            "DEJ2000": [0.5, 0.5],
            "specObjID": [299489677444933633, 299489677444933634],  # digits that a float would lose
            "z": [0.05, 0.07],
        }
    )
    theirs.write(tmp_path / "theirs.fits")
    return tmp_path / "mine.csv", tmp_path / "theirs.fits"


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".fits", ".xml"])
def test_the_columns_of_the_counterpart_stand_beside_the_galaxies_own(tables, tmp_path, ending):
    out = tmp_path / f"matched{ending}"
    found = match(*tables, out, other_id="name")
    assert found == (out, 3, 2, 0)
    table = read_table(out).frame
    assert table["id"].tolist() == ["587732578312454276", "g2", "g3"]
    assert [str(value) for value in table["other_specObjID"][:2]] == ["299489677444933634", "299489677444933633"]
    assert table["other_z"].astype(float)[:2].tolist() == pytest.approx([0.07, 0.05])
    assert float(table["other_arcsec"][1]) == pytest.approx(0.36, abs=0.001)
    assert pd.isna(table["other_z"][2]) or table["other_z"][2] == ""
    assert match(*tables, tmp_path / "only.csv", other_id="name", matched_only=True).galaxies == 2


@pytest.mark.skipif(shutil.which("stilts") is None, reason="stilts is not installed")
@pytest.mark.parametrize("ending", [".fits", ".xml"])
def test_stilts_has_nothing_to_say_about_the_tables(tables, tmp_path, ending):
    out = tmp_path / f"matched{ending}"
    match(*tables, out, other_id="name")
    if ending == ".xml":
        told = subprocess.run(["stilts", "votlint", str(out)], capture_output=True, text=True, check=False)
        assert (told.stdout.strip(), told.returncode) == ("", 0)
    counted = subprocess.run(["stilts", "tpipe", f"in={out}", "omode=count"], capture_output=True, text=True, check=True)
    assert "rows: 3" in counted.stdout
    assert not counted.stderr.strip()


def test_what_cannot_be_matched_is_told(tables, tmp_path):
    mine, theirs = tables
    with pytest.raises(CatalogueError, match=r"mine.csv, a table that it is made from; give another --out"):
        match(mine, theirs, mine, other_id="name")
    with pytest.raises(PosteriorError, match=r"give a name that ends in \.csv, \.parquet"):
        match(mine, theirs, tmp_path / "out.txt", other_id="name")
    with pytest.raises(CatalogueError, match="has none of the id columns"):
        match(mine, theirs, tmp_path / "out.csv")
    pd.read_csv(mine).assign(other_z=1).to_csv(mine, index=False)
    with pytest.raises(CatalogueError, match="already has a column 'other_z', which the match would write; rename it"):
        match(mine, theirs, tmp_path / "out.csv", other_id="name")
