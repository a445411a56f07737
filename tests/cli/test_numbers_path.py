"""A number learnt from images in a workspace: predicted, measured on other galaxies, learnt again by another encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_survey import GALAXIES, Begun, begun_workspace, change, zooactive

import zooactive as za
from zooactive.prediction.numbers import open_numbers

LEARNT = 48


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def learnt(begun, tmp_path_factory) -> Path:
    """A workspace with a task of numbers: the mass of the first galaxies."""
    home = shutil.copytree(begun.home, tmp_path_factory.mktemp("numbers") / "home")
    masses = np.random.default_rng(0).normal(10, 1, GALAXIES).round(3)
    table = pd.DataFrame({"id": [f"g{i:03d}" for i in range(GALAXIES)], "mass": masses})
    table.to_csv(home / "all.csv", index=False)
    table.head(LEARNT).to_csv(home / "mass.csv", index=False)
    zooactive("finetune", "mass.csv", "--column", "mass", "--images", begun.survey / "images", folder=home)
    return home


@pytest.fixture
def home(learnt, tmp_path) -> Path:
    return shutil.copytree(learnt, tmp_path / "home")


def test_predictions_by_images_and_by_features_that_are_there_are_the_same(begun, home):
    images = shutil.copytree(begun.survey / "images", home / "images")
    (images / "g060.jpg").write_bytes(b"no image")
    named = ("--catalogue", begun.survey / "survey.csv", "--images", "images")
    words = ("predict", "--model", "tasks/mass", *named, "--out", "by-images", "--max-failed", 1)
    assert "1 image could not be used" in zooactive(*words, folder=home).stderr
    zooactive("predict", *named, "--max-failed", 1, folder=home)
    for image in images.iterdir():
        image.write_bytes(b"no image")  # what looks at one from here on fails
    zooactive("predict", "--model", "tasks/mass", *named, "--out", "by-features", folder=home)
    one, two = (
        open_numbers(home / name).table().set_index("id")["mean"].sort_index() for name in ("by-images", "by-features")
    )
    assert len(one) == GALAXIES - 1
    assert one.index.tolist() == two.index.tolist()
    np.testing.assert_allclose(one, two, atol=0.01)  # stored features are float16


def test_a_number_is_measured_on_galaxies_that_taught_it_nothing(begun, home):
    words = ("evaluate", "--model", "tasks/mass", "--images", begun.survey / "images", "--out", "others", "--json")
    said = zooactive(*words, "--catalogue", "all.csv", folder=home).stdout
    words = ("evaluate", "--model", "tasks/mass/model", *words[3:])
    assert zooactive(*words, "--catalogue", "all.csv", folder=home).stdout == said
    measured = json.loads(said[said.index("[") : said.rindex("]") + 1])[0]
    held_out = pd.read_csv(home / "tasks" / "mass" / "held_out.csv")
    assert measured["galaxies"] == GALAXIES - LEARNT + len(held_out)
    (home / "tasks" / "mass" / "how.json").write_text('{"options": {}}')
    said = zooactive("acquire", "--task", "mass", "--n", 3, folder=home, code=1).stderr
    assert "how.json does not name the labels; fine-tune the task again" in said


def test_the_page_of_a_number_shows_what_was_chosen_and_what_is_odd(home):
    zooactive("acquire", "--task", "mass", "--n", 3, folder=home)
    said = zooactive("report", "--task", "mass", folder=home).stderr
    assert "report-mass.html" in said
    page = (home / "report-mass.html").read_text()
    for told in ("Task: mass, a number", "Furthest from what was expected", "Measure the galaxies below", "explained share"):
        assert told in page
    for galaxy in pd.read_csv(home / "selection-mass.csv", dtype=str)["id"]:
        assert galaxy in page
    assert "there is no selection none.csv" in zooactive("report", "--selection", "none.csv", folder=home, code=1).stderr
    assert "holds no predictions" in zooactive("report", "--predictions", "none", folder=home, code=1).stderr


def test_the_network_inside_a_number_can_be_learnt_from_again(begun, home):
    pool = ("--catalogue", begun.survey / "survey.csv", "--images", begun.survey / "images")
    zooactive("embed", "--model", "tasks/mass", *pool, "--out", "by-number", folder=home)
    zooactive("embed", *pool, "--out", "by-model", folder=home)
    one, two = (za.read_embeddings(home / name) for name in ("by-number", "by-model"))
    np.testing.assert_array_equal(one.features, two.features)
    images = ("--images", begun.survey / "images")
    zooactive("finetune", "mass.csv", "--column", "mass", *images, "--model", "tasks/mass", "--out", "again", folder=home)
    tables = (pd.read_csv(home / name / "held_out.csv") for name in ("again", "tasks/mass"))
    pd.testing.assert_frame_equal(*tables)


def test_another_encoder_makes_the_predictions_again(begun, home):
    images = ("--images", begun.survey / "images")
    zooactive("top", "--task", "mass", "--n", 3, folder=home)
    before = open_numbers(home / "predictions-mass").table()["mean"].to_numpy()
    zooactive("train", "--seed", 5, "--run-dir", "runs/second", folder=home)
    change(home / "mass.csv", lambda table: table.head(LEARNT - 1))
    zooactive("finetune", "mass.csv", "--column", "mass", *images, "--model", "runs/second", folder=home)
    said = zooactive("top", "--task", "mass", "--n", 3, folder=home).stderr
    assert (
        "predictions-mass holds predictions with another encoder than the model's, so they are made again"
        in said.replace("\n", " ")
    )
    assert not np.array_equal(open_numbers(home / "predictions-mass").table()["mean"].to_numpy(), before)
