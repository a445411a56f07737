"""Cutouts of services that list their files first: STScI's Pan-STARRS and ESA's Euclid, in the form of loopback."""

from __future__ import annotations

import io
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from sky_archives import Archive, archive, mosaic_file, plane, skycell_file
from sky_service import jpeg

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.cutouts.fetch import cutouts_of, fetch_cutouts
from zooactive.catalogue.cutouts.pace import Pace
from zooactive.catalogue.cutouts.services import load_service
from zooactive.catalogue.cutouts.sizes import CutoutSize
from zooactive.catalogue.images import decode
from zooactive.foundation.errors import CatalogueError

ARCSEC = 12.0
PS1, EUCLID = "panstarrs-stsci", "euclid-q1-esa"


def write_table(folder: Path, number: int = 4) -> Path:
    """A table of galaxies; their places are (10.5, 1.25), (11.5, 2.25), ..."""
    file = folder / "table.csv"
    pd.DataFrame([{"id": f"g{i}", "ra": 10.5 + i, "dec": 1.25 + i} for i in range(number)]).to_csv(file, index=False)
    return file


def at(step: str, i: int) -> tuple[str, str, str]:
    return step, f"{10.5 + i:g}", f"{1.25 + i:g}"


def fetch(server: Archive, folder: Path, survey: str, **options):
    service = server.write_archive(folder, survey, **options.pop("service", {}))
    table = options.pop("table", None) or write_table(folder)
    size = CutoutSize(24 if options.get("form") != "fits" else 0, arcsec=ARCSEC)
    options = {"size": size, "progress": None} | options
    return fetch_cutouts(table, service, folder / "images", **options)


def failures_of(folder: Path) -> list[dict[str, str]]:
    return pd.read_parquet(folder / "images" / "failures.parquet").to_dict("records")


def asked_with(server: Archive, path: str) -> list[dict[str, str]]:
    places = [urlsplit(address) for address in server.addresses]
    return [{name: said[0] for name, said in parse_qs(place.query).items()} for place in places if place.path == path]


# Pan-STARRS ------------------------------------------------------------------------------------------------------------


def test_a_picture_of_panstarrs_is_cut_out_of_the_three_files_that_are_listed(tmp_path):
    with archive() as server:
        found = fetch(server, tmp_path, PS1)
        again = fetch(server, tmp_path, PS1)
    assert (found.galaxies, found.failed.number, again.galaxies) == (4, 0, 4)
    assert server.steps() == {"list": 4, "irg": 4}, "nothing is asked for twice"
    assert {asked["filters"] for asked in asked_with(server, "/cgi-bin/ps1filenames.py")} == {"irg"}
    (first,) = [asked for asked in asked_with(server, "/cgi-bin/fitscut.cgi") if asked["ra"] == "10.5"]
    assert [first[colour] for colour in ("red", "green", "blue")] == [skycell_file(10.5, 1.25, band) for band in "irg"]
    assert (first["size"], first["output_size"], first["format"]) == ("48", "24", "jpg"), "12 arcsec are 48 pixels of 0.25"
    for i in range(4):
        assert (tmp_path / "images" / f"g{i}.jpg").read_bytes() == jpeg(10.5 + i, 1.25 + i, 24)
    assert found.credit == "Pan-STARRS1 Surveys / STScI"


@pytest.mark.parametrize(
    ("fault", "what", "kind", "words"),
    [
        ("none", "off the survey", "permanent", "lists no file that covers this field"),
        ("no r", "other bands", "permanent", "the survey has no r here"),
        ("text", "fault", "transient", "cannot be read (it has no column filename); it says 'no such layer'"),
        ("torn", "fault", "transient", "cannot be read (a row has another number of cells)"),
        ("empty", "fault", "transient", "the list of files is empty"),
        ("404", "refused", "permanent", "answered 404"),
        ("503", "fault", "transient", "answered 503"),
        ("hang", "fault", "transient", "no complete answer came (ReadTimeout"),
    ],
)
def test_what_is_not_listed_is_told_by_its_kind(tmp_path, fault, what, kind, words):
    with archive({at("list", 2): (fault,)}) as server:
        found = fetch(server, tmp_path, PS1, service={"timeout": 0.3})
        (failure,) = failures_of(tmp_path)
        assert (failure["id"], failure["what"], failure["kind"]) == ("g2", what, kind)
        assert words in failure["reason"]
        assert failure["address"] == f"{server.base}/cgi-bin/ps1filenames.py?ra=12.5&dec=3.25&filters=irg"
        assert (found.galaxies, found.kinds) == (3, {what: 1})
        assert server.asked[at("list", 2)] == (5 if kind == "transient" else 1)
        assert server.asked[at("irg", 2)] == 0, "nothing is cut that is not listed"
        server.faults = {}
        server.asked.clear()
        once_more = fetch(server, tmp_path, PS1)
        assert server.steps() == ({"list": 1, "irg": 1} if kind == "transient" else {}), "what may pass is asked for again"
        if kind == "permanent":
            once_more = fetch(server, tmp_path, PS1, retry_failures=True)
            assert server.steps() == {"list": 1, "irg": 1}
        assert (once_more.galaxies, once_more.failed.number) == (4, 0)


