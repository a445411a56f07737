"""The bands that a network sees, one a channel: their names, how they are scaled, and how such pixels are stored and shown.

A network of colour or grey sees red, green and blue, or grey. One whose bands are listed sees planes of FITS images, each
scaled by stated cuts that are the same for every image. A PNG of such pixels has the bands one above the other, the first
at the top, and says their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooactive.catalogue.colours import Recipe, recipe_of
from zooactive.catalogue.fits_images import WAVELENGTHS
from zooactive.foundation.errors import ImageError

MOST_BANDS = 6

COLOURS, GREY = ("red", "green", "blue"), ("grey",)
"""The channels of a network whose bands are not listed."""

KEY = "zooactive-bands"
"""Of a PNG's text that says its bands."""

_SCALES = ("linear", "asinh")
_MEND = '"linear LOW HIGH" or "asinh LOW HIGH SOFTENING", the same for all bands or a list with one for each'
_NANOMETRES = {**WAVELENGTHS, "blue": 450, "green": 550, "red": 650}


def checked_bands(bands: Sequence[object]) -> tuple[str, ...]:
    """Return the names of bands in small letters (HSC-G is g); an ImageError unless they are one to six different ones."""
    names = tuple(re.split(r"[-_.]", name.strip())[-1].casefold() if isinstance(name, str) else "" for name in bands)
    plain = all(name and not set(name) & set(" ,;/+") for name in names)
    if not plain or not 1 <= len(names) <= MOST_BANDS or len(set(names)) < len(names):
        raise ImageError(
            f"preprocessing: bands = {list(bands)!r}; list one to {MOST_BANDS} different bands, such as "
            '["g", "r", "i", "z", "y"]'
        )
    return names


