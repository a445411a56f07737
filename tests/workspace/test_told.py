"""Sentences about images that failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import ImageError
from zooactive.training.batches import Cutouts
from zooactive.workspace.told import failures_told

SMALL = Preprocessing(size=16)


def blank(path: Path, level: int) -> None:
    Image.new("RGB", (48, 48), (level, level, level)).save(path)


@pytest.mark.parametrize("preprocessing", [SMALL, None])
def test_images_that_show_nothing_are_left_out_of_shards_and_counted(galaxies, tmp_path, preprocessing) -> None:
    survey = galaxies(6)
    for row, level in ((1, 0), (4, 32)):
        blank(survey.images[row], level)
    survey.images[2].write_bytes(b"")
    result = write_shards(survey, tmp_path / "shards", preprocessing)
    assert result.galaxies == 3
    assert list(result.failures["id"]) == ["g001", "g002", "g004"]
    said = failures_told(result.failures, Path("failures.parquet"))
    assert said == (
        "3 images could not be used, 2 of them of one single value everywhere (off the survey, or empty frames); "
        "failures.parquet names each with the reason"
    )


def test_without_blank_images_none_are_spoken_of() -> None:
    table = pd.DataFrame({"id": ["a"], "path": ["a.jpg"], "reason": ["the image a.jpg is empty (0 bytes)"]})
    assert failures_told(table, Path("f")) == "1 image could not be used; f names each with the reason"


def test_training_names_an_image_that_shows_nothing_and_how_to_go_on(galaxies) -> None:
    survey = galaxies(4)
    blank(survey.images[3], 255)
    with pytest.raises(ImageError, match=r"one single value \(255\).* \(`zooactive prepare` leaves such galaxies out"):
        Cutouts(survey, SMALL)
    assert np.array_equal(Cutouts(survey.take([0, 1]), SMALL).rows(np.array([0])).shape, (1, 16, 16, 3))