@pytest.mark.parametrize(
    ("fault", "what", "kind", "words"),
    [
        ("off", "off the survey", "permanent", "has only one colour (255, 255, 255)"),
        ("edge", "off the survey", "permanent", "an edge of the image has only one colour (255, 255, 255)"),
        ("clipped", "another size", "permanent", "12 by 12 pixels came, but 24"),
        ("text", "no image", "permanent", "says 'no such layer'"),
        ("404", "refused", "permanent", "answered 404"),
        ("503", "fault", "transient", "answered 503"),
        ("damaged", "cut off", "transient", "cannot be decoded"),
        ("cut", "fault", "transient", "no complete answer came"),
    ],
)
def test_what_is_not_cut_is_told_by_its_kind_and_its_list_is_kept(tmp_path, fault, what, kind, words):
    with archive({at("irg", 2): (fault,)}) as server:
        found = fetch(server, tmp_path, PS1)
        (failure,) = failures_of(tmp_path)
        assert (failure["id"], failure["what"], failure["kind"]) == ("g2", what, kind)
        assert words in failure["reason"]
        assert failure["address"].endswith(f"&blue={skycell_file(12.5, 3.25, 'g')}"), "the address that was asked"
        assert found.kinds == {what: 1}
        assert (server.asked[at("list", 2)], server.asked[at("irg", 2)]) == (1, 5 if kind == "transient" else 1)
        server.faults = {}
        server.asked.clear()
        once_more = fetch(server, tmp_path, PS1, retry_failures=kind == "permanent")
    assert server.steps() == {"irg": 1}, "the list is there"
    assert (once_more.galaxies, once_more.failed.number) == (4, 0)


def test_south_of_panstarrs_nothing_is_listed(tmp_path):
    table = tmp_path / "south.csv"
    table.write_text("id,ra,dec\nnorth,10,-29.5\nsouth,10,-31\n")
    with archive() as server:
        found = fetch(server, tmp_path, PS1, table=table)
    assert (found.galaxies, found.kinds) == (1, {"off the survey": 1})


def test_other_bands_make_other_colours_and_three_of_them(tmp_path):
    with archive() as server:
        fetch(server, tmp_path, PS1, bands="yzi")
        service = server.write_archive(tmp_path, PS1)
    (first, *_) = asked_with(server, "/cgi-bin/fitscut.cgi")
    assert [first[colour].split(".stk.")[1][0] for colour in ("red", "green", "blue")] == ["y", "z", "i"]
    for bands, words in (
        ("gr", "bands = 'gr': a colour picture needs three bands, red before green and blue"),
        ("gru", "has no band 'u'; it has g, r, i, z, y"),
        ("grr", "and each band once"),
    ):
        with pytest.raises(CatalogueError, match=words):
            cutouts_of(write_table(tmp_path), service, size=CutoutSize(24, arcsec=12), bands=bands)


