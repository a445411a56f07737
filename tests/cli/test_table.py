"""Lists and predictions as tables that astropy and stilts read without a word, with the galaxies' places on the sky."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import votable
from astropy.table import Table
from small_survey import write_survey, zooactive

GALAXIES, WIDTH = 40, 8
RA, DEC = np.linspace(10, 20, GALAXIES), np.linspace(-5, 5, GALAXIES)
KINDS = ("predictions", "selection", "catalogue", "top")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a head on embeddings, its predictions and lists, and each of them as FITS and VOTable."""
    survey = write_survey(tmp_path_factory.mktemp("sky") / "survey", GALAXIES)
    features = np.random.default_rng(0).normal(size=(GALAXIES, WIDTH)).astype(np.float32)
    features[::2, 2] += 3  # where the labels say yes
    lists = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), WIDTH)
    labels = pd.read_csv(survey / "rings.csv", dtype={"id": str})
    names = ["Ångström" if row % 2 else "x" for row in range(GALAXIES)]
    columns = {"id": labels["id"].tolist(), "features": lists, "RAJ2000": RA, "DEJ2000": DEC, "name": names}
    pq.write_table(pa.table(columns), survey / "e.parquet")
    labels[:30].to_csv(survey / "labels.csv", index=False)
    zooactive("finetune", survey / "labels.csv", "--column", "ring", "--embeddings", survey / "e.parquet", folder=survey)
    zooactive("top", "--task", "ring", "--n", 5, "--embeddings", survey / "e.parquet", folder=survey)
    zooactive("acquire", "--task", "ring", "--n", 6, folder=survey)
    typed = {
        "predictions": ("table", predictions(survey)),
        "selection": ("table", selection(survey)),
        "top": ("table", next(survey.glob("top-*.csv"))),
        "catalogue": ("catalogue", "--task", "ring"),
    }
    told = ""
    for kind, words in typed.items():
        zooactive(*words, "--out", f"{kind}.xml", folder=survey)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            told += zooactive(*words, "--out", f"{kind}.fits", folder=survey).stderr
    assert "warning: FITS can only hold ASCII, so other letters in the column 'name'" in told
    return survey


def predictions(home: Path) -> Path:
    return next(home.rglob("journal.json")).parent


def selection(home: Path) -> Path:
    return next(home.glob("selection*.csv"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["fits", "xml"])
def test_astropy_reads_the_tables_without_a_warning_and_finds_places_on_the_sky(home, kind, ending):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = Table.read(home / f"{kind}.{ending}", format="fits" if ending == "fits" else "votable")
    rows = [int(str(galaxy).removeprefix("g")) for galaxy in table["id"]]
    assert len(rows) == {"predictions": GALAXIES, "selection": 6, "catalogue": GALAXIES, "top": 5}[kind]
    np.testing.assert_allclose(np.asarray(table["RAJ2000"], dtype=float), RA[rows], rtol=1e-15)
    np.testing.assert_allclose(np.asarray(table["DEJ2000"], dtype=float), DEC[rows], rtol=1e-15)


@pytest.mark.parametrize("ending", ["csv", "parquet", "fits", "xml"])
@pytest.mark.parametrize("command", ["match", "table"])
def test_numbers_of_ones_own_keep_every_digit(tmp_path, command, ending):
    own = {
        "id": ["a", "b"],
        "ra": [359.123456789012, 10.000000012345],
        "dec": [-89.123456789, 1e-9],
        "flux": [1e300, 1.25e-12],
    }
    pd.DataFrame(own).to_csv(tmp_path / "mine.csv", index=False)
    pd.DataFrame(own).to_csv(tmp_path / "other.csv", index=False)
    words = ("match", "mine.csv", "other.csv", "--arcsec", 1) if command == "match" else ("table", "mine.csv")
    zooactive(*words, "--out", f"out.{ending}", folder=tmp_path)
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}.get(ending, Table.read)
    table = read(tmp_path / f"out.{ending}")
    for name in ("ra", "dec", "flux"):
        np.testing.assert_allclose(np.asarray(table[name], dtype=float), own[name], rtol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_other_programs_are_told_which_columns_are_places(home, kind):
    fields = {field.name: field.ucd for field in votable.parse(home / f"{kind}.xml").get_first_table().fields}
    assert fields["RAJ2000"] == "pos.eq.ra;meta.main"
    assert fields["DEJ2000"] == "pos.eq.dec;meta.main"
    assert fields["id"] == "meta.id;meta.main"


@pytest.mark.skipif(shutil.which("stilts") is None, reason="stilts is not installed")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["fits", "xml"])
def test_stilts_reads_them_without_a_warning(home, kind, ending):
    file = home / f"{kind}.{ending}"
    if ending == "xml":
        told = subprocess.run(["stilts", "votlint", str(file)], capture_output=True, text=True, check=False)
        assert (told.stdout.strip(), told.returncode) == ("", 0)
    read = subprocess.run(["stilts", "tpipe", f"in={file}", "omode=meta"], capture_output=True, text=True, check=True)
    assert not read.stderr.strip()
    assert "RAJ2000" in read.stdout


def test_letters_that_fits_has_not_are_escaped_there_and_kept_in_votable(home):
    assert {str(name) for name in Table.read(home / "predictions.fits")["name"]} == {"\\xc5ngstr\\xf6m", "x"}
    assert {str(name) for name in Table.read(home / "predictions.xml")["name"]} == {"Ångström", "x"}


def test_what_is_predicted_is_the_catalogue_of_the_model_alone(home):
    told = Table.read(home / "predictions.fits")
    stored = pd.concat([pd.read_parquet(part) for part in predictions(home).glob("*.parquet")]).set_index("id")
    answer = next(name for name in told.colnames if name.startswith("ring") and name.endswith("yes"))
    expected = stored.loc[[str(galaxy) for galaxy in told["id"]], answer]
    np.testing.assert_allclose(np.asarray(told[answer], dtype=float), expected.to_numpy(dtype=float), atol=2e-3)
    assert set(np.asarray(told["volunteers"])) == {0}


def test_a_list_without_a_table_of_its_galaxies_is_written_without_places(home, tmp_path):
    pd.DataFrame({"id": ["g001", "g077"], "score": [1.0, 2.0]}).to_csv(tmp_path / "mine.csv", index=False)
    told = zooactive("table", "mine.csv", "--out", "mine.xml", folder=tmp_path).stderr
    assert "the table has no coordinates, because the galaxies' own table is not known" in told
    named = zooactive("table", "mine.csv", "--catalogue", home / "labels.csv", "--out", "b.csv", folder=tmp_path).stderr
    assert "1 of the 2 galaxies are not in" in named
    assert pd.read_csv(tmp_path / "b.csv")["ring"].tolist()[0] == "no"
    assert "would overwrite" in zooactive("table", "mine.csv", "--out", "mine.csv", folder=tmp_path, code=1).stderr
    assert "does not exist" in zooactive("table", "other.csv", "--out", "x.fits", folder=tmp_path, code=1).stderr
    assert ".fits" in zooactive("table", "mine.csv", "--out", "x.doc", folder=tmp_path, code=1).stderr
