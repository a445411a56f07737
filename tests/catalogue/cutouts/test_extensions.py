"""Bands that came in a file each, as one FITS file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from zooactive.catalogue.cutouts.extensions import in_extensions
from zooactive.catalogue.cutouts.replies import Trouble, fits_plane
from zooactive.catalogue.cutouts.services import Form

ASKED = Form("http://a?{ra}&{dec}&{file}", slack=1)
VALUES = np.arange(36, dtype=np.float32).reshape(6, 6)


def bytes_of(*hdus: fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def an_archives_header() -> fits.Header:
    header = fits.Header()
    header["EXTNAME"], header["EXTVER"], header["BAND"], header["FILTER"] = "SCI", 3, "wrong", "NIR_Y"
    header["CTYPE1"], header["CRVAL1"], header["CD1_1"] = "RA---TAN", 150.5, -2.8e-5
    header["HIERARCH FPA.FILTERID"] = "y.00000"
    header["HISTORY"] = "cut out"
    header["COMMENT"] = "by nobody"
    return header


def plain() -> bytes:
    return bytes_of(fits.PrimaryHDU(VALUES, an_archives_header()))


def in_an_extension() -> bytes:
    return bytes_of(fits.PrimaryHDU(), fits.ImageHDU(VALUES, an_archives_header()))


def of_scaled_numbers() -> bytes:
    hdu = fits.PrimaryHDU(VALUES.copy(), an_archives_header())
    hdu.scale("int16", bscale=0.5, bzero=10)
    return bytes_of(hdu)


def packed() -> bytes:
    return bytes_of(fits.PrimaryHDU(), fits.CompImageHDU(VALUES, an_archives_header(), compression_type="GZIP_1"))


def with_a_third_axis() -> bytes:
    return bytes_of(fits.PrimaryHDU(VALUES[None], an_archives_header()))


def with_sums() -> bytes:
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(VALUES, an_archives_header())]).writeto(stream, checksum=True)
    return stream.getvalue()


def plane_of(content: bytes, size: int = 6) -> tuple[NDArray[np.float32], fits.Header]:
    return fits_plane(content, ASKED, size)


@pytest.mark.parametrize("made", [plain, in_an_extension, of_scaled_numbers, packed, with_a_third_axis, with_sums])
def test_a_band_keeps_its_values_and_its_place_on_the_sky_and_has_its_name(made):
    content = in_extensions({"VIS": plane_of(plain()), "Y": plane_of(made())})
    assert content == in_extensions({"VIS": plane_of(plain()), "Y": plane_of(made())})
    with fits.open(io.BytesIO(content), checksum=True) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "VIS", "Y"]
        header = hdus["Y"].header
        np.testing.assert_array_equal(hdus["Y"].data, VALUES)
        assert (header["EXTNAME"], header["BAND"], header["FILTER"]) == ("Y", "Y", "NIR_Y")
        assert (header["CTYPE1"], header["CRVAL1"], header["FPA.FILTERID"]) == ("RA---TAN", 150.5, "y.00000")
        assert not {"EXTVER", "CHECKSUM", "DATASUM", "BSCALE", "BZERO"} & set(header)


def test_bands_of_different_sides_are_not_put_together():
    other = bytes_of(fits.PrimaryHDU(np.eye(7, dtype=np.float32)))
    with pytest.raises(Trouble, match="band Y has 7 by 7 pixels, and band VIS has 6 by 6"):
        in_extensions({"VIS": plane_of(plain()), "Y": plane_of(other)})


def test_a_file_of_several_planes_is_not_one_band():
    with pytest.raises(Trouble, match="2 planes came, but one band was requested"):
        plane_of(bytes_of(fits.PrimaryHDU(np.stack([VALUES, VALUES]))))
