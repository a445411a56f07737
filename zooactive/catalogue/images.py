"""Read cutouts of galaxies from JPEG, PNG or FITS into square pixel arrays of one size.

Every image takes the same way from a file to pixels, here: decode it, take the centre square, resize it with Pillow's
antialiased bicubic filter. The filter is bicubic and not Lanczos, because the deeper side lobes of Lanczos draw a dark ring
around a bright nucleus, and a model that looks for rings would learn that ring.
"""

from __future__ import annotations

import errno
import io
import re
import threading
from collections import ChainMap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from zooactive.catalogue.band_files import BandFiles, assembled
from zooactive.catalogue.bands import KEY, as_picture, planes_in
from zooactive.catalogue.colours import coloured
from zooactive.catalogue.fits_bands import planes_by_band
from zooactive.catalogue.fits_images import BLANK, BLANK_MEND, colour_planes, is_picture, refuse_blank, stretched
from zooactive.catalogue.patience import UnreachableImage, is_away, may_pass, status_of
from zooactive.catalogue.preprocessing import SMALLEST_SIDE, Preprocessing
from zooactive.catalogue.stored_images import StoredImage
from zooactive.catalogue.tables import IMAGE_COLUMNS
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.foundation.reading import Unpacked, open_regular


@dataclass(frozen=True, slots=True)
class NoImage:
    """A cell of an image column that is neither blank nor an image; it says what the cell holds."""

    reason: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


ImageSource: TypeAlias = Path | bytes | StoredImage | RemoteImage | BandFiles | NoImage | None

LARGEST_PIXELS = 1 << 26  # a frame of 8192 x 8192, planes included; anything larger is a survey tile or a bomb
LARGEST_BYTES = 1 << 28  # the limit for a file, for what it unpacks to, and for the values of a FITS image
_LARGEST_HEADERS = 1 << 22
_MANY_PIXELS = 1 << 22  # images from this size on are decoded one at a time, whatever the number of threads

UNSEEN = b"|-1\n"
"""The end of the mark of a missing file."""

_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|\?xml|head|body)", re.IGNORECASE)

_one_large_image = threading.Lock()


def decode(source: ImageSource, preprocessing: Preprocessing, *, name: str = "") -> NDArray[np.uint8]:
    """Read one cutout.

    Parameters
    ----------
    source : Path, bytes, StoredImage, RemoteImage, BandFiles or None
        A JPEG, PNG or FITS file, gzipped or not; its bytes; or one FITS file per band. The content tells the format.
    preprocessing : Preprocessing
    name : str
        The galaxy's id, for the error message.

    Returns
    -------
    ndarray of uint8, shape (size, size, channels)
        Row 0 is the top. FITS images begin at the bottom, so they are turned over and spirals keep their handedness.

    Raises
    ------
    ImageError
        If the image is missing, empty, truncated, of an unknown format, not a regular file, below 8 pixels on a side, or
        above 2^26 values (all planes together) or 2^28 bytes (also when unpacked). Also if it shows nothing: the same value
        in all pixels that the network would see, or in a plane of a FITS image. An `UnreachableImage` if a later try may
        succeed.

    Notes
    -----
    16-bit grey PNG is divided by 257. FITS is read from the first extension with an image: two axes, or planes (3, y, x) on
    one scale above each plane's own sky; NaN becomes black. The reddest of three bands becomes red and the bluest becomes
    blue, by the header's BANDS (or BAND0, BAND1 and so on) or by `bands`. Of more than three bands, z, r and g are shown if
    they are present. Transparency is ignored. Images of more than 2^22 values are decoded one at a time, whatever the number
    of threads.
    """
    with _opened(source, preprocessing, name) as image:
        planes = planes_in(image, preprocessing.listed)
        if preprocessing.listed is None:
            planes = [_to_mode(image, "L" if preprocessing.channels == 1 else "RGB")]
        small = [np.asarray(_centre_resized(plane, preprocessing), dtype=np.uint8) for plane in planes]
        stacked = small[0] if len(small) == 1 else np.stack(small, axis=-1)
        pixels = stacked.reshape(preprocessing.size, preprocessing.size, preprocessing.channels)
        _refuse_blank(image, pixels)
        return pixels


