"""Which planes of a FITS cube are red, green and blue, and which images show nothing."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.images import decode
from zooactive.catalogue.many_images import decode_many
from zooactive.foundation.errors import ImageError

SIDE = 32
SMALL = Preprocessing(size=SIDE)
RED = {"u": 0.05, "g": 0.1, "r": 0.4, "i": 0.7, "z": 1.0, "VIS": 0.2, "Y": 0.4, "J": 0.8, "H": 1.6}
"""How bright a red galaxy is in each band."""


def plane(light: float, seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    sky = np.random.default_rng(seed).normal(0, 0.002, (SIDE, SIDE))
    return (light * np.exp(-(x**2 + y**2) / 40) + sky).astype(np.float32)


def cube(*bands: str, **cards: object) -> bytes:
    """A red galaxy in some bands, whose header says what is given."""
    return stored(np.stack([plane(RED[band], i) for i, band in enumerate(bands)]), **cards)


def stored(*arrays: np.ndarray | None, names: tuple[str, ...] = (), **cards: Any) -> bytes:
    first, *others = arrays
    hdus: list[Any] = [fits.PrimaryHDU(first)]
    hdus += [fits.ImageHDU(array, name=name) for array, name in zip(others, names or ("",) * len(others), strict=True)]
    hdus[0].header.update(cards)
    stream = io.BytesIO()
    fits.HDUList(hdus).writeto(stream)
    return stream.getvalue()


def centre(content: bytes, **options: Any) -> list[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [int(level) for level in decode(content, Preprocessing(size=SIDE, **options))[SIDE // 2, SIDE // 2]]


EACH = {"BAND0": "g", "BAND1": "r", "BAND2": "z"}


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (cube("g", "r", "z", BANDS="grz", **EACH), {}),
        (cube("g", "r", "z", BANDS="grz"), {}),
        (cube("g", "r", "z", **EACH), {}),  # BANDS alone was lost
        (cube("z", "r", "g", BANDS="zrg"), {}),  # as a picture has them
        (cube("r", "z", "g", BANDS="r,z,g"), {}),
        (cube("g", "r", "i", BANDS="gri"), {}),
        (cube("g", "r", "i", BANDS="HSC-G HSC-R HSC-I"), {}),
        (cube("Y", "J", "H", BAND0="NIR_Y", BAND1="NIR_J", BAND2="NIR_H"), {}),
        (cube("VIS", "Y", "J", BANDS="VIS Y J"), {}),
        (stored(None, np.stack([plane(RED[band]) for band in "grz"]), BANDS="grz"), {}),  # said in front of the image
        (cube("g", "r", "z"), {"bands": "grz"}),
        (cube("g", "r", "z", BANDS="grz"), {"bands": "zrg"}),  # what the header says is known of this file
        (cube("z", "r", "g"), {}),  # as always, where nobody says
    ],
)
def test_a_red_galaxy_is_red_whatever_the_order_of_the_planes(content, options) -> None:
    red, green, blue = centre(content, **options)
    assert red > green > blue


def test_of_more_bands_those_of_the_surveys_pictures_are_shown_and_it_is_said() -> None:
    with pytest.warns(UserWarning, match="g, r, i, z: z, r, g are shown as red, green and blue, and the others are not"):
        four = decode(cube("g", "r", "i", "z", BANDS="griz"), SMALL)
    z, r, g = (plane(RED[band], i) for band, i in (("z", 3), ("r", 1), ("g", 0)))
    assert np.array_equal(four, decode(stored(np.stack([z, r, g]), BANDS="zrg"), SMALL))
    assert centre(cube("u", "g", "r", "i", BANDS="ugri")) == centre(
        stored(np.stack([plane(RED[band], i) for band, i in (("i", 3), ("r", 2), ("g", 1))]), BANDS="irg")
    )
    red, green, blue = centre(cube("VIS", "Y", "J", "H", BANDS="VIS Y J H"))
    assert red > green > blue


def test_a_missing_band_that_is_not_shown_does_no_harm() -> None:
    """North of declination 32 the Legacy Surveys have no i."""
    values = np.stack([plane(RED[band]) for band in "griz"])
    values[2] = 0
    red, _, blue = centre(stored(values, BANDS="griz"))
    assert red > blue


def test_a_cube_of_one_plane_is_grey() -> None:
    assert centre(stored(plane(1.0)[None], BANDS="r")) == centre(stored(plane(1.0)))


@pytest.mark.parametrize("content", [cube("g", "r", "z"), cube("g", "r", "z", BANDS=" "), cube("g", "r", "z", BANDS=None)])
def test_planes_of_unknown_bands_are_taken_for_red_green_and_blue_with_a_warning(content) -> None:
    with pytest.warns(UserWarning, match="do not name their bands .* name them in the order of the planes"):
        decode(content, SMALL)
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("default")
        decode_many([content] * 5, SMALL, names=list("abcde"), workers=2)
    assert len(met) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (cube("g", "r", "z", BANDS="gqz"), "of the bands g, q, z, of which 'q' is unknown; write the bands of its planes"),
        (cube("g", "r", "z", BANDS="gr"), "has 3 planes, but its header says BANDS = 'gr'; correct the header"),
        (cube("g", "r", "z", BANDS="grg"), "of the bands g, r, g; a colour image needs three"),
        (cube("g", "r", BANDS="gr"), "of the bands g, r; a colour image needs three bands, a grey one a single plane"),
        (cube("g", "r", "i", "z", BANDS=None), "has no FITS image of two axes or three planes"),
    ],
)
def test_planes_that_make_no_picture_are_refused_with_the_mend(content, said) -> None:
    with pytest.raises(ImageError, match=said):
        decode(content, SMALL)


def test_bands_are_kept_with_the_settings_where_they_are_given() -> None:
    assert "bands" not in Preprocessing().to_dict()
    given = Preprocessing(bands="grz")
    assert Preprocessing.from_dict(given.to_dict()) == given
    for wrong in ("", " ", 3):
        with pytest.raises(ImageError, match="preprocessing: bands = "):
            Preprocessing(bands=wrong)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"has 3 planes, but bands = 'gr' names 2"):
        decode(cube("g", "r", "z"), Preprocessing(size=SIDE, bands="gr"))


# What shows nothing ---------------------------------------------------------------------------------------------------

FLAT = np.ones((SIDE, SIDE), np.float32)
HALF = np.where(np.arange(SIDE) < 9, np.nan, FLAT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (stored(0 * FLAT), r"is one single value \(0\): off the survey, or an empty frame; leave"),
        (stored(HALF), r"is one single value \(1\): off the survey"),
        (stored(np.stack([0 * FLAT, FLAT, 2 * FLAT]), BANDS="grz"), r"is one single value \(0\)|is one single value \(2\)"),
        (stored(np.stack([plane(1.0), plane(1.0), 0 * FLAT]), BANDS="grz"), r"holds a plane of one single value \(0\)"),
        (stored(np.stack([plane(1.0), FLAT, FLAT]), BANDS="grz"), r"holds a plane of one single value \(1\)"),
        (
            stored(None, FLAT, plane(1.0), names=("WEIGHT", "SCI")),
            r"is one single value \(1\) in extension 1 \(WEIGHT\); extension 2 \(SCI\) holds another image: store that one",
        ),
        (stored(FLAT, plane(1.0)), r"is one single value \(1\) in extension 0 \(PRIMARY\); extension 1 holds another"),
        (stored(np.where(np.hypot(*np.mgrid[-16:16, -16:16]) < 15, 0, plane(1.0))), "in the part that is used, at 16 x 16"),
    ],
)
def test_a_fits_image_that_shows_nothing_is_refused(content, said) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImageError, match=said):
            decode(content, Preprocessing(size=16, crop=0.5))


def test_an_empty_first_part_before_the_image_is_passed_over() -> None:
    assert np.array_equal(decode(stored(None, plane(1.0)), SMALL), decode(stored(plane(1.0)), SMALL))
