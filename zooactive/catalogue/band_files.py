"""Images stored as one FITS file per band: how the files are found, and how they become one image."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.fits_images import WAVELENGTHS
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.errors import ImageError
from zooactive.foundation.reading import Unpacked

FILLED_IN = "{band}"
"""The placeholder for the band in the name of an image column."""

_ENDING = ".fits"
_PARTS = re.compile(r"[-_.]")
_MOST_PIECES = 2  # the parts of a band's name, as in HSC-G

File = TypeVar("File")


@dataclass(frozen=True, slots=True)
class BandFiles:
    """The files of one galaxy, each of which holds the image of one band.

    Parameters
    ----------
    files : tuple of (str, Path or RemoteImage)
        By band in lower case, the bluest first. There is at least one.
    """

    files: tuple[tuple[str, Path | RemoteImage], ...]

    @classmethod
    def of(cls, by_band: Mapping[str, Path | RemoteImage]) -> BandFiles:
        """Return the files of a galaxy, sorted from the bluest band to the reddest."""
        return cls(tuple(sorted(by_band.items(), key=lambda item: (WAVELENGTHS[item[0]], item[0]))))

    @property
    def paths(self) -> tuple[Path | RemoteImage, ...]:
        """The files, the bluest first."""
        return tuple(file for _, file in self.files)

    def __str__(self) -> str:
        return ", ".join(str(file) for file in self.paths)


def band_of(text: str) -> str | None:
    """Return the band that a text names, in lower case and without a prefix (HSC-G is g), or None if it names no band."""
    band = _PARTS.split(text)[-1].casefold()
    return band if band in WAVELENGTHS else None


def band_columns(column: str, columns: Iterable[str]) -> dict[str, str]:
    """Return the columns that a name containing `FILLED_IN` stands for, by band.

    Examples
    --------
    >>> band_columns("file_{band}", ["id", "file_g", "file_R", "file_name"])
    {'g': 'file_g', 'r': 'file_R'}
    """
    before, _, after = column.partition(FILLED_IN)
    found = {}
    for name in columns:
        if len(name) > len(before) + len(after) and name.startswith(before) and name.endswith(after):
            band = band_of(name[len(before) : len(name) - len(after)])
            if band is not None:
                found[band] = name
    return found


def by_galaxy(files: Mapping[str, File], ids: Iterable[str] | None = None) -> dict[str, dict[str, File]]:
    """Find out which files belong to which galaxy, by names such as J0952_g.fits, J0952-HSC-G.fits or J0952.r.fits.

    Parameters
    ----------
    files : mapping of str
        The files by name.
    ids : iterable of str, optional
        The galaxies. Without them, whatever comes before the band in a name is a galaxy's id, if it has at least two bands.

    Returns
    -------
    dict of str to dict of str
        The files by band, for each galaxy that has any.

    Examples
    --------
    >>> by_galaxy({"J1_g.fits": 1, "J1_r.fits": 2, "J2.fits": 3})
    {'J1': {'g': 1, 'r': 2}}
    """
    known = None if ids is None else frozenset(ids)
    found: dict[str, dict[str, File]] = {}
    for name in sorted(files):
        for galaxy, band in _readings(name):
            if known is None or galaxy in known:
                found.setdefault(galaxy, {}).setdefault(band, files[name])
                break
    return found if known is not None else {galaxy: bands for galaxy, bands in found.items() if len(bands) > 1}


def names_of(files: Sequence[Path], folder: Path) -> list[str]:
    """Return the names of the files in a folder. If several bands have a subfolder each, g/ID.fits is called ID_g.fits."""
    fits = [file.suffix.casefold() == _ENDING and file.parent != folder for file in files]
    bands = {file.parent for file, is_fits in zip(files, fits, strict=True) if is_fits and band_of(file.parent.name)}
    several = bands if len({parent.name.casefold() for parent in bands}) > 1 else set()
    return [
        f"{file.stem}_{file.parent.name}{file.suffix}" if is_fits and file.parent in several else file.name
        for file, is_fits in zip(files, fits, strict=True)
    ]


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """Yield each galaxy and band that a file's name may mean, the longest id first."""
    stem, ending = name[: -len(_ENDING)], name[-len(_ENDING) :]
    if ending.casefold() != _ENDING or (band := band_of(stem)) is None:
        return
    cuts = [match.start() for match in _PARTS.finditer(stem)]
    for cut in cuts[::-1][:_MOST_PIECES]:
        if cut:
            yield stem[:cut], band


def assembled(contents: Mapping[str, bytes], largest: int) -> bytes:
    """Combine the files of a galaxy into one FITS image: a cube whose header lists the BANDS of its planes.

    Parameters
    ----------
    contents : mapping of str to bytes
        The files as they are stored, by band. The first extension with a two-dimensional image is taken from each file.
    largest : int
        The largest number of bytes that a file may unpack to, and that all values together may take.

    Raises
    ------
    ImageError
        If a file is not a FITS image, is damaged, or has another number of pixels than the others.
    """
    from astropy.io import fits

    planes: dict[str, NDArray[np.float32]] = {}
    for band, content in contents.items():
        planes[band] = _plane(content, band, largest)
        first = next(iter(planes))
        (height, width), (rows, columns) = planes[band].shape, planes[first].shape
        if (height, width) != (rows, columns):
            raise ImageError(
                f"has {width} x {height} pixels in band {band} but {columns} x {rows} in band {first}; cut all bands to "
                "one size"
            )
        if sum(plane.nbytes for plane in planes.values()) > largest:
            raise ImageError("has far more pixels than a cutout; cut out the galaxy first")
    values = np.stack(list(planes.values()))
    header = fits.Header({"BANDS": ",".join(planes)})
    stored = io.BytesIO()
    fits.PrimaryHDU(values[0] if len(planes) == 1 else values, header).writeto(stored)
    return stored.getvalue()


def _plane(content: bytes, band: str, largest: int) -> NDArray[np.float32]:
    from astropy.io import fits

    from zooactive.foundation.fits import FitsStream, check_tiles, claimed_bytes, each_hdu, first_claim

    plain = io.BytesIO(content)
    stream = io.BufferedReader(Unpacked(plain, largest)) if content.startswith(b"\x1f\x8b") else plain
    try:
        if stream.read(9) != b"SIMPLE  =":
            raise ImageError(f"has a file for band {band} that is not a FITS image; fetch it again")
        stream.seek(0)
        if first_claim(stream) > largest:
            raise ImageError(f"has far more pixels in band {band} than a cutout; cut out the galaxy first")
        with fits.open(FitsStream(stream), memmap=False) as hdus:
            for hdu in each_hdu(hdus):
                if hdu.is_image and len(hdu.shape) in (2, 3) and (len(hdu.shape) == 2 or hdu.shape[0] == 1):
                    if claimed_bytes(hdu) > largest:
                        raise ImageError(f"has far more pixels in band {band} than a cutout; cut out the galaxy first")
                    check_tiles(hdu, largest)
                    with np.errstate(over="ignore"):
                        return np.array(hdu.data, dtype=np.float32).reshape(hdu.shape[-2:])
    except ImageError:
        raise
    except Exception as error:  # damaged bytes may raise almost any exception
        raise ImageError(f"has a truncated or damaged file for band {band} ({error}); fetch it again") from error
    raise ImageError(f"has a file for band {band} without a two-dimensional image; store one such image per file")