def shorter_side(source: ImageSource, preprocessing: Preprocessing | None = None) -> int:
    """Return the number of pixels along the shorter side of an image; the errors are those of `decode`."""
    how = preprocessing or Preprocessing()
    quick = how if how.listed is not None else Preprocessing(stretch="linear", bands=how.bands)
    with _opened(source, quick, "") as image:
        return min(planes_in(image, how.listed)[0].size)


def original_bytes(source: ImageSource, *, name: str = "") -> bytes:
    """Return an image's bytes as they are stored, or one file per band as a FITS cube; the errors are those of `decode`."""
    content = source.read() if isinstance(source, StoredImage) else source
    if isinstance(content, bytes):
        return content
    if isinstance(content, BandFiles):
        return _one_of(content, name)
    if content is None or isinstance(content, NoImage):
        return b""
    with _explained(content, name):
        if isinstance(content, RemoteImage):
            return content.read(LARGEST_BYTES)
        with open_regular(content) as stream:
            return stream.read(LARGEST_BYTES + _LARGEST_HEADERS)


def place_of(source: ImageSource) -> tuple[str, int, int]:
    """Return a key for reading images in order: those of one row group one after the other, all others as they come."""
    return source.place if isinstance(source, StoredImage) else ("", 0, 0)


def mark_of(source: ImageSource) -> bytes:
    """Return a mark that identifies an image without decoding it: by name and size, bytes, URL, or position in a file."""
    if isinstance(source, RemoteImage):  # reading it would download the whole survey
        return f"{source.address}\n".encode()
    if isinstance(source, StoredImage):
        return f"{source.column.file.name}|{source.column.file.stat().st_size}|{source.group}|{source.index}\n".encode()
    if isinstance(source, bytes):
        return blake2b(source, digest_size=16).digest()
    if source is None or isinstance(source, NoImage):
        return b""
    if isinstance(source, BandFiles):
        marks = [mark_of(file) for file in source.paths]
        missing = [mark for mark in marks if mark.endswith(UNSEEN)]
        return b"".join([mark for mark in marks if mark not in missing] + missing)  # missing files come last
    try:
        size = source.stat().st_size if source.is_file() else None
    except (OSError, ValueError):  # a name that no file system accepts
        size = None
    return source.name.encode(errors="surrogateescape") + (UNSEEN if size is None else f"|{size}\n".encode())


def encode_png(pixels: NDArray[np.uint8], bands: tuple[str, ...] | None = None) -> bytes:
    """Encode pixels of shape (y, x, 3), (y, x, 1) or (y, x), or (y, x, band) for listed bands, as a lossless PNG."""
    buffer, said = io.BytesIO(), PngInfo()
    if bands is not None:
        said.add_text(KEY, ",".join(bands))
    as_picture(pixels, bands).save(buffer, "PNG", compress_level=3, pnginfo=said)
    return buffer.getvalue()


# From a file to a Pillow image ----------------------------------------------------------------------------------------


@contextmanager
def _opened(source: ImageSource, preprocessing: Preprocessing, name: str) -> Iterator[Image.Image]:
    """Open an image of any known format; whatever goes wrong with it, now or later, is raised as an ImageError."""
    if isinstance(source, StoredImage):
        source = source.read()
    if source is None:
        known = ", ".join(IMAGE_COLUMNS)
        raise ImageError(
            f"galaxy '{name}' has no image; give an image column ({known}), name another with --image (in Python "
            "image_column), or give the folder of images with --images"
        )
    if isinstance(source, NoImage):
        raise ImageError(f"galaxy '{name}' has no image: {source.reason}")
    if isinstance(source, BandFiles):
        source = _one_of(source, name)
    with _explained(source, name):
        if isinstance(source, RemoteImage):
            source = source.read(LARGEST_BYTES)
            if _PAGE.match(source):
                raise ImageError("is an HTML or XML page and not an image; check the address and your right to read it")
        with io.BytesIO(source) if isinstance(source, bytes) else open_regular(source) as stored:
            size = stored.seek(0, io.SEEK_END)
            stored.seek(0)
            if size > LARGEST_BYTES + _LARGEST_HEADERS:
                raise ImageError(f"has {size} bytes, far more than a cutout; cut out the galaxy first")
            zipped = stored.read(2) == b"\x1f\x8b"
            stored.seek(0)
            stream = io.BufferedReader(Unpacked(stored, LARGEST_BYTES + _LARGEST_HEADERS)) if zipped else stored
            with ExitStack() as turn:
                image = _open_fits(stream, preprocessing, turn) if _is_fits(stream) else _open_picture(stream, turn)
                yield image


