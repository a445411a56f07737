"""A FITS file a band: found by names and columns, read as a cube of the bands is, and marked so that changes are noticed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.band_files import BandFiles
from zooactive.catalogue.images import decode, mark_of, original_bytes
from zooactive.catalogue.patience import UnreachableImage
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.labels.subjects import shown
from zooactive.prediction.marks import image_mark, unseen_mark
from zooactive.training.image_marks import ImageMarks

BANDS = "grz"
SIDE = 16


def planes(seed: int, bands: str = BANDS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {band: rng.random((SIDE, SIDE), dtype=np.float32) + at for at, band in enumerate(bands)}


def stored(folder: Path, named: str, of: dict[str, np.ndarray]) -> None:
    for band, plane in of.items():
        target = folder / named.format(band=band)
        target.parent.mkdir(parents=True, exist_ok=True)
        fits.writeto(target, plane)


def cube(path: Path, of: dict[str, np.ndarray]) -> Path:
    fits.writeto(path, np.stack(list(of.values())), fits.Header({"BANDS": "".join(of)}))
    return path


@pytest.mark.parametrize(
    "named", ["J{n}_{{band}}.fits", "J{n}-HSC-{{band}}.fits", "sub/J{n}.{{band}}.fits", "{{band}}/J{n}.fits"]
)
def test_files_called_by_an_id_and_a_band_are_the_image_of_their_galaxy(tmp_path, named):
    for n in (1, 2):
        stored(tmp_path / "images", named.format(n=n), planes(n))
    fits.writeto(tmp_path / "images/J3.fits", planes(3)["g"])  # one file, which needs no band in its name
    pd.DataFrame({"id": ["J1", "J2", "J3", "J4"]}).to_csv(tmp_path / "table.csv", index=False)
    galaxies = read_catalogue(tmp_path / "table.csv", images=tmp_path / "images")
    assert [type(image) for image in galaxies.images] == [BandFiles, BandFiles, type(tmp_path), type(None)]
    for n in (1, 2):
        assert [band for band, _ in galaxies.images[n - 1].files] == list(BANDS)
        for stretch in ("asinh", "legacy-grz", "linear 0 4"):
            settings = Preprocessing(size=SIDE, stretch=stretch)
            whole = cube(tmp_path / f"whole-{n}-{stretch}.fits", planes(n))
            np.testing.assert_array_equal(decode(galaxies.images[n - 1], settings), decode(whole, settings))


def test_five_files_are_the_five_channels_of_a_network(tmp_path):
    of = planes(1, "grizy")
    stored(tmp_path / "images", "J1_{band}.fits", of)
    settings = Preprocessing(size=SIDE, bands=list("yzirg"), stretch="linear 0 5")
    pixels = decode(read_catalogue(tmp_path / "images").images[0], settings)
    expected = np.stack([np.round(of[band][::-1] / 5 * 255) for band in "yzirg"], axis=-1)
    np.testing.assert_array_equal(pixels, expected.astype(np.uint8))
    (tmp_path / "images/J1_z.fits").unlink()
    with pytest.raises(ImageError, match=r"has the bands g, r, i, y, and .* needs y, z, i, r, g"):
        decode(read_catalogue(tmp_path / "images").images[0], settings)


def test_a_folder_alone_has_one_galaxy_for_its_files_of_several_bands(tmp_path):
    stored(tmp_path, "J1_{band}.fits", planes(1))
    stored(tmp_path, "J2_{band}.fits", planes(2, "g"))  # a single band says nothing: it may be a name
    galaxies = read_catalogue(tmp_path)
    assert list(galaxies.ids) == ["J1", "J2_g"]
    assert len(galaxies.images[0].files) == 3
    fits.writeto(tmp_path / "J1.fits", planes(1)["g"])
    with pytest.raises(CatalogueError, match=r"J1.fits and J1_g.fits are both named 'J1'"):
        read_catalogue(tmp_path)


def test_a_folder_with_a_subfolder_for_each_band_has_one_galaxy_for_them(tmp_path):
    stored(tmp_path, "{band}/J1.fits", planes(1))
    stored(tmp_path, "{band}/J2.fits", planes(2, "gr"))
    galaxies = read_catalogue(tmp_path)
    assert list(galaxies.ids) == ["J1", "J2"]
    assert [len(image.files) for image in galaxies.images] == [3, 2]


def test_the_same_band_twice_is_refused(tmp_path):
    stored(tmp_path / "images/a", "J1_{band}.fits", planes(1))
    stored(tmp_path / "images/b", "J1_{band}.fits", planes(1))
    with pytest.raises(CatalogueError, match=r"both named"):
        read_catalogue(tmp_path / "images")
    pd.DataFrame({"id": ["J1"]}).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(CatalogueError, match=r"images has J1_g.fits in .*a and in .*b; give one of these folders"):
        read_catalogue(tmp_path / "table.csv", images=tmp_path / "images")


def test_a_column_a_band_names_the_files(tmp_path):
    stored(tmp_path, "x/{band}1.fits", planes(1))
    stored(tmp_path, "x/{band}2.fits", planes(2))
    table = pd.DataFrame({"id": ["a", "b", "c"], "where_g": ["x/g1.fits", "x/g2.fits", None]})
    table["where_R"], table["where_z"], table["where_from"] = (
        ["x/r1.fits", None, None],
        ["x/z1.fits", "x/z2.fits", None],
        "here",
    )
    table.to_csv(tmp_path / "table.csv", index=False)
    galaxies = read_catalogue(tmp_path / "table.csv", image_column="where_{band}")
    assert [None if image is None else [band for band, _ in image.files] for image in galaxies.images] == [
        ["g", "r", "z"],
        ["g", "z"],
        None,
    ]
    assert list(galaxies.table.columns) == ["where_from"]
    decode(galaxies.images[0], Preprocessing(size=SIDE, stretch="legacy-grz"))
    with pytest.raises(ImageError, match=r"the image of galaxy 'b' has the bands g, z, and its stretch needs z, r, g"):
        decode(galaxies.images[1], Preprocessing(size=SIDE, stretch="legacy-grz"), name="b")
    with pytest.raises(CatalogueError, match=r"'path_\{band\}' stands for one column per band.*such as 'path_g'"):
        read_catalogue(tmp_path / "table.csv", image_column="path_{band}")


def test_columns_of_something_else_are_refused(tmp_path):
    pd.DataFrame({"id": ["a"], "mag_g": [17.2], "mag_r": [16.9]}).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(CatalogueError, match=r"column 'mag_g' does not hold paths or addresses of FITS files with one band"):
        read_catalogue(tmp_path / "table.csv", image_column="mag_{band}")


def test_a_gzipped_file_and_one_with_its_image_in_an_extension_are_read(tmp_path):
    of = planes(1)
    stored(tmp_path, "J1_{band}.fits", of)
    plain = (tmp_path / "J1_g.fits").read_bytes()
    (tmp_path / "J1_g.fits").write_bytes(gzip.compress(plain))
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(of["r"][None])]).writeto(tmp_path / "J1_r.fits", overwrite=True)
    settings = Preprocessing(size=SIDE, stretch="legacy-grz")
    whole = cube(tmp_path / "whole.fit", of)
    np.testing.assert_array_equal(decode(read_catalogue(tmp_path).images[0], settings), decode(whole, settings))


def damaged_bands(folder: Path) -> dict[str, tuple[bytes | None, str]]:
    good = fits.HDUList([fits.PrimaryHDU(np.zeros((SIDE, SIDE + 1), dtype=np.float32))])
    good.writeto(folder / "other.fit")
    whole = (folder / "other.fit").read_bytes()
    return {
        "missing": (None, r"J1_r.fits of galaxy 'J1' does not exist"),
        "empty": (b"", r"the image of galaxy 'J1' has a file for band r that is not a FITS image"),
        "jpeg": (b"\xff\xd8\xff\xe0" + bytes(100), r"has a file for band r that is not a FITS image"),
        "cut": (whole[:2900], r"has a truncated or damaged file for band r"),
        "other size": (whole, r"has 17 x 16 pixels in band r but 16 x 16 in band g"),
        "table": (fits.PrimaryHDU().header.tostring().encode(), r"for band r without a two-dimensional image"),
    }


@pytest.mark.parametrize("fault", ["missing", "empty", "jpeg", "cut", "other size", "table"])
def test_the_file_that_is_at_fault_is_named(tmp_path, fault):
    content, said = damaged_bands(tmp_path)[fault]
    stored(tmp_path / "images", "J1_{band}.fits", planes(1))
    image = read_catalogue(tmp_path / "images").images[0]
    (tmp_path / "images/J1_r.fits").unlink()
    if content is not None:
        (tmp_path / "images/J1_r.fits").write_bytes(content)
    with pytest.raises(ImageError, match=said) as caught:
        decode(image, Preprocessing(size=SIDE), name="J1")
    assert not isinstance(caught.value, UnreachableImage)
    assert str(caught.value).count("of galaxy 'J1'") == 1


def test_marks_change_with_each_file_and_say_when_one_is_not_there(tmp_path):
    stored(tmp_path, "J1_{band}.fits", planes(1))
    image = read_catalogue(tmp_path).images[0]
    then = mark_of(image), image_mark(image), ImageMarks(["J1"], [image]).to_dict()["content"]
    assert image_mark(image) != unseen_mark(image)
    (tmp_path / "J1_z.fits").unlink()
    assert image_mark(image) == unseen_mark(image)
    assert mark_of(image).endswith(b"|-1\n")
    fits.writeto(tmp_path / "J1_z.fits", np.ones((SIDE, 200), dtype=np.float32))
    assert all(
        a != b
        for a, b in zip(
            then, (mark_of(image), image_mark(image), ImageMarks(["J1"], [image]).to_dict()["content"]), strict=True
        )
    )


def test_volunteers_are_shown_a_picture_and_the_original_is_a_cube(tmp_path):
    stored(tmp_path, "J1_{band}.fits", planes(1))
    image = read_catalogue(tmp_path).images[0]
    content, ending = shown(image, "J1")
    assert ending == ".png"
    assert content.startswith(b"\x89PNG")
    (tmp_path / "again.fit").write_bytes(original_bytes(image))
    with fits.open(tmp_path / "again.fit") as hdus:
        assert hdus[0].header["BANDS"] == "g,r,z"
        np.testing.assert_array_equal(hdus[0].data, np.stack(list(planes(1).values())))