def recipe_of_bands(bands: tuple[str, ...], stretch: str | tuple[str, ...]) -> Recipe:
    """Return the recipe that makes each band a channel, scaled from 0 to 1.

    Parameters
    ----------
    bands : tuple of str
    stretch : str or tuple of str
        "linear LOW HIGH" or "asinh LOW HIGH SOFTENING", for all bands or for each.

    Raises
    ------
    ImageError
        For a stretch without stated cuts, or another number of stretches than of bands.

    Examples
    --------
    >>> recipe = recipe_of_bands(("g", "z"), ("linear 0 2", "linear 0 4"))
    >>> recipe.rgb({"g": np.ones((1, 1), np.float32), "z": np.ones((1, 1), np.float32)}).tolist()
    [[[0.5, 0.25]]]
    """
    each = stretch if isinstance(stretch, tuple) else (stretch,) * len(bands)
    if len(each) != len(bands):
        raise ImageError(f"preprocessing: {len(each)} stretches for the {len(bands)} bands {', '.join(bands)}; give {_MEND}")
    for said in each:
        if not isinstance(said, str) or len(said.split()) < 2 or said.split()[0] not in _SCALES:
            raise ImageError(f"preprocessing: stretch = {said!r} of the bands {', '.join(bands)}; give {_MEND}")
    curves = [recipe_of(said) for said in each]

    def channels(planes: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        scaled = [curve.rgb({"": planes[band]})[..., 0] for band, curve in zip(bands, curves, strict=True)]
        return np.stack(scaled, axis=-1)

    return Recipe(bands, channels, "the network")


# Pixels as one picture ------------------------------------------------------------------------------------------------


def as_picture(pixels: NDArray[np.uint8], bands: tuple[str, ...] | None) -> Image.Image:
    """Return pixels (y, x, channel) as a picture: of listed bands one above the other in grey, with their names."""
    if bands is None:
        grey = pixels.ndim == 3 and pixels.shape[-1] == 1
        return Image.fromarray(pixels[..., 0] if grey else pixels)
    picture = Image.fromarray(np.concatenate(np.moveaxis(pixels, -1, 0)))
    picture.info[KEY] = ",".join(bands)
    return picture


def bands_in(picture: Image.Image) -> tuple[str, ...] | None:
    """Return the bands that a picture says it has one above the other; None for colour or grey."""
    said = picture.info.get(KEY)
    return tuple(said.split(",")) if isinstance(said, str) else None


def planes_in(picture: Image.Image, bands: tuple[str, ...] | None) -> list[Image.Image]:
    """Return the planes of a picture that are resized by themselves: those of its bands, or all of it in colour or grey.

    An ImageError is raised unless its bands are the given ones, in their order.
    """
    has = bands_in(picture)
    if has != bands:
        shows = "is a picture in colour or grey" if has is None else f"has the bands {', '.join(has)}"
        sees = "colour or grey" if bands is None else f"the bands {', '.join(bands)}"
        mend = "give images of these bands" if has is not None else "give FITS images of them"
        raise ImageError(f"{shows}, and the network sees {sees}; {mend}, or take a network of what there is")
    if has is None:
        return [picture]
    height, rest = divmod(picture.height, len(has))
    if rest or picture.mode != "L":
        raise ImageError(f"says that it has the bands {', '.join(has)} one above the other, and has not; pack it again")
    return [picture.crop((0, top * height, picture.width, (top + 1) * height)) for top in range(len(has))]


# Bands and colours ----------------------------------------------------------------------------------------------------


def shares(theirs: tuple[str, ...], mine: tuple[str, ...]) -> NDArray[np.float64]:
    """Say of which of my channels each of theirs is made, so that channels of other bands stand in for them.

    Both are put in the order of wavelength, and spread evenly from the bluest to the reddest. A channel of theirs becomes
    the mean of mine, weighted by how near they are. For red, green and blue of g, r, i and z these are the weights of the
    Legacy Surveys' viewer.

    Parameters
    ----------
    theirs, mine : tuple of str
        Names of channels. Where the wavelength of one is unknown, the list is taken to begin with the bluest.

    Returns
    -------
    ndarray of float64, shape (theirs, mine)
        Each row sums to 1.

    Examples
    --------
    >>> shares(COLOURS, ("g", "r", "i", "z")).round(2).tolist()
    [[0.0, 0.0, 0.25, 0.75], [0.0, 0.5, 0.5, 0.0], [0.75, 0.25, 0.0, 0.0]]
    """
    their_places, my_places = _places(theirs), _places(mine)
    if len(theirs) == 1 or len(mine) == 1:
        return np.full((len(theirs), len(mine)), 1 / len(mine))
    steps = min(len(theirs), len(mine)) - 1
    weights = np.maximum(0, 1 - steps * np.abs(their_places[:, None] - my_places[None, :]))
    weights[weights < 1e-12] = 0  # of places that differ by a whole step but for rounding
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _places(names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return where each channel lies from the bluest, 0, to the reddest, 1."""
    order = list(range(len(names)))
    if all(name in _NANOMETRES for name in names):
        order.sort(key=lambda channel: _NANOMETRES[names[channel]])
    places = np.empty(len(names))
    places[order] = np.linspace(0, 1, len(names))
    return places


def in_colour(pixels: NDArray[np.uint8], bands: tuple[str, ...] | None) -> NDArray[np.uint8]:
    """Return pixels (..., y, x, channel) as people look at them: listed bands in three colours by `shares`, one in grey."""
    if bands is None or len(bands) == 1:
        return pixels
    return np.asarray(np.round(pixels @ shares(COLOURS, bands).T), dtype=np.uint8)


def colours_told(bands: tuple[str, ...]) -> str:
    """Say of which bands the three colours of a picture are."""
    return f"{bands[0]} in grey" if len(bands) == 1 else mixture_told(COLOURS, bands)


def mixture_told(theirs: tuple[str, ...], mine: tuple[str, ...]) -> str:
    """Say of which of my channels each of theirs is made, as `shares` has it."""
    mixed = [
        " + ".join(f"{share:.2g} {name}" if share < 1 else name for share, name in zip(row, mine, strict=True) if share > 0)
        for row in shares(theirs, mine)
    ]
    return ", ".join(f"{name} = {mix}" for name, mix in zip(theirs, mixed, strict=True))
