"""Images: JPEG, PNG and FITS, gzipped or not, damaged, cut off, or with a header that promises the sky."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hostile import damaged, fuzzed, read_or_refused
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pictures import picture
from PIL import Image

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.images import LARGEST_PIXELS, decode
from zooactive.catalogue.many_images import decode_many
from zooactive.foundation.errors import ImageError

SETTINGS = (
    Preprocessing(size=8),
    Preprocessing(size=16, channels=1),
    Preprocessing(size=32, crop=0.3, stretch="linear"),
    Preprocessing(size=8, crop=1e-9),
)


def as_picture(pixels: NDArray[np.uint8] | NDArray[np.uint16], kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def as_fits(*hdus: fits.ImageHDU) -> bytes:
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(stream)
    return stream.getvalue()


def exif_of_a_camera() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    return exif.tobytes()


PIXELS = picture(1, 24)
PLANES = np.moveaxis(PIXELS, -1, 0).astype(np.float32)
SOUND: dict[str, bytes] = {
    "jpeg": as_picture(PIXELS, "JPEG"),
    "progressive": as_picture(PIXELS, "JPEG", progressive=True, exif=exif_of_a_camera()),
    "png": as_picture(PIXELS, "PNG"),
    "deep_png": as_picture(PIXELS[..., 0].astype(np.uint16) * 257, "PNG"),
    "fits": as_fits(fits.ImageHDU(PLANES, fits.Header({"BANDS": "zrg"}))),
    "scaled_fits": as_fits(fits.ImageHDU(PLANES[0].astype(np.int16), fits.Header({"BZERO": 32768, "BSCALE": 0.5}))),
    "gzipped_fits": gzip.compress(as_fits(fits.ImageHDU(PLANES, fits.Header({"BANDS": "zrg"})))),
    "gzipped_jpeg": gzip.compress(as_picture(PIXELS, "JPEG")),
}


def look(content: bytes | Path, preprocessing: Preprocessing) -> None:
    pixels = decode(content, preprocessing, name="J0")
    assert pixels.shape == (preprocessing.size, preprocessing.size, preprocessing.channels)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("name", SOUND)
def test_what_is_damaged_here_is_sound(name: str):
    for preprocessing in SETTINGS:
        look(SOUND[name], preprocessing)


@pytest.mark.parametrize("name", SOUND)
@fuzzed(30)
@given(data=st.data(), preprocessing=st.sampled_from(SETTINGS))
def test_a_damaged_image_is_decoded_or_refused(name: str, data: st.DataObject, preprocessing: Preprocessing):
    content = data.draw(damaged(SOUND[name]))
    with read_or_refused(decoders_speak=True):
        look(content, preprocessing)


@fuzzed(30)
@given(
    content=st.binary(max_size=200)
    | st.builds(bytes.__add__, st.sampled_from([sound[:12] for sound in SOUND.values()]), st.binary(max_size=200)),
    preprocessing=st.sampled_from(SETTINGS),
)
def test_bytes_that_are_no_image_are_refused(content: bytes, preprocessing: Preprocessing):
    with read_or_refused(decoders_speak=True):
        look(content, preprocessing)
        pytest.fail("something was decoded")


@fuzzed(30)
@given(
    kind=st.sampled_from(("f4", "f8", "i2", "i4", "i8", "u1")),
    shape=st.lists(st.integers(0, 12), max_size=4),
    values=st.lists(st.sampled_from((0, 1, -1, np.nan, np.inf, -np.inf, 1e30, 3e38, 1e300)), min_size=1, max_size=5),
    preprocessing=st.sampled_from(SETTINGS),
)
def test_fits_of_any_axes_and_values_is_decoded_or_refused(
    kind: str, shape: list[int], values: list[float], preprocessing: Preprocessing
):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = np.resize(np.array(values).astype(kind), shape)
        content = as_fits(fits.ImageHDU(pixels) if pixels.ndim else fits.ImageHDU())
    with read_or_refused(decoders_speak=True):
        look(content, preprocessing)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and brings a handful."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(1000)), b"IEND")
    packed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def fits_header(*axes: int) -> bytes:
    """The same as FITS."""
    cards = [f"SIMPLE  = {'T':>20}", f"BITPIX  = {-64:>20}", f"NAXIS   = {len(axes):>20}"]
    cards += [f"NAXIS{i}  = {axis:>20}" for i, axis in enumerate(axes, 1)]
    return "".join(card.ljust(80) for card in [*cards, "END"]).ljust(2880).encode() + bytes(2880)


SIDES = st.sampled_from((0, 1, 7, 8, 100, 8192, 8193, 2**20, 2**31 - 1))


@fuzzed(30)
@given(width=SIDES, height=SIDES, zipped=st.booleans())
def test_a_header_that_promises_any_number_of_pixels_is_decoded_or_refused(width: int, height: int, zipped: bool):
    for content in (png_header(width, height), fits_header(width, height), fits_header(width, height, 3)):
        with read_or_refused(decoders_speak=True):
            look(gzip.compress(content) if zipped else content, SETTINGS[0])


@pytest.mark.filterwarnings("ignore:.*truncated")
def test_a_bomb_is_refused_by_its_header():
    side = int(LARGEST_PIXELS**0.5) + 1
    for content in (png_header(side, side), fits_header(side, side)):
        with pytest.raises(ImageError, match=r"far (more|larger) than a cutout"):
            look(content, SETTINGS[0])


@fuzzed(10)
@given(name=st.text(max_size=300))
def test_a_path_of_any_name_is_a_failure_of_its_galaxy(tmp_path: Path, name: str):
    with read_or_refused(decoders_speak=True):
        pixels, failures = decode_many([SOUND["png"], tmp_path / name], SETTINGS[0], names=["a", "b"])
        assert set(failures) == {1}
        assert pixels[0].any()


@pytest.mark.parametrize("bits", [8, -64])
def test_a_fits_header_of_a_negative_size_is_not_read_for_ever(bits: int):
    content = fits_header(-2880 * 8 // abs(bits)).replace(f"{-64:>20}".encode(), f"{bits:>20}".encode())
    with pytest.raises(ImageError):
        look(content, SETTINGS[0])


def test_settings_of_images_that_make_no_sense_are_refused():
    for scales in ((), (0.0,), ("1",), (1.5,)):
        with pytest.raises(ImageError, match="give at least one scale above 0"):
            Preprocessing(size=8, scales=scales)
    with pytest.raises(ImageError, match="settings must be a table such as"):
        Preprocessing.from_dict([8])  # type: ignore[arg-type]
