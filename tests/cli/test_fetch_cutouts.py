"""`zooactive cutouts` as it is typed, against a service on loopback."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sky_archives import archive
from sky_service import sky
from small_survey import zooactive


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "galaxies.csv"
    rows = [{"objid": f"g{i}", "RAJ2000": f"{i:02d}:30:00", "DEJ2000": f"+0{i}:15:00", "R90": 4.0 + i} for i in range(4)]
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def test_a_table_becomes_images_and_the_next_command(table, tmp_path):
    with sky({("22.5", "1.25"): ("off",)}) as server:
        service = server.write_service(tmp_path)
        words = ("cutouts", table, "--survey", service, "--arcsec", 12, "--size", 24, "--id", "objid", "--max-failed", 0.5)
        told = zooactive(*words, folder=tmp_path).stderr
        assert "1 off the survey\n" in told
        assert "credit: Nobody / the tests\n" in told
        assert "3 cutouts: images/cutouts.parquet\n" in told
        assert told.endswith("Next: zooactive predict --model bundled --catalogue images/cutouts.parquet\n")
        zooactive(*words[:-2], folder=tmp_path, code=3)  # a quarter is more than may fail
    found = pd.read_parquet(tmp_path / "images" / "cutouts.parquet")
    assert found["id"].tolist() == ["g0", "g2", "g3"]
    assert found["objid"].tolist() == ["g0", "g2", "g3"]
    assert found["ra"].tolist() == pytest.approx([7.5, 37.5, 52.5])


def test_a_dry_run_prints_the_addresses_and_asks_for_nothing(table, tmp_path):
    with sky() as server:
        service = server.write_service(tmp_path)
        words = ("--radius-column", "R90", "--times", 8, "--size", 64, "--id", "objid", "--dry-run")
        printed = zooactive("cutouts", table, "--survey", service, *words, folder=tmp_path).stdout.splitlines()
        assert printed[0] == f"{server.base}/jpeg-cutout?ra=7.5&dec=0.25&layer=sky&pixscale=0.5&size=64"
        assert len(printed) == 4
        assert not server.asked
    assert not (tmp_path / "images").exists()


def test_a_dry_run_of_two_steps_prints_the_first_and_how_the_second_is_made(table, tmp_path):
    with archive() as server:
        service = server.write_archive(tmp_path, "panstarrs-stsci")
        words = ("cutouts", table, "--survey", service, "--arcsec", 16, "--size", 24, "--id", "objid")
        told = zooactive(*words, "--dry-run", folder=tmp_path)
        assert not server.asked
        printed = told.stdout.splitlines()
        assert printed[1] == f"{server.base}/cgi-bin/ps1filenames.py?ra=22.5&dec=1.25&filters=irg"
        assert len(printed) == 4
        place = f"{server.base}/cgi-bin/fitscut.cgi?ra=7.5&dec=0.25&size=64&format=jpg&output_size=24"
        second = f"{place}&red={{red}}&green={{green}}&blue={{blue}}"
        assert f"then, for each galaxy, with the files that its URL lists: {second}\n" in told.stderr
        assert "4 cutouts: images/cutouts.parquet\n" in zooactive(*words, folder=tmp_path).stderr
    assert sorted(file.name for file in (tmp_path / "images").glob("*.jpg")) == [f"g{i}.jpg" for i in range(4)]


def test_what_is_asked_wrongly_is_told_in_a_line(table, tmp_path):
    for words, said in (
        (("--arcsec", 60), "none of the id columns"),
        (("--id", "objid"), "the size of the field comes from arcsec, a column of radii, or like: give exactly one of them"),
        (("--id", "objid", "--arcsec", 60, "--survey", "legacy"), "there is no survey of cutouts 'legacy'"),
        (("--id", "objid", "--arcsec", 60, "--survey", "sdss", "--form", "fits"), "sdss has no fits; it gives jpg"),
        (("--id", "objid", "--like", "gz-decals"), "has none of the columns petro_th50"),
        (("--id", "objid", "--arcsec", 60, "--size", 4000), "legacy-dr10-grz cuts 1 to 512 pixels on a side"),
    ):
        told = zooactive("cutouts", table, *words, folder=tmp_path, code=1).stderr
        assert said in told
        assert "Traceback" not in told
    listed = zooactive("cutouts", table, "--survey", "list", folder=tmp_path).stderr
    assert "legacy-dr10-grz: DESI Legacy Imaging Surveys DR10, g, r and z\n" in listed