def test_the_files_of_panstarrs_become_one_with_an_extension_a_band(tmp_path):
    with archive() as server:
        found = fetch(server, tmp_path, PS1, form="fits")
    assert server.steps() == {"list": 4, "g": 4, "r": 4, "i": 4, "z": 4, "y": 4}
    with fits.open(tmp_path / "images" / "g1.fits") as hdus:
        assert [hdu.header.get("EXTNAME") for hdu in hdus] == [None, "g", "r", "i", "z", "y"]
        for hdu in hdus[1:]:
            band = hdu.header["BAND"]
            np.testing.assert_array_equal(hdu.data, plane(11.5, 2.25, 48, band))
            assert (hdu.header["FILTER"], hdu.header["CRVAL1"]) == (f"{band}.00000", 11.5)
    catalogue = read_catalogue(found.table)
    pixels, failed = catalogue.decode(Preprocessing(size=48, stretch="legacy-grz"))
    assert not failed
    cube = fits.PrimaryHDU(np.stack([plane(11.5, 2.25, 48, band) for band in "grz"]))
    cube.header["BANDS"] = "grz"
    stream = io.BytesIO()
    cube.writeto(stream)
    np.testing.assert_array_equal(pixels[1], decode(stream.getvalue(), Preprocessing(size=48, stretch="legacy-grz")))
    assert len(np.unique(pixels[1])) > 20


def test_own_pixels_follow_from_the_field(tmp_path):
    table = tmp_path / "radii.csv"
    table.write_text("id,ra,dec,r\na,10,1,2.0\nb,20,1,3.03\n")
    with archive() as server:
        service = server.write_archive(tmp_path, PS1)
        planned = cutouts_of(table, service, size=CutoutSize(column="r", times=4), form="fits")
        assert [(one.pixels, one.arcsec) for one in planned] == [(32, 8.0), (48, 12.0)], "12.12 arcsec are 48.48 pixels"
        with pytest.raises(CatalogueError, match=r"12 arcsec around galaxy 'g0' are 48 of 0\.25 arcsec, not 64; leave"):
            fetch(server, tmp_path, PS1, form="fits", size=CutoutSize(64, arcsec=12))
        with pytest.raises(CatalogueError, match=r"1 to 2048 pixels of 0\.25 arcsec on a side; 600 arcsec .* are 2400"):
            cutouts_of(write_table(tmp_path), service, size=CutoutSize(arcsec=600))
        assert fetch(server, tmp_path, PS1, form="fits", size=CutoutSize(48, arcsec=12)).galaxies == 4
        server.asked.clear()
        assert fetch(server, tmp_path, PS1, form="fits", size=CutoutSize(arcsec=12)).galaxies == 4
        assert not server.asked, "it is the same field"


# Euclid ----------------------------------------------------------------------------------------------------------------


def test_the_mosaics_of_euclid_become_one_file_of_four_bands(tmp_path):
    with archive() as server:
        found = fetch(server, tmp_path, EUCLID, form="fits")
        again = fetch(server, tmp_path, EUCLID, form="fits")
    assert (found.galaxies, again.galaxies) == (4, 4)
    assert server.steps() == {"list": 4, "VIS": 4, "Y": 4, "J": 4, "H": 4}
    asked = [one for one in asked_with(server, "/sas-cutout/cutout") if one["POS"].startswith("CIRCLE,10.5,1.25,")]
    tile = 102018010
    assert [one["FILEPATH"] for one in asked] == [
        "/".join(mosaic_file(tile, band)) for band in ("VIS", "NIR_Y", "NIR_J", "NIR_H")
    ]
    assert [float(one["POS"].split(",")[3]) for one in asked] == pytest.approx([6 / 3600] * 4, abs=1e-9)
    query = asked_with(server, "/tap-server/tap/sync")[0]["QUERY"]
    reach = float(query.partition("CIRCLE('ICRS',")[2].split(",")[2].rstrip(")"))
    assert reach == pytest.approx(6 * 2**0.5 / 3600, abs=1e-9), "the mosaic holds the corners, too"
    with fits.open(tmp_path / "images" / "g0.fits") as hdus:
        assert [hdu.header["EXTNAME"] for hdu in hdus[1:]] == ["VIS", "Y", "J", "H"]
        np.testing.assert_array_equal(hdus["J"].data, plane(10.5, 1.25, 120, "NIR_J"))
    pixels, failed = read_catalogue(found.table).decode(Preprocessing(size=120, stretch="linear 0 10"))
    assert not failed
    grey = np.round(255 * np.clip(plane(10.5, 1.25, 120, "VIS") / 10, 0, 1))[::-1]
    np.testing.assert_array_equal(pixels[0], np.stack([grey] * 3, axis=-1))
    pixels, _ = read_catalogue(found.table).decode(Preprocessing(size=120, bands=["H", "VIS"], stretch="linear 0 10"))
    both = [np.round(255 * np.clip(plane(10.5, 1.25, 120, band) / 10, 0, 1))[::-1] for band in ("NIR_H", "VIS")]
    np.testing.assert_array_equal(pixels[0], np.stack(both, axis=-1))


