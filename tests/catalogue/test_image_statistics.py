from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.image_statistics import ImageStatistics, describe_images


def discs(radius, *, level=200, tint=(1.0, 0.8, 0.6), size=64, number=20):
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size)) - (size - 1) / 2
    inside = np.hypot(x, y) < radius
    images = rng.normal(20, 4, (number, size, size, 1)) + level * inside[..., None] * np.array(tint)
    return images.clip(0, 255).astype(np.uint8)


@pytest.fixture
def catalogue(tmp_path):
    def write(images, name):
        folder = tmp_path / name
        folder.mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{i}.png")
        return read_catalogue(folder)

    return write


def test_the_four_numbers_of_a_uniform_grey_image_and_a_disc():
    flat = np.full((1, 20, 20, 1), 51, np.uint8)
    assert describe_images(flat)[0, :3] == pytest.approx([0.2, 0, 0])
    wide, narrow = describe_images(discs(24))[:, 3].mean(), describe_images(discs(8))[:, 3].mean()
    assert wide == pytest.approx(24 / np.sqrt(2) / 32, abs=0.06)
    assert narrow < wide / 1.5


def test_alike_images_pass_and_each_difference_is_named(catalogue):
    as_shown = Preprocessing(size=32)
    rng = np.random.default_rng(1)
    sizes = zip(rng.uniform(6, 10, 60), rng.uniform(120, 200, 60), strict=True)
    learnt = np.concatenate([discs(radius, level=level, number=1) for radius, level in sizes])
    known = ImageStatistics.of(catalogue(learnt, "learnt"), as_shown)
    assert known.complaints(catalogue(learnt[::3], "same"), as_shown) == []
    assert any(text.startswith("extent") for text in known.complaints(catalogue(discs(26), "larger"), as_shown))
    assert any(text.startswith("colour") for text in known.complaints(catalogue(discs(8, tint=(1, 1, 1)), "grey"), as_shown))
    assert any(text.startswith("brightness") for text in known.complaints(catalogue(255 - discs(8), "negative"), as_shown))


def test_images_that_are_blown_up_are_named_and_a_handful_is_not_compared(catalogue):
    as_shown = Preprocessing(size=64, crop=0.5)
    fine = catalogue(discs(16, size=128), "fine")
    known = ImageStatistics.of(fine, as_shown)
    assert known.pixels == 64
    half = catalogue(discs(8, size=64), "half")
    assert not any("pixels" in text for text in known.complaints(half, as_shown))
    coarse = catalogue(discs(6, size=48), "coarse")
    assert known.complaints(coarse, as_shown)[-1] == (
        "24 pixels on a side instead of 64, enlarged to 64 (do you have images with finer pixels?)"
    )
    assert known.complaints(coarse.take(range(11)), as_shown) == []
    assert "pixels" not in str(ImageStatistics(known.mean, known.spread).complaints(coarse, as_shown))
    with pytest.warns(UserWarning, match="images unlike those that the model was trained on: .*enlarged"):
        known.warn_of_unlike(coarse, as_shown, stacklevel=1)


def test_they_come_back_from_plain_values_and_unreadable_images_are_left_out(catalogue, tmp_path):
    whole = catalogue(discs(8), "whole")
    known = ImageStatistics.of(whole, Preprocessing(size=32))
    assert ImageStatistics.from_dict(known.to_dict(), where="") == known
    assert known.pixels == 64
    older = {key: value for key, value in known.to_dict().items() if key != "pixels"}
    assert ImageStatistics.from_dict(older, where="").pixels is None
    (tmp_path / "whole" / "9.png").write_bytes(b"broken")
    assert np.isfinite(list(ImageStatistics.of(whole, Preprocessing(size=32)).mean.values())).all()
    assert isinstance(whole.table, pd.DataFrame)
