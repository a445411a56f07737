"""The bands that a network sees, one per channel: their names and scaling, and how their pixels are stored and shown.

A network that works on colour images sees red, green and blue; one that works on grey images sees one channel. A network
whose bands are listed sees planes of FITS images. Each plane is scaled by stated cuts that are the same for every image. A
PNG of such pixels shows the bands one above the other, the first at the top, and names them in its metadata.
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
"""The key in a PNG's text that names its bands."""

_SCALES = ("linear", "asinh")
_MEND = '"linear LOW HIGH" or "asinh LOW HIGH SOFTENING", the same for all bands or a list with one for each'
_NANOMETRES = {**WAVELENGTHS, "blue": 450, "green": 550, "red": 650}


def checked_bands(bands: Sequence[object]) -> tuple[str, ...]:
    """Return the names of bands in lower case (HSC-G is g); an ImageError unless they are one to six distinct names."""
    names = tuple(re.split(r"[-_.]", name.strip())[-1].casefold() if isinstance(name, str) else "" for name in bands)
    plain = all(name and not set(name) & set(" ,;/+") for name in names)
    if not plain or not 1 <= len(names) <= MOST_BANDS or len(set(names)) < len(names):
        raise ImageError(
            f"preprocessing: bands = {list(bands)!r}; list one to {MOST_BANDS} different bands, such as "
            '["g", "r", "i", "z", "y"]'
        )
    return names


def bands_of(text: str) -> tuple[str, ...]:
    """Return the bands that a text lists, separated by commas, or one letter each if all of these letters are bands.

    Examples
    --------
    >>> bands_of("g, r, VIS"), bands_of("grizy"), bands_of("vis")
    (('g', 'r', 'VIS'), ('g', 'r', 'i', 'z', 'y'), ('vis',))
    """
    names = tuple(name.strip() for name in text.split(","))
    letters = tuple(names[0])
    apart = len(names) == 1 and names[0].casefold() not in WAVELENGTHS and set(names[0].casefold()) <= set(WAVELENGTHS)
    return letters if apart else names


def recipe_of_bands(bands: tuple[str, ...], stretch: str | tuple[str, ...]) -> Recipe:
    """Return the recipe that turns each band into a channel scaled from 0 to 1.

    Parameters
    ----------
    bands : tuple of str
    stretch : str or tuple of str
        "linear LOW HIGH" or "asinh LOW HIGH SOFTENING", either one for all bands or one for each.

    Raises
    ------
    ImageError
        If a stretch has no stated cuts, or there are not as many stretches as bands.

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
            raise ImageError(f"preprocessing: stretch = {said!r} for the bands {', '.join(bands)}; give {_MEND}")
    curves = [recipe_of(said) for said in each]

    def channels(planes: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        scaled = [curve.rgb({"": planes[band]})[..., 0] for band, curve in zip(bands, curves, strict=True)]
        return np.stack(scaled, axis=-1)

    return Recipe(bands, channels, "the network")


# Pixels as one picture ------------------------------------------------------------------------------------------------


def as_picture(pixels: NDArray[np.uint8], bands: tuple[str, ...] | None) -> Image.Image:
    """Return pixels (y, x, channel) as a picture; listed bands are placed one above the other in grey and named."""
    if bands is None:
        grey = pixels.ndim == 3 and pixels.shape[-1] == 1
        return Image.fromarray(pixels[..., 0] if grey else pixels)
    picture = Image.fromarray(np.concatenate(np.moveaxis(pixels, -1, 0)))
    picture.info[KEY] = ",".join(bands)
    return picture


def bands_in(picture: Image.Image) -> tuple[str, ...] | None:
    """Return the bands that a picture shows one above the other, or None if it is in colour or grey."""
    said = picture.info.get(KEY)
    return tuple(said.split(",")) if isinstance(said, str) else None


def planes_in(picture: Image.Image, bands: tuple[str, ...] | None) -> list[Image.Image]:
    """Return the parts of a picture that are resized separately: one per band, or all of it if it is in colour or grey.

    Raise an ImageError if its bands are not the given ones in their order.
    """
    has = bands_in(picture)
    if has != bands:
        shows = "is a picture in colour or grey" if has is None else f"has the bands {', '.join(has)}"
        sees = "colour or grey" if bands is None else f"the bands {', '.join(bands)}"
        mend = "give images with these bands" if has is not None else "give FITS images with them"
        raise ImageError(f"{shows}, and the network sees {sees}; {mend}, or use a network for the bands that you have")
    if has is None:
        return [picture]
    height, rest = divmod(picture.height, len(has))
    if rest or picture.mode != "L":
        raise ImageError(f"claims to show the bands {', '.join(has)} one above the other, but does not; pack it again")
    return [picture.crop((0, top * height, picture.width, (top + 1) * height)) for top in range(len(has))]


# Bands and colours ----------------------------------------------------------------------------------------------------


def shares(theirs: tuple[str, ...], mine: tuple[str, ...]) -> NDArray[np.float64]:
    """Return how to mix my channels into each of theirs, so that channels of other bands can replace theirs.

    Both lists are sorted by wavelength and spread evenly from the bluest to the reddest. Each of their channels becomes the
    mean of my channels, weighted by how near they are. To make red, green and blue from g, r, i and z, these are the weights
    of the Legacy Surveys' viewer.

    Parameters
    ----------
    theirs, mine : tuple of str
        Names of channels. If the wavelength of one is unknown, the list is assumed to begin with the bluest.

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
    weights[weights < 1e-12] = 0  # the places differ by a whole step, except for rounding
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _places(names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the position of each channel on a scale from the bluest (0) to the reddest (1)."""
    order = list(range(len(names)))
    if all(name in _NANOMETRES for name in names):
        order.sort(key=lambda channel: _NANOMETRES[names[channel]])
    places = np.empty(len(names))
    places[order] = np.linspace(0, 1, len(names))
    return places


def in_colour(pixels: NDArray[np.uint8], bands: tuple[str, ...] | None) -> NDArray[np.uint8]:
    """Return pixels (..., y, x, channel) for people to look at: listed bands mixed into three colours, or one in grey."""
    if bands is None or len(bands) == 1:
        return pixels
    return np.asarray(np.round(pixels @ shares(COLOURS, bands).T), dtype=np.uint8)


def colours_told(bands: tuple[str, ...]) -> str:
    """Describe which bands each of a picture's three colours is made of."""
    return f"{bands[0]} in grey" if len(bands) == 1 else mixture_told(COLOURS, bands)


def mixture_told(theirs: tuple[str, ...], mine: tuple[str, ...]) -> str:
    """Describe which of my channels each of theirs is made of, with the weights of `shares`."""
    mixed = [
        " + ".join(f"{share:.2g} {name}" if share < 1 else name for share, name in zip(row, mine, strict=True) if share > 0)
        for row in shares(theirs, mine)
    ]
    return ", ".join(f"{name} = {mix}" for name, mix in zip(theirs, mixed, strict=True))
