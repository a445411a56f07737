"""Places on the sky under any usual name, sizes of fields, services as data, and pauses."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue.cutouts.coordinates import degrees_of, find_coordinates
from zooactive.catalogue.cutouts.pace import LONGEST, Pace, retry_after
from zooactive.catalogue.cutouts.services import FILE_PLACES, list_services, load_service
from zooactive.catalogue.cutouts.sizes import CutoutSize
from zooactive.foundation.errors import CatalogueError


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "ra", "dec"], ("ra", "dec")),
        (["RA", "DEC"], ("RA", "DEC")),
        (["_RAJ2000", "_DEJ2000"], ("_RAJ2000", "_DEJ2000")),
        (["RA (deg)", "Dec [deg]"], ("RA (deg)", "Dec [deg]")),
        (["ALPHA_J2000", "DELTA_J2000"], ("ALPHA_J2000", "DELTA_J2000")),
        (["RA_ICRS", "DE_ICRS"], ("RA_ICRS", "DE_ICRS")),
        (["TARGET_RA", "TARGET_DEC"], ("TARGET_RA", "TARGET_DEC")),
        (["ra_deg", "dec_deg", "RA", "DEC"], ("RA", "DEC")),
        (["right_ascension", "declination"], ("right_ascension", "declination")),
    ],
)
def test_columns_are_found_under_their_usual_names(columns, expected):
    assert find_coordinates(columns, None, None, "t.csv") == expected


def test_columns_that_are_not_there_are_told():
    assert find_coordinates(["x", "y"], "x", "y", "t.csv") == ("x", "y")
    with pytest.raises(CatalogueError, match=r"t.csv has no column of right ascension; name it with --ra \(it has x, y\)"):
        find_coordinates(["x", "y"], None, None, "t.csv")
    with pytest.raises(CatalogueError, match="no column of declination; name it with --dec"):
        find_coordinates(["ra", "y"], None, None, "t.csv")
    with pytest.raises(CatalogueError, match=r"has no column 'ra_dge'\. Did you mean 'ra_deg'"):
        find_coordinates(["ra_deg", "dec"], "ra_dge", None, "t.csv")


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        ("150.5", "-2.25", (150.5, -2.25)),
        ("-10", "0", (350, 0)),
        ("360", "90", (0, 90)),
        ("10:02:00", "-02:15:00", (150.5, -2.25)),
        ("10 02 00.0", "-00 30 00", (150.5, -0.5)),
        ("10h02m00s", "+02d15m00s", (150.5, 2.25)),
        ("150d30m", "\u22122d15m", (150.5, -2.25)),
        ("150.5d", "-2.25 deg", (150.5, -2.25)),
        ("23:59:59.9999", "0", (360 - 0.0001 / 240, 0)),
        ("1.505e2", "-2.25e0", (150.5, -2.25)),
    ],
)
def test_degrees_and_sexagesimal_say_the_same_place(ra, dec, expected):
    frame = pd.DataFrame({"ra": [ra], "dec": [dec]})
    np.testing.assert_allclose(degrees_of(frame, "ra", "dec", "t.csv")[0], expected, atol=1e-9)


def test_twenty_four_hours_are_none(recwarn):
    frame = pd.DataFrame({"ra": ["24:00:00"], "dec": ["-90"]})
    ((ra, dec),) = degrees_of(frame, "ra", "dec", "t.csv")
    assert not recwarn.list
    address = load_service("legacy-dr10-grz").address("jpg", ra, dec, arcsec=60, size=256)
    assert "?ra=0&dec=-90&" in address


@pytest.mark.parametrize(
    ("ra", "dec", "words"),
    [
        ("361", "0", "row 2: '361' .column 'ra'. is not a place on the sky"),
        ("10", "91", "row 2: '91' .column 'dec'. is not a place"),
        ("25:00:00", "0", "row 2: '25:00:00' .column 'ra'. is not a place"),
        ("north", "0", "'north' .column 'ra'. is not a place"),
        ("nan", "0", "row 2: column 'ra' is blank|'nan' .column 'ra'. is not a place"),
        (None, "0", "row 2: column 'ra' is blank; give coordinates or leave the row out"),
        ("1", "99:99:99", "is not a place"),
        ("inf", "0", "'inf' .column 'ra'. is not a place"),
    ],
)
def test_what_is_no_place_is_told_with_its_row(ra, dec, words):
    frame = pd.DataFrame({"ra": ["1", ra], "dec": ["1", dec]})
    with pytest.raises(CatalogueError, match=words):
        degrees_of(frame, "ra", "dec", "t.csv")


def test_fields_are_of_one_size_by_a_radius_or_like_those_of_galaxy_zoo():
    frame = pd.DataFrame({"R90": [5.0, 12.0], "petro_th50": [3.0, 40.0], "petro_th90": [10.0, 90.0]})
    assert CutoutSize(arcsec=60).sides(frame, "t").tolist() == [60, 60]
    assert CutoutSize(arcsec=60).pixels == 256
    assert CutoutSize(128, column="R90", times=8).sides(frame, "t").tolist() == [40, 96]
    like = CutoutSize(like="gz-decals")
    assert like.pixels == 424
    # max(min(.04 petro50, .02 petro90), .1) arcsec a pixel: .12 of .2, and 1.6 of 1.8
    np.testing.assert_allclose(like.sides(frame, "t"), [424 * 0.12, 424 * 1.6])
    small = pd.DataFrame({"PETRO_TH50": [1.0], "PETRO_TH90": [2.0]})
    np.testing.assert_allclose(like.sides(small, "t"), [42.4])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give exactly one of them"),
        ({"arcsec": 60, "like": "gz-decals"}, "give exactly one of them"),
        ({"column": "R90"}, "give both"),
        ({"arcsec": 60, "times": 2}, "give both"),
        ({"arcsec": -1}, "arcsec = -1: give a number above 0"),
        ({"arcsec": float("nan")}, "arcsec = nan"),
        ({"like": "gz-decal"}, "Did you mean 'gz-decals'"),
        ({"arcsec": 1, "pixels": -4}, "pixels = -4"),
    ],
)
def test_sizes_that_say_nothing_or_too_much_are_refused(options, words):
    with pytest.raises(CatalogueError, match=words):
        CutoutSize(**options)


def test_a_radius_that_is_none_is_told_with_its_row():
    frame = pd.DataFrame({"r": ["3", "-1"]})
    with pytest.raises(CatalogueError, match=r"row 2: '-1' \(column 'r'\) is not a radius in arcsec"):
        CutoutSize(column="r", times=4).sides(frame, "t.csv")
    with pytest.raises(CatalogueError, match="has none of the columns petro_th50"):
        CutoutSize(like="gz-decals").sides(frame, "t.csv")
    with pytest.raises(CatalogueError, match="has no column 'R90'"):
        CutoutSize(column="R90", times=4).sides(frame, "t.csv")


@pytest.mark.parametrize("name", list_services())
def test_every_service_has_a_credit_and_an_address_that_can_be_filled_in(name):
    service = load_service(name)
    assert service.name == name
    assert service.credit
    assert service.licence
    assert service.connections <= 2
    assert service.pause >= 0.5
    for form in ("jpg", "fits"):
        if getattr(service, form).address:
            names = dict.fromkeys(FILE_PLACES, "a/b.fits")
            listed = service.list_address(form, 359.99999999, -0.00000001, arcsec=256 * service.scale)
            address = service.address(form, 359.99999999, -0.00000001, arcsec=256 * service.scale, size=256)
            if service.form(form).of_files:
                assert listed.startswith("https://")
                assert "{" not in listed
                assert "ra=0&dec=0&" in listed or "CIRCLE(%27ICRS%27,0,0," in listed
                address = address.format(**names)
            else:
                assert not listed
            assert address.startswith("https://")
            assert "{" not in address
            assert "ra=0&dec=0&" in address or "POS=CIRCLE,0,0," in address, "0 as near as seven digits tell, and not 360"
            assert "256" in address or f"{128 * service.scale / 3600:.9f}" in address


def test_a_service_of_ones_own_is_read_or_told_what_it_lacks(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('title = "t"\ncredit = "c"\nlicence = "l"\nscale = 1.0\n[jpg]\naddress = "http://a?{ra}&{dec}&{size}"\n')
    assert load_service(file).address("jpg", 1, 2, arcsec=10, size=5) == "http://a?1&2&5"
    for old, new, words in (
        ("{size}", "{zoom}", r"the address of jpg has a placeholder \{zoom\}; known are"),
        ("{ra}", "", r"needs \{ra\} and \{dec\}"),
        ("{ra}", "{ra", "is not a template"),
        ("scale = 1.0", "scale = 0.0", "scale must be above 0"),
        ("scale = 1.0", "", "has no entry 'scale'"),
        ("title", "titel", "has no entry 'title'"),
        ("licence", "license = 'l'\nlicence", "the entry 'license' is unknown. Did you mean 'licence'"),
    ):
        bad = tmp_path / "bad.toml"
        bad.write_text(file.read_text().replace(old, new, 1))
        with pytest.raises(CatalogueError, match=words):
            load_service(bad)


def test_requests_begin_a_pause_apart_and_later_when_the_server_says_so():
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(2.0, sleep=sleep, clock=lambda: now[0])
    pace.wait()
    pace.wait()
    assert slept == [2.0]
    pace.hold(30.0)
    pace.hold(5.0)
    pace.wait()
    assert slept == [2.0, 30.0]
    pace.hold(1e9)
    pace.wait()
    assert slept[-1] == LONGEST


def test_retry_after_is_read_in_seconds_and_as_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("Thu, 01 Jan 2026 00:02:00 GMT", now) == 120
    assert retry_after("Wed, 31 Dec 2025 00:00:00 GMT", now) == 0
    assert (retry_after(" 7 "), retry_after(""), retry_after("-3"), retry_after("1.5")) == (7, 0, 0, 0)
