"""A survey and a workspace with a trained network: made once in a process, and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pictures import picture
from small_survey import GALAXIES, LABELLED, write_survey, zooactive
from tiny_network import tiny_network

from zooactive.catalogue.images import encode_png


@dataclass(frozen=True)
class Begun:
    """A workspace's folder, and what the commands said that began it."""

    home: Path
    said: dict[str, Any]


@pytest.fixture(scope="session")
def survey(tmp_path_factory) -> Path:
    return write_survey(tmp_path_factory.mktemp("survey"), GALAXIES)


@pytest.fixture(scope="session")
def begun(survey: Path, tmp_path_factory) -> Begun:
    """A workspace with packed images and a network, trained as users train theirs; tests copy it."""
    home = tmp_path_factory.mktemp("begun") / "home"
    small = ("--backbone", "small_cnn", "--image-size", 32, "--epochs", 2, "--n", 6, "--rehearsal", LABELLED)
    named = ("--tree", survey / "tree.toml", "--catalogue", survey / "survey.csv", "--images", survey / "images")
    said = {"init": zooactive("init", home, *named, *small, "--rings", survey / "rings.csv", folder=home.parent)}
    settings = home / "zooactive.toml"
    settings.write_text(settings.read_text().replace("small_cnn", tiny_network()))
    return Begun(home, said | {name: zooactive(name, folder=home) for name in ("prepare", "train")})


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Leave out of reports what takes longest, the drawing; the page of test_whole_path.py is drawn."""
    for module in ("findings", "merits"):
        monkeypatch.setattr(f"zooactive.report.{module}.png", lambda figure: encode_png(picture(0)))
