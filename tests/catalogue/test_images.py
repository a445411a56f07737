from __future__ import annotations

import gzip
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import picture
from PIL import Image

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.images import decode, encode_png
from zooactive.catalogue.many_images import decode_many
from zooactive.foundation.errors import ImageError


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, "PNG")
    return buffer.getvalue()


def fits_bytes(*arrays: np.ndarray | None) -> bytes:
    from astropy.io import fits

    buffer = io.BytesIO()
    first, *others = arrays
    fits.HDUList([fits.PrimaryHDU(first), *(fits.ImageHDU(array) for array in others)]).writeto(buffer)
    return buffer.getvalue()


def test_an_image_of_the_right_size_comes_back_pixel_by_pixel() -> None:
    pixels = picture(3, 32)
    assert np.array_equal(decode(png(pixels), Preprocessing(size=32)), pixels)


def test_pixels_written_as_png_are_read_back_unchanged() -> None:
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (24, 24, channels), dtype=np.uint8)
        assert np.array_equal(decode(encode_png(pixels), Preprocessing(size=24, channels=channels)), pixels)


def test_the_crop_is_the_centre_square_of_the_shorter_side() -> None:
    pixels = picture(1, 64)[:40]  # 40 high, 64 wide
    expected = pixels[10:30, 22:42]
    assert np.array_equal(decode(png(pixels), Preprocessing(size=20, crop=0.5)), expected)


def test_shrinking_averages_over_neighbours_instead_of_dropping_them() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    small = decode(png(stripes), Preprocessing(size=16))
    assert np.abs(small[:, 2:-2].astype(int) - 100).max() <= 3


def test_colour_becomes_grey_by_luma_and_grey_becomes_three_equal_channels() -> None:
    colour = np.zeros((8, 8, 3), dtype=np.uint8)
    colour[1:, :, 1] = 100
    assert np.all(decode(png(colour), Preprocessing(size=8, channels=1))[1:] == 59)  # 0.587 of 100
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert np.array_equal(decode(png(grey), Preprocessing(size=8)), np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bit_grey_png_keeps_its_range() -> None:
    deep = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    expected = np.floor(deep / 257 + 0.5).astype(int)
    assert np.array_equal(decode(png(deep), Preprocessing(size=8, channels=1))[..., 0], expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L"])
def test_other_modes_of_png_are_converted(mode: str) -> None:
    assert decode(png(picture(0, 16), mode), Preprocessing(size=16)).shape == (16, 16, 3)


def test_a_palette_with_transparency_is_read_without_a_warning() -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(0, 16)).convert("P").save(buffer, "PNG", transparency=bytes(range(256)))
    assert decode(buffer.getvalue(), Preprocessing(size=16)).shape == (16, 16, 3)


def test_a_jpeg_is_near_its_original(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 3), (200, 120, 40), dtype=np.uint8)
    pixels[:16] = 120, 40, 200
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95, subsampling=0)
    small = decode(tmp_path / "a.jpg", Preprocessing(size=16)).astype(int)
    assert np.abs(small[:6] - (120, 40, 200)).max() <= 3
    assert np.abs(small[-6:] - (200, 120, 40)).max() <= 3


# What shows nothing ---------------------------------------------------------------------------------------------------


def flat(form: str, mode: str, colour: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (240, 200), colour).save(buffer, form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (flat("JPEG", "RGB", (32, 32, 32)), "32"),  # of the Legacy viewer, off the survey
        (flat("JPEG", "RGB", (22, 22, 22), quality=75), "22"),  # of its SDSS layer
        (flat("JPEG", "L", 0, progressive=True), "0"),
        (flat("PNG", "RGB", (255, 255, 255)), "255"),  # Pan-STARRS beyond a skycell
        (flat("PNG", "RGB", (10, 20, 30)), "10, 20, 30"),
        (flat("PNG", "RGBA", (0, 0, 0, 0)), "0"),
        (flat("PNG", "1", 1), "255"),
        (flat("PNG", "I;16", 257 * 9), "9"),
        (flat("PNG", "P", 0), "0"),
    ],
)
@pytest.mark.parametrize("channels", [3, 1])
def test_an_image_of_one_value_is_refused_and_the_value_named(content: bytes, value: str, channels: int) -> None:
    said = value if channels == 3 or "," not in value else "[0-9]+"
    with pytest.raises(ImageError, match=rf"is one single value \({said}\): off the survey, or an empty frame; leave"):
        decode(content, Preprocessing(size=32, channels=channels), name="J1")