def _one_of(source: BandFiles, name: str) -> bytes:
    contents = {band: original_bytes(file, name=name) for band, file in source.files}
    with _explained(b"", name):
        return assembled(contents, LARGEST_BYTES)


@contextmanager
def _explained(source: Path | bytes | RemoteImage, name: str) -> Iterator[None]:
    """Turn any error of a decoder into one sentence that names the galaxy and the file."""
    what = "the image" + ("" if isinstance(source, bytes) else f" {source}") + (f" of galaxy '{name}'" if name else "")
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{what} {error}") from None
    except CatalogueError as error:  # about the URL, or the package that reads it
        raise ImageError(f"{what} cannot be fetched: {error}") from None
    except FileNotFoundError:
        if isinstance(source, Path) and is_away(source):
            raise UnreachableImage(
                f"{what} does not exist, and its folder is missing or empty; check whether the disk is mounted, and the "
                "image column"
            ) from None
        raise ImageError(f"{what} does not exist; check the image column and the folder of images") from None
    except IsADirectoryError:
        raise ImageError(f"{what} is a folder; check the image column") from None
    except PermissionError:
        raise ImageError(f"{what} may not be read: permission denied; change the file's permissions") from None
    except UnidentifiedImageError:
        raise ImageError(f"{what} is not a JPEG, PNG or FITS image; replace it, or leave this galaxy out") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{what} is far larger than a cutout; cut out the galaxy first") from None
    except OSError as error:
        if may_pass(error):
            raise _unreachable(what, error) from error
        if error.errno == errno.ELOOP:
            raise ImageError(f"{what} is a link that points back to itself; replace it, or leave this galaxy out") from None
        if error.errno not in (errno.EFBIG, errno.EINVAL):
            raise ImageError(
                f"{what} is truncated or damaged ({error}); fetch it again, or leave this galaxy out"
            ) from error
        raise ImageError(f"{what} cannot be used: {error.strerror}; replace it, or leave this galaxy out") from None
    except Exception as error:
        if isinstance(source, RemoteImage) and may_pass(error):
            raise _unreachable(what, error) from error
        if isinstance(source, RemoteImage) and status_of(error) is not None:
            raise ImageError(f"{what} cannot be fetched ({error}); check the address and your right to read it") from error
        # Decoders meet damaged bytes with almost any exception, so each of these means a damaged image.
        raise ImageError(f"{what} is truncated or damaged ({error}); fetch it again, or leave this galaxy out") from error


def _unreachable(what: str, error: Exception) -> UnreachableImage:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return UnreachableImage(f"{what} cannot be reached now ({' '.join(said.split())}); run the same command again later")


def _is_fits(stream: BinaryIO) -> bool:
    head = stream.read(9)
    stream.seek(0)
    if not head:
        raise ImageError("is empty (0 bytes); fetch it again, or leave this galaxy out")
    return head.startswith(b"SIMPLE  =")


def _check_shape(height: int, width: int, turn: ExitStack, planes: int = 1) -> None:
    """Raise an ImageError if the header says that an image is too small or too large; a large image waits for its turn."""
    if min(height, width) < SMALLEST_SIDE:
        raise ImageError(f"is {width} x {height} pixels; at least {SMALLEST_SIDE} on a side are needed: use a larger cutout")
    if height * width * planes > LARGEST_PIXELS:
        of_planes = f" in {planes} planes" if planes > 1 else ""
        raise ImageError(f"is {width} x {height} pixels{of_planes}, far more than a cutout; cut out the galaxy first")
    if height * width * planes > _MANY_PIXELS:
        turn.enter_context(_one_large_image)


