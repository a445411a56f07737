"""Listed bands, one a channel: from FITS to pixels, to shards and back, and what has other bands refused."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.bands import COLOURS, GREY, colours_told, in_colour, shares
from zooactive.catalogue.image_statistics import ImageStatistics
from zooactive.catalogue.images import decode, encode_png, shorter_side
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import CatalogueError, ImageError

BANDS = ("g", "r", "i", "z", "y")
SIDE = 16
CUTS = "asinh -0.1 9 0.05"
HOW = Preprocessing(size=SIDE, bands=BANDS, stretch=CUTS)


def planes(seed: int = 0) -> dict[str, np.ndarray]:
    """Fluxes from -1 to 11, beyond both cuts, by band."""
    rng = np.random.default_rng(seed)
    return {band: rng.uniform(-1, 11, (SIDE, SIDE)).astype(np.float32) for band in BANDS}


def cube(by_band: dict[str, np.ndarray], **header: str) -> bytes:
    return stored([fits.PrimaryHDU(np.stack(list(by_band.values())), fits.Header(header))])


def extensions(by_band: dict[str, np.ndarray], card: str = "EXTNAME", form: str = "{}", first: dict | None = None) -> bytes:
    hdus = [fits.ImageHDU(plane, fits.Header({card: form.format(band)})) for band, plane in by_band.items()]
    return stored([fits.PrimaryHDU(header=fits.Header(first or {})), *hdus])


def stored(hdus) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def level(flux: float, low: float = -0.1, high: float = 9.0, softening: float = 0.05) -> int:
    """The grey level of one pixel by docs/fits.md: linear up to the softening above LOW, logarithmic beyond."""
    span = high - low
    share = min(max((flux - low) / span, 0.0), 1.0)
    return round(255 * math.asinh(share * span / softening) / math.asinh(span / softening))


def by_hand(by_band: dict[str, np.ndarray], bands: tuple[str, ...] = BANDS) -> np.ndarray:
    """Channels in the listed order, the bottom row of the file last."""
    shown = [[[level(float(flux)) for flux in row] for row in by_band[band][::-1]] for band in bands]
    return np.moveaxis(np.array(shown, np.uint8), 0, -1)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: cube(p, BANDS="grizy"),
        lambda p: cube({band: p[band] for band in "yzirg"}, BANDS="y, z, i, r, g"),
        lambda p: cube(p, **{f"BAND{number}": f"HSC-{band.upper()}" for number, band in enumerate(BANDS)}),
        lambda p: cube(p),  # nobody says them, so the list does
        lambda p: extensions(p),
        lambda p: extensions({band: p[band] for band in "zygir"}),
        lambda p: extensions(p, "FILTER", "HSC-{}"),
        lambda p: extensions(p | {"u": p["g"] + 1}),
        lambda p: extensions(p, first={"FILTER": "r"}),  # an extension's own card comes first
    ],
    ids=["cube", "turned cube", "numbered", "unsaid", "extensions", "other order", "filter", "one more", "own card"],
)
def test_each_listed_band_is_a_channel_scaled_by_the_formula_the_top_row_first(make):
    p = planes()
    assert decode(make(p), HOW).tolist() == by_hand(p).tolist()


def test_each_band_may_have_cuts_of_its_own():
    p = planes()
    how = Preprocessing(size=SIDE, bands=["r", "y"], stretch=["linear 0 10", "asinh -0.1 9 0.05"])
    pixels = decode(cube(p, BANDS="grizy"), how)
    expected = np.round(255 * np.clip(p["r"][::-1].astype(float) / 10, 0, 1))
    assert how.stretch == ("linear 0 10", "asinh -0.1 9 0.05")
    np.testing.assert_array_equal(pixels[..., 0], expected)
    assert pixels[..., 1].tolist() == [[level(float(flux)) for flux in row] for row in p["y"][::-1]]


def test_the_scale_is_the_same_for_a_bright_and_a_faint_image():
    faint = {band: np.linspace(0, 1, SIDE**2, dtype=np.float32).reshape(SIDE, SIDE) for band in BANDS}
    bright = {band: 4 * plane for band, plane in faint.items()}
    how = Preprocessing(size=SIDE, bands=BANDS, stretch="linear 0 4")
    shown = decode(cube(bright), how).astype(float), decode(cube(faint), how).astype(float)
    assert np.abs(shown[0] / 4 - shown[1]).max() <= 0.625  # half a level each, of the bright one a quarter


def test_fits_of_bands_is_turned_as_a_jpeg_of_the_same_galaxy_is():
    picture = np.zeros((SIDE, SIDE), np.uint8)
    picture[:4, :8] = 250  # above and to the left, as people see it
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=100)
    jpeg = decode(buffer.getvalue(), Preprocessing(size=SIDE, channels=1))[..., 0]
    flux = {band: picture[::-1].astype(np.float32) for band in BANDS}  # row 0 of FITS is the bottom
    channels = decode(cube(flux), Preprocessing(size=SIDE, bands=BANDS, stretch="linear 0 255"))
    for channel in range(len(BANDS)):
        assert np.abs(channels[..., channel].astype(int) - jpeg).max() <= 3  # of JPEG's own rounding


@pytest.mark.parametrize("make", [lambda p: stored([fits.PrimaryHDU(p["r"])]), lambda p: cube({"r": p["r"]})])
def test_one_band_may_be_an_image_that_says_none(make):
    how = Preprocessing(size=SIDE, bands=["r"], stretch=CUTS)
    assert how.channels == 1
    assert decode(make(planes()), how).tolist() == by_hand(planes(), ("r",)).tolist()


def test_one_band_is_found_among_the_extensions_and_another_is_refused():
    p = planes()
    how = Preprocessing(size=SIDE, bands=["z"], stretch=CUTS)
    assert decode(extensions(p), how).tolist() == by_hand(p, ("z",)).tolist()
    with pytest.raises(ImageError, match="has the bands none that the header names, and the network needs z"):
        decode(stored([fits.PrimaryHDU(p["r"], fits.Header({"FILTER": "r"}))]), how)
    with pytest.raises(ImageError, match="has the bands r, and the network needs z"):
        decode(cube({"r": p["r"]}, BANDS="r"), how)


def test_bands_of_long_names_are_found():
    p = planes()
    how = Preprocessing(size=SIDE, bands=["VIS", "F814W"], stretch=CUTS)
    source = extensions({"F814W": p["i"], "VIS": p["r"]}, "FILTER")
    assert how.bands == ("vis", "f814w")
    assert decode(source, how).tolist() == by_hand({"vis": p["r"], "f814w": p["i"]}, ("vis", "f814w")).tolist()


def coloured() -> bytes:
    return encode_png(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (coloured(), "is a picture in colour or grey, and the network sees the bands g, r, i, z, y; give FITS images"),
        (
            extensions({band: planes()[band] for band in "griz"}),
            "has the bands g, r, i, z, and the network needs g, r, i, z, y",
        ),
        (cube({band: planes()[band] for band in "griz"}, BANDS="griz"), "has the bands g, r, i, z, and the network needs"),
        (cube({band: planes()[band] for band in "griz"}), "has 4 planes, but bands = 'g, r, i, z, y' names 5"),
        (cube({"g": planes()["g"]}), "has one plane, and the network needs the bands g, r, i, z, y"),
        (
            encode_png(decode(cube(planes()), HOW)[..., ::-1], BANDS[::-1]),
            "has the bands y, z, i, r, g, and the network sees",
        ),
        (cube(planes() | {"z": np.ones((SIDE, SIDE), np.float32)}), "holds a plane of one single value"),
    ],
)
def test_an_image_of_other_bands_is_refused_with_the_reason(source, words):
    with pytest.raises(ImageError, match=words):
        decode(source, HOW, name="J0")


def test_a_network_of_colour_refuses_pixels_of_bands():
    packed = encode_png(decode(cube(planes()), HOW), BANDS)
    with pytest.raises(ImageError, match="has the bands g, r, i, z, y, and the network sees colour or grey"):
        decode(packed, Preprocessing(size=SIDE))


def test_a_png_that_is_no_stack_of_its_bands_is_refused():
    with pytest.raises(ImageError, match="one above the other, but does not"):
        decode(encode_png(np.random.default_rng(0).integers(0, 9, (SIDE, SIDE, 2), dtype=np.uint8), BANDS), HOW)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bands": []}, "list one to 6 different bands"),
        ({"bands": list("ugrizyj")}, "list one to 6 different bands"),
        ({"bands": ["g", "G"]}, "list one to 6 different bands"),
        ({"bands": ["g", "g r"]}, "list one to 6 different bands"),
        ({"bands": ["g", 1]}, "list one to 6 different bands"),
        ({"bands": 5}, "list the bands of the network"),
        ({"bands": ["g", "r"], "stretch": "asinh"}, 'give "linear LOW HIGH" or "asinh LOW HIGH SOFTENING"'),
        ({"bands": ["g", "r"], "stretch": "legacy-grz"}, 'give "linear LOW HIGH"'),
        ({"bands": ["g", "r"], "stretch": ["linear 0 1"]}, "1 stretches for the 2 bands g, r"),
        ({"bands": ["g", "r"], "stretch": "linear 1 0"}, "LOW must be below HIGH"),
        ({"bands": ["g", "r"], "stretch": None}, "stretch = None"),
        ({"bands": ["g", "r"], "stretch": "linear 0 1", "channels": 5}, "channels = 5, but 2 bands are listed"),
        ({"bands": "gr", "stretch": ["linear 0 1", "linear 0 1"]}, "only listed bands can have one stretch each"),
        ({"channels": 5}, "use 3 for colour or 1 for grey"),
    ],
)
def test_bands_that_are_none_are_told(settings, words):
    with pytest.raises(ImageError, match=words):
        Preprocessing(**settings)


def test_settings_with_bands_come_back_from_plain_values_and_older_ones_have_none():
    assert Preprocessing.from_dict(HOW.to_dict()) == HOW
    assert HOW.channels == 5
    assert HOW.channel_names == BANDS
    older = Preprocessing.from_dict({"size": 64, "channels": 3, "crop": 1.0, "stretch": "asinh", "standardise": False})
    assert older.listed is None
    assert older.channel_names == COLOURS
    assert Preprocessing(channels=1).channel_names == GREY
    assert "bands" not in older.to_dict()


# Shards ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def survey(tmp_path):
    """Six galaxies, of which the last has no y band."""
    for number in range(5):
        (tmp_path / f"J{number}.fits").write_bytes(extensions(planes(number)))
    (tmp_path / "J5.fits").write_bytes(extensions({band: planes(5)[band] for band in "griz"}))
    pd.DataFrame({"id": [f"J{number}" for number in range(6)]}).to_csv(tmp_path / "table.csv", index=False)
    return read_catalogue(tmp_path / "table.csv", images=tmp_path)


def test_shards_hold_the_pixels_of_their_bands_and_what_lacks_one_is_listed(survey, tmp_path):
    result = write_shards(survey, tmp_path / "shards", HOW)
    assert result.galaxies == 5
    assert "and the network needs g, r, i, z, y" in result.failures["reason"].iloc[0]
    packed = read_catalogue(tmp_path / "shards")
    assert packed.prepared == HOW
    pixels, failures = packed.decode(HOW)
    assert not failures
    np.testing.assert_array_equal(pixels, [by_hand(planes(number)) for number in range(5)])
    np.testing.assert_array_equal(survey.decode(HOW, range(5))[0], pixels)


def test_any_viewer_shows_the_bands_of_a_shards_image_one_above_the_other(survey, tmp_path):
    write_shards(survey.take([0]), tmp_path / "shards", HOW)
    cell = pd.read_parquet(tmp_path / "shards" / "part-00000.parquet")["image"][0]["bytes"]
    picture = np.asarray(Image.open(io.BytesIO(cell)))
    np.testing.assert_array_equal(picture, np.concatenate(list(np.moveaxis(by_hand(planes(0)), -1, 0))))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"bands": BANDS[::-1], "stretch": CUTS}, "with the channels g, r, i, z, y, and the network sees y, z, i, r, g, in"),
        ({"bands": BANDS[:3], "stretch": CUTS}, "and the network sees g, r, i, in this order"),
        ({}, "and the network sees red, green, blue"),
        ({"channels": 1}, "and the network sees grey"),
        ({"bands": BANDS, "stretch": "linear 0 1"}, "was packed as"),
    ],
)
def test_shards_of_other_bands_or_in_another_order_are_refused(survey, tmp_path, other, words):
    write_shards(survey.take([0]), tmp_path / "shards", HOW)
    with pytest.raises(CatalogueError, match=words):
        read_catalogue(tmp_path / "shards").decode(Preprocessing(size=SIDE, **other))


def test_a_smaller_view_is_cut_out_of_every_band(survey, tmp_path):
    write_shards(survey.take([0]), tmp_path / "shards", HOW)
    half = Preprocessing(size=SIDE // 2, crop=0.5, bands=BANDS, stretch=CUTS)
    pixels, _ = read_catalogue(tmp_path / "shards").decode(half)
    quarter = SIDE // 4
    np.testing.assert_array_equal(pixels[0], by_hand(planes(0))[quarter : 3 * quarter, quarter : 3 * quarter])


def test_images_of_bands_have_statistics_and_a_size(survey):
    assert shorter_side(survey.images[0], HOW) == SIDE
    found = ImageStatistics.of(survey, HOW)
    expected = np.mean([by_hand(planes(number)).mean() / 255 for number in range(5)])
    assert found.mean["brightness"] == pytest.approx(expected)
    assert found.pixels == SIDE


# Bands and colours ----------------------------------------------------------------------------------------------------


def test_four_bands_have_the_colours_of_the_legacy_surveys_viewer():
    # services.md, section 9: R = .75 z + .25 i, G = .5 r + .5 i, B = .75 g + .25 r
    expected = [[0, 0, 0.25, 0.75], [0, 0.5, 0.5, 0], [0.75, 0.25, 0, 0]]
    np.testing.assert_allclose(shares(COLOURS, ("g", "r", "i", "z")), expected, atol=1e-15)


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        (("z", "r", "g"), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (("g", "r", "z"), [[0, 0, 1], [0, 1, 0], [1, 0, 0]]),
        (("g", "z"), [[0, 1], [0.5, 0.5], [1, 0]]),
        (("r",), [[1], [1], [1]]),
        # places 0, 1/2, 1, 3/2, 2 of five, and weights 1 - distance over their sum
        (BANDS, [[0, 0, 0, 1 / 3, 2 / 3], [0, 1 / 4, 1 / 2, 1 / 4, 0], [2 / 3, 1 / 3, 0, 0, 0]]),
        (("first", "second", "third"), [[0, 0, 1], [0, 1, 0], [1, 0, 0]]),  # unknown: the bluest comes first
    ],
)
def test_colours_are_means_of_the_bands_nearest_in_the_order_of_wavelength(bands, expected):
    np.testing.assert_allclose(shares(COLOURS, bands), expected, atol=1e-15)


@pytest.mark.parametrize("number", range(1, 7))
def test_the_shares_of_each_channel_sum_to_one_and_follow_the_bands_wherever_they_stand(number):
    bands = ("u", "g", "r", "i", "z", "y")[:number]
    for theirs in (COLOURS, GREY, ("g", "z"), BANDS):
        found = shares(theirs, bands)
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(1), 1)
        turned = np.random.default_rng(number).permutation(number)
        np.testing.assert_allclose(shares(theirs, tuple(bands[band] for band in turned)), found[:, turned], atol=1e-15)


def test_pixels_of_bands_are_seen_in_colour_and_the_mixture_is_told():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    g, r, i, z = np.moveaxis(pixels.astype(float), -1, 0)
    expected = np.stack([0.75 * z + 0.25 * i, 0.5 * r + 0.5 * i, 0.75 * g + 0.25 * r], axis=-1)
    assert np.abs(in_colour(pixels, ("g", "r", "i", "z")) - expected).max() <= 0.5 + 1e-9  # the nearest level
    assert colours_told(("g", "r", "i", "z")) == "red = 0.25 i + 0.75 z, green = 0.5 r + 0.5 i, blue = 0.75 g + 0.25 r"
    assert colours_told(("g", "r", "z")) == "red = z, green = r, blue = g"
    assert in_colour(pixels[..., :1], ("r",)).shape == (4, 4, 1)
    assert colours_told(("r",)) == "r in grey"
