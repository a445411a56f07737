"""A network's filters and a galaxy's feature maps as a picture, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from small_survey import write_survey, zooactive
from tiny_network import tiny_model

SHOW = ("--catalogue", "survey.csv", "--images", "images", "--model", "run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    survey = write_survey(tmp_path_factory.mktemp("survey"), 4)
    tiny_model(survey / "tree.toml", stages=2, image_size=32).save(survey / "run" / "model")
    return survey


@pytest.mark.parametrize("galaxy", ["g001", "images/g001.jpg"])
def test_the_maps_of_a_galaxy_are_drawn_beside_its_table(folder, tmp_path, galaxy):
    picture = tmp_path / "deep" / "maps.png"
    result = zooactive("show", galaxy, *SHOW, "--maps", picture, "--json", folder=folder)
    assert len(json.loads(result.stdout)) == 8
    assert str(picture) in result.stderr
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert min(image.size) > 600
    assert [path.name for path in picture.parent.iterdir()] == ["maps.png"]


def test_a_picture_of_lines_can_be_asked_for_by_its_ending(folder, tmp_path):
    zooactive("show", "g001", *SHOW, "--maps", tmp_path / "maps.PDF", folder=folder)
    assert (tmp_path / "maps.PDF").read_bytes().startswith(b"%PDF")


def test_without_the_option_nothing_is_drawn(folder):
    before = sorted(folder.iterdir())
    zooactive("show", "g001", *SHOW, folder=folder)
    assert sorted(folder.iterdir()) == before


def test_an_ending_that_is_no_picture_is_wrong_usage(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "end its name with .png" in zooactive("show", "g001", *SHOW, "--maps", "maps.csv", folder=folder, code=2).stderr


def test_a_place_that_cannot_be_written_is_explained(folder):
    told = zooactive("show", "g001", *SHOW, "--maps", "survey.csv/maps.png", folder=folder, code=1).stderr
    assert "a file stands where a folder is needed" in told