def test_all_bands_are_of_one_tile(tmp_path):
    with archive({at("list", 0): ("overlap",)}) as server:
        fetch(server, tmp_path, EUCLID, form="fits")
    asked = asked_with(server, "/sas-cutout/cutout")
    tiles = {one["POS"].split(",")[1]: one["FILEPATH"].partition("_TILE")[2][:9] for one in asked}
    assert len(asked) == 16
    assert tiles == {"10.5": "102018011", "11.5": "102018011", "12.5": "102018012", "13.5": "102018013"}


def test_one_band_of_euclid_is_asked_for_by_its_name(tmp_path):
    with archive() as server:
        fetch(server, tmp_path, EUCLID, form="fits", bands="vis")
        assert server.steps() == {"list": 4, "VIS": 4}
        service = server.write_archive(tmp_path, EUCLID)
        with pytest.raises(CatalogueError, match="has no band 'K'; it has VIS, Y, J, H"):
            cutouts_of(write_table(tmp_path), service, size=CutoutSize(arcsec=12), form="fits", bands="VIS,K")
    with fits.open(tmp_path / "images" / "g3.fits") as hdus:
        assert [hdu.header["EXTNAME"] for hdu in hdus[1:]] == ["VIS"]


@pytest.mark.parametrize(
    ("step", "fault", "what", "words"),
    [
        ("list", "none", "off the survey", "lists no file that covers this field"),
        ("list", "no H", "other bands", "the survey has no H here"),
        ("list", "tap", "refused", "the service answered 400: Cannot parse query"),
        ("list", "503", "fault", "answered 503"),
        ("J", "edge", "off the survey", "band J: an edge of the image has no numbers"),
        ("J", "off", "off the survey", "band J: every plane is one single value"),
        ("J", "clipped", "another size", "band J: an image of 60 by 60 pixels came, but 120"),
        ("J", "rounded", "another size", "band J has 121 by 121 pixels, and band VIS has 120 by 120"),
        ("J", "empty", "cut off", "band J: the answer is empty"),
        ("J", "damaged", "cut off", "band J: the FITS file cannot be read"),
        ("J", "text", "no image", "band J: the answer is not FITS"),
        ("J", "429", "fault", "band J: the service answered 429"),
    ],
)
@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_what_does_not_come_of_euclid_is_told_by_its_kind(tmp_path, step, fault, what, words):
    with archive({at(step, 1): (fault,)}) as server:
        found = fetch(server, tmp_path, EUCLID, form="fits")
    (failure,) = failures_of(tmp_path)
    assert (failure["id"], failure["what"]) == ("g1", what)
    assert words in failure["reason"]
    assert (found.galaxies, found.kinds) == (3, {what: 1})
    assert not (tmp_path / "images" / "g1.fits").exists()


def test_a_side_may_be_rounded_in_another_way(tmp_path):
    faults = {at(band, 0): ("rounded",) for band in ("VIS", "Y", "J", "H")}
    with archive(faults) as server:
        assert fetch(server, tmp_path, EUCLID, form="fits").galaxies == 4
    with fits.open(tmp_path / "images" / "g0.fits") as hdus:
        assert {hdu.shape for hdu in hdus[1:]} == {(121, 121)}


# Both steps ------------------------------------------------------------------------------------------------------------