def _open_picture(stream: BinaryIO, turn: ExitStack) -> Image.Image:
    with Image.open(stream, formats=("JPEG", "PNG")) as image:
        _check_shape(image.height, image.width, turn)  # by the header, before memory is allocated
        image.load()
        return image


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert an image to a colour mode once, before it is resized."""
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion cuts off at 255
        image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode == "P":  # a palette with transparency converts to RGB without a warning only through RGBA
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _centre_side(shorter: int, crop: float) -> int:
    return max(1, round(shorter * crop))


def _centre_resized(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    side = _centre_side(min(image.size), preprocessing.crop)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return image.resize((preprocessing.size, preprocessing.size), Image.Resampling.BICUBIC, box=box)


def _open_fits(stream: BinaryIO, preprocessing: Preprocessing, turn: ExitStack) -> Image.Image:
    from astropy.io import fits

    from zooactive.foundation.fits import FitsStream, check_tiles, claimed_bytes, each_hdu, first_claim

    if first_claim(stream) > LARGEST_BYTES:
        raise ImageError(f"has values of {first_claim(stream)} bytes, far more than a cutout; cut out the galaxy first")

    def values_of(hdu: Any, *, check_only: bool = False) -> Any:
        if claimed_bytes(hdu) > LARGEST_BYTES:
            raise ImageError(f"has values of {claimed_bytes(hdu)} bytes, far more than a cutout; cut out the galaxy")
        check_tiles(hdu, LARGEST_BYTES)
        return None if check_only else hdu.data

    with fits.open(FitsStream(stream), memmap=False) as hdus:
        pictures = (
            (f"extension {number}" + (f" ({hdu.name})" if hdu.name else ""), hdu, header)
            for number, hdu in enumerate(each_hdu(hdus))
            if hdu.is_image
            for header in (ChainMap(hdu.header, hdus[0].header),)  # packed files name the bands in the first header
            if is_picture(header, hdu.shape, preprocessing.plane_names)
        )
        for place, hdu, header in pictures:
            # By the header, before memory is allocated.
            _check_shape(hdu.shape[-2], hdu.shape[-1], turn, planes=hdu.shape[0] if len(hdu.shape) == 3 else 1)
            values_of(hdu, check_only=True)
            if (recipe := preprocessing.recipe) is not None:
                others = ((said, other.shape, partial(values_of, other)) for _, other, said in pictures)
                by_band = planes_by_band(
                    header, hdu.shape, preprocessing.plane_names, recipe, partial(values_of, hdu), others
                )
                refuse_blank(np.stack(list(by_band.values())), place, lambda: None)
                return as_picture(coloured(by_band, recipe), preprocessing.listed)
            shown = colour_planes(header, hdu.shape[0], preprocessing.plane_names) if len(hdu.shape) == 3 else [0]
            planes = hdu.data.reshape(-1, *hdu.shape[-2:])
            values = np.empty((len(shown), *hdu.shape[-2:]), dtype=np.float32)
            with np.errstate(over="ignore"):
                for plane, number in enumerate(shown):
                    values[plane] = planes[number]
            del hdu.data, planes
            refuse_blank(values, place, lambda: next(pictures, (None,))[0])
            return Image.fromarray(stretched(values, str(preprocessing.stretch)))
    raise ImageError(
        "has no FITS image of two axes or three planes (3, y, x), and none of other planes whose header names the BANDS; "
        "store the cutout in one of these ways"
    )


def _refuse_blank(image: Image.Image, pixels: NDArray[np.uint8]) -> None:
    """Raise an ImageError if the network would see the same value everywhere in an image."""
    middle = pixels[len(pixels) // 2]  # for nearly every image, this row alone decides
    if (middle != middle[0]).any() or (pixels != pixels[0, 0]).any():
        return
    value = ", ".join(dict.fromkeys(map(str, pixels[0, 0])))
    bands = image.getextrema()
    everywhere = all(low == high for low, high in (bands if isinstance(bands[0], tuple) else [bands]))
    where = "" if everywhere else f" in the part that is used, at {pixels.shape[1]} x {pixels.shape[0]} pixels"
    raise ImageError(f"is {BLANK} ({value}){where}: {BLANK_MEND}")
