"""Bands into colours: each recipe against its formula, written again for single pixels, and FITS turned as JPEG is."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.colours import SURVEYS, check_stretch, coloured, recipe_of
from zooactive.catalogue.images import decode
from zooactive.foundation.errors import ImageError

FLUXES = {  # nanomaggies of four pixels: sky, faint, a red nucleus, a blue knot
    "g": [0.0, 0.02, 0.9, 3.0],
    "r": [-0.01, 0.05, 2.5, 2.0],
    "i": [0.0, 0.08, 3.5, 1.5],
    "z": [0.005, 0.1, 4.5, 1.2],
}


def lupton(x: dict[str, float], scales: dict[str, float], m: float, q: float = 20.0) -> dict[str, float]:
    bright = {band: x[band] * scale + m for band, scale in scales.items()}
    mean = sum(max(0.0, value) for value in bright.values()) / len(bright) or 1e-6
    f = math.asinh(q * mean) / math.sqrt(q) / mean
    return {band: min(max(value * f, 0.0), 1.0) for band, value in bright.items()}


def legacy_grz(x):
    v = lupton(x, {"z": 2.2, "r": 3.4, "g": 6.0}, 0.03)
    return v["z"], v["r"], v["g"]


def legacy_griz(x):
    v = lupton(x, {"g": 9.0, "r": 5.1, "i": 4.5, "z": 3.3}, 0.03)
    return 0.75 * v["z"] + 0.25 * v["i"], 0.5 * v["r"] + 0.5 * v["i"], 0.75 * v["g"] + 0.25 * v["r"]


def legacy_gri(x):
    v = lupton(x, {"i": 4.5, "r": 5.1, "g": 9.0}, 0.02)
    return v["i"], v["r"], v["g"]


def sdss(x):
    v = lupton(x, {"i": 1.0, "r": 1.5, "g": 2.5}, 0.02)
    return v["i"], v["r"], v["g"]


def gz_decals(x):
    mn, mx = math.asinh(-0.5), math.asinh(300)
    c = [(math.asinh(x[band] / s) - mn) / (mx - mn) for band, s in (("z", 0.019), ("r", 0.014), ("g", 0.008))]
    a = sum(c) / 3 or 1.0
    w = math.sin(math.pi / 2 * (1 - min(1.0, max(value / a for value in c) / 2.5)))
    return tuple(min(max(v * w + a * (1 - w) + a * (1 - w) ** 2 * v, 0.0), 1.0) for v in c)


BY_HAND = {
    "legacy-grz": legacy_grz,
    "legacy-griz": legacy_griz,
    "legacy-gri": legacy_gri,
    "sdss": sdss,
    "gz-decals": gz_decals,
}


def planes(bands: str) -> dict[str, np.ndarray]:
    return {band: np.array(FLUXES[band], dtype=np.float32).reshape(2, 2) for band in bands}


@pytest.mark.parametrize("name", SURVEYS)
def test_each_survey_s_recipe_is_its_formula(name):
    found = coloured(planes(SURVEYS[name].bands), SURVEYS[name])
    assert found.shape == (2, 2, 3)
    for pixel in range(4):
        by_hand = BY_HAND[name]({band: float(np.float32(flux[pixel])) for band, flux in FLUXES.items()})
        shown = found[1 - pixel // 2, pixel % 2]  # the first row of FITS is the last one of a picture
        np.testing.assert_allclose(shown, 255 * np.array(by_hand), atol=0.51)
    assert found.reshape(-1, 3).std(axis=0).min() > 20, "four pixels differ in each colour"


def test_recipes_with_numbers_are_their_formulas():
    three = planes("zrg")
    linear = coloured(three, recipe_of("linear 0 3"))
    asinh = coloured(three, recipe_of("asinh -0.1 5 0.05"))
    for pixel in range(4):
        for colour, band in enumerate("zrg"):
            flux = FLUXES[band][pixel]
            where = (1 - pixel // 2, pixel % 2, colour)
            assert linear[where] == pytest.approx(255 * min(max(flux / 3, 0), 1), abs=0.51)
            share = math.asinh(min(max((flux + 0.1) / 5.1, 0), 1) * 5.1 / 0.05) / math.asinh(5.1 / 0.05)
            assert asinh[where] == pytest.approx(255 * share, abs=0.51)
    grey = coloured({"": three["r"]}, recipe_of("linear 0 3"))
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    np.testing.assert_array_equal(grey[..., 0], linear[..., 1])


def test_lupton_is_astropys():
    from astropy.visualization import make_lupton_rgb

    three = planes("irg")
    expected = make_lupton_rgb(three["i"], three["r"], three["g"], stretch=0.5, Q=8)
    np.testing.assert_array_equal(coloured(three, recipe_of("lupton 0.5 8")), expected[::-1])


def test_pixels_that_are_not_finite_are_dark():
    three = planes("zrg")
    three["z"][0, 0] = np.nan
    three["r"][0, 1] = np.inf
    found = coloured(three, SURVEYS["legacy-grz"])
    zero = coloured({band: np.where(np.isfinite(plane), plane, 0) for band, plane in three.items()}, SURVEYS["legacy-grz"])
    np.testing.assert_array_equal(found, zero)


@pytest.mark.parametrize(
    ("stretch", "words"),
    [
        ("legacy-gzr", "Did you mean 'legacy-grz'"),
        ("linear 1", "give 2 numbers after it: linear LOW HIGH"),
        ("asinh 0 1", "give 3 numbers after it: asinh LOW HIGH SOFTENING"),
        ("linear 0 much", "give 2 numbers"),
        ("linear 3 1", "LOW must be below HIGH"),
        ("asinh 0 nan 1", "give 3 numbers"),
        ("lupton 0 8", "STRETCH and Q must be above 0"),
        ("", "Use one of asinh, linear, legacy-grz"),
        (None, "Use one of"),
    ],
)
def test_a_stretch_that_is_none_is_told(stretch, words):
    with pytest.raises(ImageError, match=words):
        Preprocessing(stretch=stretch)
    check_stretch("asinh")


def sky(bands: str) -> np.ndarray:
    """A galaxy with a knot at the upper left, (band, y, x), the bottom row first."""
    y, x = np.mgrid[:32, :32]
    light = np.exp(-((x - 16) ** 2 + (y - 16) ** 2) / 40) + np.exp(-((x - 6) ** 2 + (y - 26) ** 2) / 6)
    return np.stack([light * {"g": 0.5, "r": 1.0, "i": 1.3, "z": 1.6}[band] for band in bands]).astype(np.float32)


def written(folder: Path, hdus: list[fits.ImageHDU | fits.PrimaryHDU]) -> Path:
    fits.HDUList(hdus).writeto(folder / "galaxy.fits", overwrite=True)
    return folder / "galaxy.fits"


def cube(bands: str, **cards: str) -> fits.PrimaryHDU:
    return fits.PrimaryHDU(sky(bands), fits.Header(cards or {"BANDS": bands}))


def test_a_cube_and_an_extension_a_band_give_the_same_picture_turned_as_a_jpeg_is(tmp_path):
    colours = Preprocessing(size=32, stretch="legacy-grz")
    whole = decode(written(tmp_path, [cube("grz")]), colours)
    extensions = [fits.PrimaryHDU(), *(fits.ImageHDU(sky(band)[0], name=f"LEGACY-{band.upper()}") for band in "zgr")]
    np.testing.assert_array_equal(decode(written(tmp_path, extensions), colours), whole)
    by_filter = [fits.PrimaryHDU(), *(fits.ImageHDU(sky(band)[0], fits.Header({"FILTER": band})) for band in "grz")]
    np.testing.assert_array_equal(decode(written(tmp_path, by_filter), colours), whole)
    other_order = cube("zgr", BAND0="z", BAND1="g", BAND2="r")
    np.testing.assert_array_equal(decode(written(tmp_path, [other_order]), colours), whole)
    unsaid = fits.PrimaryHDU(sky("grz"))
    said = Preprocessing(size=32, stretch="legacy-grz", bands="grz")
    np.testing.assert_array_equal(decode(written(tmp_path, [unsaid]), said), whole)
    brightest = np.unravel_index(whole[:12].sum(-1).argmax(), (12, 32))
    assert (abs(brightest[0] - 5), abs(brightest[1] - 6)) <= (1, 1), "the knot is at the upper left, as in a JPEG"
    picture = io.BytesIO()
    Image.fromarray(coloured(dict(zip("grz", sky("grz"), strict=True)), SURVEYS["legacy-grz"])).save(picture, "PNG")
    np.testing.assert_array_equal(decode(picture.getvalue(), Preprocessing(size=32)), whole)


def test_four_bands_and_grey_are_coloured_too(tmp_path):
    file = written(tmp_path, [cube("griz")])
    pictures = {name: decode(file, Preprocessing(size=32, stretch=name)) for name in SURVEYS}
    assert len({picture.tobytes() for picture in pictures.values()}) == len(SURVEYS)
    (tmp_path / "grey").mkdir()
    grey = decode(written(tmp_path / "grey", [fits.PrimaryHDU(sky("r")[0])]), Preprocessing(size=32, stretch="linear 0 1"))
    np.testing.assert_array_equal(grey[..., 0], grey[..., 1])
    with pytest.warns(UserWarning, match="z, r, g are shown as red, green and blue"):
        decode(file, Preprocessing(size=32, stretch="linear 0 1"))


def test_one_scale_for_all_images_keeps_a_faint_galaxy_faint(tmp_path):
    files = []
    for name, factor in (("bright", 1.0), ("faint", 0.1)):
        (tmp_path / name).mkdir()
        hdu = cube("grz")
        hdu.data *= np.float32(factor)
        files.append(written(tmp_path / name, [hdu]))
    for stretch, alike in (("legacy-grz", False), ("asinh", True)):
        bright, faint = (decode(file, Preprocessing(size=32, stretch=stretch)).mean() for file in files)
        assert (abs(bright - faint) < 1) == alike


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: [cube("gri")], "has the bands g, r, i, and its stretch needs z, r, g"),
        (lambda: [fits.PrimaryHDU(sky("grz"))], "planes of unknown bands"),
        (lambda: [fits.PrimaryHDU(sky("r")[0])], "has the bands none that the header names, and its stretch needs"),
        (lambda: [fits.PrimaryHDU(sky("r"))], "has one plane, and its stretch needs the bands zrg"),
        (
            lambda: [fits.PrimaryHDU(), *(fits.ImageHDU(sky(b)[0][: 32 - (b == "g")], name=b) for b in "rzg")],
            "32 x 31 pixels in band g and 32 x 32 in another",
        ),
    ],
)
def test_what_lacks_a_band_is_refused_in_a_sentence(tmp_path, make, words):
    with pytest.raises(ImageError, match=words):
        decode(written(tmp_path, make()), Preprocessing(size=32, stretch="legacy-grz"))


def test_an_empty_band_is_no_picture(tmp_path):
    hdu = cube("grz")
    hdu.data[2] = 0
    with pytest.raises(ImageError, match="holds a plane of one single value"):
        decode(written(tmp_path, [hdu]), Preprocessing(size=32, stretch="legacy-grz"))


def test_a_models_settings_say_the_stretch_and_keep_it():
    from zooactive.models.config import Network

    made = Network(image_size=32, stretch="gz-decals", bands="grz").preprocessing()
    assert made.stretch == "gz-decals"
    assert Preprocessing.from_dict(made.to_dict()) == made