def test_galaxies_at_one_place_share_a_list(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("id,ra,dec\n" + "".join(f"g{i},10.5,1.25\n" for i in range(6)))
    with archive({at("list", 0): ("slow",)}) as server:
        assert fetch(server, tmp_path, PS1, table=table, service={"connections": 4}).galaxies == 6
    assert server.steps() == {"list": 1, "irg": 6}


def test_both_steps_keep_to_one_pace(tmp_path, monkeypatch):
    waited, held = list[Pace](), list[float]()

    def wait(pace: Pace) -> None:
        waited.append(pace)

    def hold(pace: Pace, seconds: float) -> None:
        held.append(seconds)

    monkeypatch.setattr(Pace, "wait", wait)
    monkeypatch.setattr(Pace, "hold", hold)
    with archive({at("list", 0): ("later 7", ""), at("J", 1): ("later 9", "")}) as server:
        assert fetch(server, tmp_path, EUCLID, form="fits").galaxies == 4
    assert server.most_at_once <= 2
    assert len(waited) == len(server.begun) == 4 * 5 + 2, "each request waits its turn"
    assert len(set(map(id, waited))) == 1
    assert sorted(held) == [7, 9], "a pause that either step is answered with holds for both"


def test_a_run_that_was_killed_goes_on_with_the_lists_that_came(tmp_path):
    class Killed(Exception):
        pass

    def kill(done: int) -> None:
        if done == 5:
            raise Killed

    table = write_table(tmp_path, 12)
    with archive() as server:
        service, size = server.write_archive(tmp_path, EUCLID), CutoutSize(arcsec=ARCSEC)
        options = {"size": size, "form": "fits"}
        whole = fetch_cutouts(table, service, tmp_path / "whole", **options, progress=None)
        server.asked.clear()
        with pytest.raises(Killed):
            fetch_cutouts(table, service, tmp_path / "images", **options, progress=kill)
        kept = [json.loads(line)["address"] for line in (tmp_path / "images" / "listed.jsonl").read_text().splitlines()]
        with (tmp_path / "images" / "listed.jsonl").open("a") as lines:
            lines.write('{"address": "http://127')  # the line at which it was killed
        server.addresses.clear()
        found = fetch_cutouts(table, service, tmp_path / "images", **options, progress=None)
    assert len(kept) >= 5
    asked = {f"{server.base}{address}" for address in server.addresses}
    assert not asked & set(kept), "a list that came is not asked for again"
    assert max(server.steps()[step] for step in ("list", "VIS", "Y", "J", "H")) <= 12 + 2, "two were on their way"
    for file in (tmp_path / "whole").glob("*.fits"):
        assert (tmp_path / "images" / file.name).read_bytes() == file.read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(found.table), pd.read_parquet(whole.table))


def test_an_archive_that_lists_nothing_readable_is_not_asked_thousands_of_times(tmp_path):
    table = write_table(tmp_path, 60)
    said = r"has answered 1\d times without a list of files: .* says 'no such layer'"
    faults = {at("list", i): ("text",) for i in range(60)}
    with archive(faults) as server, pytest.raises(CatalogueError, match=said):
        fetch(server, tmp_path, PS1, table=table)
    assert sum(server.asked.values()) <= 14


def test_lists_that_were_damaged_on_the_disk_are_told_with_their_line(tmp_path):
    with archive() as server:
        fetch(server, tmp_path, PS1)
        (tmp_path / "images" / "listed.jsonl").write_text('{"address": "a", "rows": [["t", "g"]]}\n')
        with pytest.raises(CatalogueError, match=r"listed\.jsonl, line 1 is damaged"):
            fetch(server, tmp_path, PS1)


def test_a_dry_run_names_the_lists_and_leaves_room_for_the_files(tmp_path):
    with archive() as server:
        service = server.write_archive(tmp_path, PS1)
        (first, *_) = cutouts_of(write_table(tmp_path), service, size=CutoutSize(24, arcsec=12))
        assert first.listed_at == f"{server.base}/cgi-bin/ps1filenames.py?ra=10.5&dec=1.25&filters=irg"
        assert first.address == (
            f"{server.base}/cgi-bin/fitscut.cgi?ra=10.5&dec=1.25&size=48&format=jpg&output_size=24"
            "&red={red}&green={green}&blue={blue}"
        )
        assert not server.asked


def test_the_surveys_own_files_say_where_they_ask():
    ps1, euclid = load_service(PS1), load_service(EUCLID)
    assert ps1.list_address("fits", 10, -20, arcsec=60).startswith(
        "https://ps1images.stsci.edu/cgi-bin/ps1filenames.py?ra=10&"
    )
    assert euclid.list_address("fits", 60, -50, arcsec=60).startswith("https://eas.esac.esa.int/tap-server/tap/sync?")
    assert euclid.address("fits", 60, -50, arcsec=60, size=600) == (
        "https://eas.esac.esa.int/sas-cutout/cutout?TAPCLIENT=ASTROQUERY&FILEPATH={file}&POS=CIRCLE,60,-50,0.008333333"
    )
    with pytest.raises(CatalogueError, match="euclid-q1-esa has no jpg; it gives fits"):
        euclid.form("jpg")
