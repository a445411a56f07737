"""Five bands from FITS to predictions by the commands: what only the fifth band shows is learnt by who sees it alone."""

from __future__ import annotations

import io
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image
from small_survey import zooactive
from tiny_network import tiny_network

import zooactive as za
from zooactive.prediction import open_predictions
from zooactive.prediction.part_files import about_part

BANDS = "g,r,i,z,y"
"""Or grizy: bands of one letter need no commas."""
CUTS = "asinh -0.2 8 0.1"
GALAXIES, REHEARSED, SIDE = 170, 150, 16

TREE = """\
name = "dust"

[[question]]
name = "red"
answers = ["yes", "no"]
"""


def light(rng: np.random.Generator, red: bool) -> dict[str, np.ndarray]:
    """A round galaxy whose y band alone says whether it is red; how bright it is says nothing."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    shape = rng.uniform(1, 4) * np.exp(-np.hypot(x, y) / rng.uniform(2, 4))
    colours = {"g": 0.5, "r": 1.0, "i": 1.2, "z": 1.4, "y": 2.5 if red else 0.8}
    return {band: (share * shape + rng.normal(0, 0.05, shape.shape)).astype(np.float32) for band, share in colours.items()}


def write(path: Path, bands: dict[str, np.ndarray]) -> None:
    fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(plane, name=band) for band, plane in bands.items())]).writeto(path)


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    """A table of votes, and a FITS file a galaxy with an extension a band; the last galaxy has no y band."""
    folder = tmp_path_factory.mktemp("bands")
    (folder / "fits").mkdir()
    (folder / "tree.toml").write_text(TREE)
    rng = np.random.default_rng(0)
    ids, red = [f"J{number:03d}" for number in range(GALAXIES)], np.arange(GALAXIES) % 2 == 0
    for galaxy, is_red in zip(ids, red, strict=True):
        write(folder / "fits" / f"{galaxy}.fits", light(rng, bool(is_red)))
    (folder / "fits" / f"{ids[-1]}.fits").unlink()
    write(folder / "fits" / f"{ids[-1]}.fits", {band: plane for band, plane in light(rng, False).items() if band != "y"})
    yes = np.where(red, 36, 4)
    pd.DataFrame({"id": ids, "red_yes": yes, "red_no": 40 - yes}).to_csv(folder / "votes.csv", index=False)
    return folder


def begin(survey: Path, home: Path, bands: str) -> dict[str, str]:
    """Make a workspace whose network of these bands is trained, by the commands alone, and return what they told."""
    named = ("--tree", survey / "tree.toml", "--catalogue", survey / "votes.csv", "--images", survey / "fits")
    small = ("--backbone", "small_cnn", "--image-size", SIDE, "--epochs", 12, "--n", 4, "--rehearsal", REHEARSED)
    zooactive("init", home, *named, *small, "--bands", bands.replace(",", ""), "--stretch", CUTS, folder=survey)
    settings = home / "zooactive.toml"
    settings.write_text(
        settings.read_text().replace("small_cnn", tiny_network()).replace("batch_size = 64", "batch_size = 16")
    )
    return {name: zooactive(name, folder=home).stderr for name in ("prepare", "train", "predict")}


@pytest.fixture(scope="module")
def told(survey, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    home = tmp_path_factory.mktemp("five") / "home"
    return home, begin(survey, home, BANDS)


@pytest.fixture(scope="module")
def five(told) -> Path:
    return told[0]


@pytest.fixture(scope="module")
def three(survey, tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("three") / "home"
    begin(survey, home, "g,r,z")
    return home


def share_told_apart(home: Path, survey: Path) -> float:
    """The chance that a red galaxy of those never learnt from is predicted redder than another."""
    votes = pd.read_csv(survey / "votes.csv", dtype={"id": str})
    tests = za.read_catalogue(survey / "votes.csv", tree=survey / "tree.toml").split()[2].ids
    posterior = next(open_predictions(home / "predictions").posteriors(set(tests)))
    yes = votes.set_index("id").loc[list(posterior.ids), "red_yes"].to_numpy()
    red, others = (posterior.mean()[yes == number, 0] for number in (36, 4))
    assert min(len(red), len(others)) >= 4
    return float(np.mean(red[:, None] > others[None, :]))


def test_what_the_fifth_band_alone_shows_is_told_by_a_network_of_five_and_not_of_three(survey, five, three):
    assert share_told_apart(five, survey) > 0.95
    assert share_told_apart(three, survey) < 0.75  # as good as chance: 0.5, give or take 0.14 of so few


def test_the_commands_say_which_bands_there_are_and_which_galaxy_lacks_one(told):
    home, said = told
    assert f"tiny1 at 16 px, the bands g, r, i, z, y ({CUTS})" in said["train"]
    assert "1 image could not be used" in said["prepare"]
    failures = pd.read_parquet(home / "shards" / "failures.parquet")
    assert list(failures["id"]) == [f"J{GALAXIES - 1:03d}"]
    assert failures["reason"][0].endswith(
        "has the bands g, r, i, z, and the network needs g, r, i, z, y; name them in the header, or choose others"
    )


def test_shards_model_and_predictions_know_their_bands(five):
    bands = BANDS.split(",")
    saved = json.loads((five / "runs/first/model/model.json").read_text())
    assert saved["model"]["preprocessing"]["bands"] == bands
    assert saved["model"]["preprocessing"]["stretch"] == CUTS
    assert za.load_model(five / "runs/first").preprocessing.listed == tuple(bands)
    assert za.read_catalogue(five / "shards").prepared.listed == tuple(bands)
    assert about_part(next((five / "predictions").glob("part-*.parquet")))["bands"] == bands


def test_a_model_of_five_bands_refuses_jpegs_and_shards_of_other_bands_in_a_sentence(five, three, tmp_path):
    (tmp_path / "jpegs").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "jpegs" / f"J{number}.jpg")
    model = ("--model", five / "runs/first")
    told = zooactive("predict", *model, "--catalogue", "jpegs", "--out", "a", folder=tmp_path, code=1).stderr
    assert "none of the 3 images can be read" in told
    assert "is a picture in colour or grey, and the network sees the bands g, r, i, z, y; give FITS images" in told
    told = zooactive("predict", *model, "--catalogue", three / "shards", "--out", "b", folder=tmp_path, code=1).stderr
    assert "was packed with the channels g, r, z, and the network sees g, r, i, z, y, in this order" in told


def test_other_bands_on_the_command_line_are_not_read_from_shards(five, tmp_path):
    home = shutil.copytree(five, tmp_path / "home")
    turned = ("--bands", "y,z,i,r,g", "--stretch", CUTS, "--run-dir", "runs/turned", "--epochs", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # which the command tells in a line
        told = " ".join(zooactive("train", *turned, folder=home, code=1).stderr.split())
    assert "packed from another catalogue or with other settings, so the original images are read" in told
    assert "has the bands g, r, i, z, and the network needs y, z, i, r, g" in told  # the FITS files are read


def test_a_model_of_five_bands_that_starts_from_three_says_so(survey, five, three, tmp_path):
    home = shutil.copytree(five, tmp_path / "home")
    words = ("--run-dir", "runs/second", "--epochs", 1, "--start")
    own = zooactive("train", *words, five / "runs/first/model", folder=home).stderr
    assert "first layer" not in own
    shutil.rmtree(home / "runs/second")
    assert (
        "its first layer spread over g, r, i, z, y" in zooactive("train", *words, three / "runs/first", folder=home).stderr
    )
    told = zooactive("show", "J001", "--model", "runs/second", folder=home).stderr
    flat = " ".join(told.split())
    assert f"It sees the bands g, r, i, z, y ({CUTS}); first layer spread from g, r, z to g, r, i, z, y (g = 0.67 g" in flat


@pytest.fixture
def home(five, tmp_path, undrawn) -> Path:
    """A workspace to work on."""
    return shutil.copytree(five, tmp_path / "home")


def test_whoever_looks_at_a_galaxy_of_five_bands_sees_colours(survey, home):
    zooactive("acquire", folder=home)
    zooactive("export", "--credit", "us", folder=home)
    one = pd.read_csv(home / "selection.csv", dtype=str)["id"][0]
    subject = np.asarray(Image.open(home / "subjects" / "images" / f"{one}.png")).astype(float)
    assert subject.shape == (424, 424, 3)
    channels = (
        za.read_catalogue(survey / "votes.csv", images=survey / "fits")
        .select([one])
        .decode(za.Preprocessing(size=424, bands=BANDS.split(","), stretch=CUTS))[0][0]
    )
    g, r, i, z, y = np.moveaxis(channels.astype(float), -1, 0)
    expected = np.stack([z / 3 + 2 * y / 3, r / 4 + i / 2 + z / 4, 2 * g / 3 + r / 3], axis=-1)
    assert np.abs(subject - expected).max() <= 0.5 + 1e-9

    zooactive("report", folder=home)
    page = (home / "report.html").read_text()
    assert "red = 0.33 z + 0.67 y, green = 0.25 r + 0.5 i + 0.25 z, blue = 0.67 g + 0.33 r" in page
    zooactive("top", "red_yes", "--n", 4, "--out", "top.csv", folder=home)
    with Image.open(home / "top.png") as picture:
        assert picture.format == "PNG"


def test_embeddings_metrics_and_maps_of_five_bands_are_made(home):
    zooactive("embed", folder=home)
    zooactive("similar", "J001", "--n", 3, folder=home)
    zooactive("evaluate", folder=home)
    zooactive("show", "J001", "--maps", "maps.png", folder=home)
    with Image.open(home / "maps.png") as picture:
        assert picture.format == "PNG"


def test_a_galaxy_of_five_bands_is_labelled_in_colour(home):
    from zooactive.report.labelling_page.pictures import Pictures

    catalogue = za.load_workspace(home).settings.read_originals()
    seen = za.load_model(home / "runs/first").preprocessing
    for pool in (catalogue, za.read_catalogue(home / "shards")):
        picture = Image.open(io.BytesIO(Pictures(pool, seen).jpeg(0)))
        assert picture.mode == "RGB"
        assert picture.width == picture.height


def test_a_few_labels_bring_the_encoder_that_comes_along_to_five_bands(survey, tmp_path):
    votes = pd.read_csv(survey / "votes.csv", dtype={"id": str}).iloc[:60]
    labels = votes[["id"]].assign(dusty=np.where(votes["red_yes"] > 20, "yes", "no"))
    labels.to_csv(tmp_path / "labels.csv", index=False)
    words = ("labels.csv", "--column", "dusty", "--images", survey / "fits", "--policy", "head", "--json")
    cuts = ("--bands", BANDS, "--stretch", CUTS)
    result = zooactive("finetune", *words, *cuts, "--image-size", 32, "--crop", 1, "--out", "dusty", folder=tmp_path)
    assert json.loads(result.stdout)["table"][0]["auc"] > 0.9  # the first layer tells bands apart before it has learnt
    model = za.load_model(tmp_path / "dusty" / "model")
    assert model.preprocessing.listed == tuple(BANDS.split(","))
    assert "first layer spread from red, green, blue to g, r, i, z, y" in model.stem
    told = zooactive("predict", "--model", "dusty", "--catalogue", survey / "fits", "--out", "p", folder=tmp_path).stderr
    assert "1 image could not be used" in told
    assert za.load_finetuned(tmp_path / "dusty").task.bands == tuple(BANDS.split(","))