def test_an_image_whose_centre_shows_nothing_is_refused_where_only_that_is_used() -> None:
    framed = np.full((60, 60, 3), 7, dtype=np.uint8)
    framed[:5] = picture(0, 60)[:5]
    assert decode(png(framed), Preprocessing(size=30)).any()
    with pytest.raises(ImageError, match=r"one single value \(7\) in the part that is used, at 30 x 30 pixels"):
        decode(png(framed), Preprocessing(size=30, crop=0.5))


def test_a_faint_source_on_an_empty_frame_is_an_image() -> None:
    lone = np.zeros((64, 64), dtype=np.uint8)
    lone[30:34, 30:34] = 40
    assert decode(png(lone), Preprocessing(size=16)).any()


# FITS -----------------------------------------------------------------------------------------------------------------


def test_a_fits_image_rises_from_black_to_white_between_its_percentiles_and_is_turned_over() -> None:
    ramp = np.linspace(0, 1, 400).reshape(20, 20)  # row 0, the darkest, is the bottom
    pixels = decode(fits_bytes(ramp), Preprocessing(size=20, channels=1, stretch="linear"))[..., 0]
    expected = np.clip((ramp - 0.01) / (0.995 - 0.01), 0, 1)[::-1] * 255
    assert np.abs(pixels - expected).max() < 0.6


def test_the_asinh_stretch_lifts_the_faint_parts() -> None:
    ramp = np.linspace(0, 1, 400).reshape(20, 20)
    linear, asinh = (
        decode(fits_bytes(ramp), Preprocessing(size=20, channels=1, stretch=stretch))[..., 0].astype(float)
        for stretch in ("linear", "asinh")
    )
    fraction = np.clip((ramp - 0.01) / 0.985, 0, 1)[::-1]
    assert np.abs(asinh - 255 * np.arcsinh(10 * fraction) / np.arcsinh(10)).max() < 0.6
    assert asinh[10].mean() > linear[10].mean() + 50


def test_missing_pixels_of_a_fits_image_become_black() -> None:
    ramp = np.linspace(1, 2, 400).reshape(20, 20)
    ramp[5, 5], ramp[6, 6] = np.nan, np.inf
    pixels = decode(fits_bytes(ramp), Preprocessing(size=20, channels=1))[..., 0]
    assert pixels[19 - 5, 5] == pixels[19 - 6, 6] == 0


def test_three_fits_planes_become_colour_and_one_becomes_three_equal_channels() -> None:
    planes = np.random.default_rng(0).normal(0, 1, (3, 16, 16)).astype(np.float32)
    planes[0] += 20 * np.eye(16)
    colour = decode(fits_bytes(planes), Preprocessing(size=16, bands="rgb"))
    assert colour[..., 0].max() == 255
    assert colour[..., 1].max() < 200
    single = decode(fits_bytes(planes[0]), Preprocessing(size=16))
    assert np.array_equal(single[..., 0], single[..., 2])


def test_the_first_fits_extension_with_an_image_is_read(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 900, (16, 16)).astype(np.uint16)  # unsigned: stored with BZERO
    path = tmp_path / "a.fits"
    path.write_bytes(fits_bytes(None, image))
    assert np.array_equal(decode(path, Preprocessing(size=16)), decode(fits_bytes(image), Preprocessing(size=16)))


def test_a_gzipped_fits_image_is_read_too() -> None:
    image = fits_bytes(np.random.default_rng(0).normal(0, 1, (16, 16)))
    assert np.array_equal(decode(gzip.compress(image), Preprocessing(size=16)), decode(image, Preprocessing(size=16)))


def test_a_fits_image_of_one_value_or_without_a_finite_pixel_is_refused() -> None:
    with pytest.raises(ImageError, match=r"is one single value \(7\): off the survey"):
        decode(fits_bytes(np.full((16, 16), 7.0)), Preprocessing(size=16))
    with pytest.raises(ImageError, match="without any finite pixel"):
        decode(fits_bytes(np.full((16, 16), np.nan)), Preprocessing(size=16))


def test_a_fits_file_without_an_image_is_refused() -> None:
    with pytest.raises(ImageError, match="has no FITS image"):
        decode(fits_bytes(None), Preprocessing(size=16), name="J1")
    with pytest.raises(ImageError, match="has no FITS image"):
        decode(fits_bytes(np.zeros((5, 16, 16))), Preprocessing(size=16))


# What cannot be read --------------------------------------------------------------------------------------------------


