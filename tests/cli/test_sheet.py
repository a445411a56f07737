"""The contact sheet: the cutouts that are drawn are those that the network would see."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image
from small_survey import zooactive

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.images import decode
from zooactive.foundation.errors import ImageError, WorkspaceError
from zooactive.models.saved_form import BUNDLED, pixels_of
from zooactive.workspace import find_workspace

FLUX = np.random.default_rng(0).gamma(0.3, 1.0, (6, 3, 20, 20)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for row, cube in enumerate(FLUX):
        for band, plane in zip("grz", cube, strict=True):
            fits.writeto(tmp_path / f"images/J{row}_{band}.fits", plane)
    pd.DataFrame({"id": [f"J{row}" for row in range(7)]}).to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


def test_several_stretches_are_drawn_side_by_side_and_what_cannot_be_read_is_told(folder):
    done = zooactive(
        "sheet",
        "--catalogue",
        "table.csv",
        "--images",
        "images",
        "--stretch",
        "linear 0 1",
        "--stretch",
        "legacy-grz",
        "--image-size",
        "20",
        folder=folder,
    )
    black, white = (FLUX <= 0.5 / 255).all(1).mean(), (FLUX >= 254.5 / 255).any(1).mean()
    assert f"linear 0 1: {black:.1%} of the pixels are black, {white:.1%} have a channel at its limit" in done.stderr
    assert "left out: galaxy 'J6' has no image" in done.stderr
    assert "6 galaxies are drawn in sheet.png" in done.stderr.replace(f"{folder}/", "")
    with Image.open(folder / "sheet.png") as picture:
        assert picture.width > 2 * picture.height  # 6 galaxies, twice each, in rows of 8


def test_the_method_says_what_it_drew(folder):
    workspace = find_workspace(folder)
    drawn = workspace.sheet(
        catalogue=folder / "table.csv", images=folder / "images", n=3, image_size=20, out=folder / "three.png"
    )
    assert drawn.picture == folder / "three.png"
    assert drawn.galaxies + len(drawn.failures) == 3
    assert list(drawn.black) == ["asinh"]
    with pytest.raises(WorkspaceError, match="n = 0"):
        workspace.sheet(catalogue=folder / "table.csv", images=folder / "images", n=0)
    with pytest.raises(
        ImageError, match=r"none of the 7 galaxies has an image that can be drawn: .* has the bands g, r, z, and its"
    ):
        workspace.sheet(catalogue=folder / "table.csv", images=folder / "images", stretch=["legacy-griz"])


def test_without_an_option_it_is_the_workspaces_galaxies_as_its_task_sees_them(folder):
    table = pd.DataFrame({"id": [f"J{row}" for row in range(6)], "ring": [0, 1] * 3})
    table.to_csv(folder / "labels.csv", index=False)
    typed = ("init", "--labels", "labels.csv", "--column", "ring", "--images", "images")
    zooactive(*typed, "--bands", "gz", "--stretch", "linear 0 2", "--image-size", "20", folder=folder)
    said = tomllib.loads((folder / "zooactive.toml").read_text())["tasks"]["ring"]
    assert (said["bands"], said["stretch"], said["image_size"]) == (["g", "z"], "linear 0 2", 20)
    done = zooactive("sheet", folder=folder)
    encoder = pixels_of(Path(BUNDLED))
    assert encoder is not None
    how = Preprocessing(size=20, bands=("g", "z"), stretch="linear 0 2", crop=encoder.crop)
    seen = np.stack([decode(image, how) for image in read_catalogue(folder / "images").images])
    black, white = (seen == 0).all(-1).mean(), (seen == 255).any(-1).mean()
    assert f"linear 0 2: {black:.1%} of the pixels are black, {white:.1%} have a channel at its limit" in done.stderr
    assert "6 galaxies are drawn" in done.stderr
    told = zooactive("init", "other", *typed[1:], "--backbone", "resnet26", folder=folder, code=2).stderr
    assert "--backbone is for a survey with votes" in " ".join(told.split())
