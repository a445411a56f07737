"""What archives answer, damaged: lists of files, and a band in a FITS file. It is read, or it is a trouble of its galaxy."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hostile import damaged, fuzzed
from hypothesis import given
from hypothesis import strategies as st

from zooactive.catalogue.cutouts.extensions import in_extensions
from zooactive.catalogue.cutouts.file_lists import choose, read_list
from zooactive.catalogue.cutouts.replies import Trouble, fits_plane
from zooactive.catalogue.cutouts.services import FileList, Form

HOW = FileList("http://a?{ra}&{dec}", "ascii", ("path", "name"), "filter", ("tile",), ("g", "r"))
LISTS = {
    "ascii": b"tile filter path name\n7 g /a x.fits\n7 r /a y.fits\n8 g /b z.fits\n",
    "csv": b'tile,filter,path,"name"\r\n7,g,/a,x.fits\r\n7,r,"/a",y.fits\r\n8,g,/b,z.fits\r\n',
    "votable": b'<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
    + b"".join(b'<FIELD name="%s" datatype="char" arraysize="*"/>' % name for name in (b"tile", b"filter", b"path", b"name"))
    + b"<DATA><TABLEDATA><TR><TD>7</TD><TD>g</TD><TD>/a</TD><TD>x.fits</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE>"
    + b"</VOTABLE>",
}


def a_band() -> bytes:
    header = fits.Header({"FILTER": "NIR_Y", "CRVAL1": 10.5, "CTYPE1": "RA---TAN"})
    stream = io.BytesIO()
    fits.PrimaryHDU(np.arange(64, dtype=np.float32).reshape(8, 8), header).writeto(stream)
    return stream.getvalue()


@pytest.mark.parametrize("kind", LISTS)
@fuzzed(60)
@given(data=st.data())
def test_a_damaged_list_is_read_or_a_trouble(kind, data):
    content = data.draw(damaged(LISTS[kind]) | st.binary(max_size=200))
    try:
        rows = read_list(content, replace(HOW, table=kind))
        files = choose(rows, ("g",), HOW)
    except Trouble:
        return
    assert files["g"] in {file for _, band, file in rows if band == "g"}
    assert all(isinstance(cell, str) for row in rows for cell in row)


@fuzzed(60)
@given(data=st.data())
def test_a_damaged_band_is_put_into_a_file_that_is_read_or_a_trouble(data):
    content = data.draw(damaged(a_band()))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            plane = fits_plane(content, Form("http://a?{ra}&{dec}&{file}", slack=1, whole=True), 8)
            made = in_extensions({"VIS": plane})
        except Trouble:
            return
        with fits.open(io.BytesIO(made)) as hdus:
            np.testing.assert_array_equal(hdus["VIS"].data, plane[0])


def test_a_card_that_cannot_be_written_again_is_a_trouble():
    content = a_band().replace(b"'NIR_Y   '", b"'NIR\x01Y   '")
    with pytest.raises(Trouble, match="a FITS header cannot be written again") as told:
        in_extensions({"Y": fits_plane(content, Form("http://a?{ra}&{dec}&{file}"), 8)})
    assert (told.value.what, told.value.again) == ("cut off", True)