def black(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")  # of one bit a pixel: every test process makes the largest
    return buffer.getvalue()


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(0, 64)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"<html>no such cutout</html>", "is not a JPEG, PNG or FITS image"),
        (jpeg()[:700], "truncated or damaged"),
        (png(picture(0, 64))[:2000], "truncated or damaged"),
        (fits_bytes(np.ones((64, 64)))[:6000], "truncated or damaged"),
        (png(picture(0, 64)[:7]), "is 64 x 7 pixels; at least 8"),
        (black(7_000_000, 10), "far more than a cutout"),
        (black(9_000_000, 10), "far larger than a cutout"),
        (black(18_000_000, 10), "far larger than a cutout"),
    ],
)
def test_an_unreadable_image_is_one_sentence_with_galaxy_and_file(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=sentence) as caught:
        decode(path, Preprocessing(size=16), name="J0001")
    assert str(path) in str(caught.value)
    assert "J0001" in str(caught.value)
    with pytest.raises(ImageError, match="the image of galaxy 'J0001' "):
        decode(content, Preprocessing(size=16), name="J0001")


def test_a_missing_file_a_folder_and_no_image_at_all_are_image_errors(tmp_path: Path) -> None:
    for source, sentence in [(tmp_path / "no.jpg", "does not exist"), (tmp_path, "is a folder"), (None, "has no image")]:
        with pytest.raises(ImageError, match=sentence):
            decode(source, Preprocessing(size=16), name="J1")


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x1f\x8b\x08\0"])
)
def test_junk_never_raises_anything_but_an_image_error(junk: bytes, head: bytes) -> None:
    with pytest.raises(ImageError):
        decode(head + junk, Preprocessing(size=8))


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_flipped_byte_gives_pixels_or_an_image_error(position: int, change: int) -> None:
    content = bytearray(jpeg())
    content[position % len(content)] ^= change
    pixels, failures = decode_many([bytes(content)], Preprocessing(size=8), names=["J1"])
    assert pixels.shape == (1, 8, 8, 3)
    assert all("\n" not in reason for reason in failures.values())


# Many at once ---------------------------------------------------------------------------------------------------------


def test_many_images_come_back_in_order_and_failures_are_zeros_with_reasons(write_pictures) -> None:
    ids = [f"g{i}" for i in range(20)]
    folder = write_pictures(ids)
    (folder / "g7.jpg").write_bytes(b"")
    sources = [folder / f"{galaxy_id}.jpg" for galaxy_id in ids]
    sources[3] = None
    preprocessing = Preprocessing(size=16)
    pixels, failures = decode_many(sources, preprocessing, names=ids)
    assert list(failures) == [3, 7]
    assert "g7" in failures[7]
    for row in range(20):
        expected = np.zeros((16, 16, 3)) if row in failures else decode(sources[row], preprocessing)
        assert np.array_equal(pixels[row], expected)


def test_the_number_of_threads_changes_nothing(write_pictures) -> None:
    ids = [f"g{i}" for i in range(9)]
    folder = write_pictures(ids)
    sources = [folder / f"{galaxy_id}.jpg" for galaxy_id in ids]
    one, many = (decode_many(sources, Preprocessing(size=16), names=ids, workers=n)[0] for n in (1, 4))
    assert np.array_equal(one, many)
    assert threading.active_count() < 5


def test_no_images_give_an_empty_array() -> None:
    pixels, failures = decode_many([], Preprocessing(size=16), names=[])
    assert pixels.shape == (0, 16, 16, 3)
    assert failures == {}


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"size": 4},
        {"size": 64.0},
        {"size": True},
        {"channels": 4},
        {"channels": "3"},
        {"crop": 0},
        {"crop": 1.5},
        {"crop": float("nan")},
        {"crop": "1"},
        {"stretch": "log"},
        {"sise": 64},
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ImageError, match="preprocessing"):
        Preprocessing.from_dict(values)


def test_settings_survive_a_round_trip() -> None:
    settings = Preprocessing(size=80, channels=1, crop=0.5, stretch="linear")
    assert Preprocessing.from_dict(settings.to_dict()) == settings


def test_every_real_image_format_at_hand_is_read(shared_data: Path) -> None:
    files = [next((shared_data / name / "images").glob("*.jpg")) for name in ("gz2_kaggle", "rings", "hubble")]
    pixels, failures = decode_many(files, Preprocessing(size=64), names=[file.stem for file in files])
    assert not failures
    assert (pixels.std(axis=(1, 2, 3)) > 1).all()
