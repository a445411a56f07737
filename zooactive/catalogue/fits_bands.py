"""Match the planes of a FITS file with bands, for recipes that name them: planes of a cube, or one extension per band."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.colours import Plane, Recipe
from zooactive.catalogue.fits_images import WAVELENGTHS, colour_planes, named_bands
from zooactive.foundation.errors import ImageError

_KEYS = ("BAND", "FILTER", "EXTNAME")
"""Cards that name the band of an extension, possibly after a dash or a dot. The first that names a band counts."""


def planes_by_band(
    header: Mapping[str, Any],
    shape: tuple[int, ...],
    bands: str | None,
    recipe: Recipe,
    values: Callable[[], NDArray[Any]],
    others: Iterator[tuple[Mapping[str, Any], tuple[int, ...], Callable[[], NDArray[Any]]]],
) -> dict[str, Plane]:
    """Return the planes (y, x) that a recipe needs, by band; the reddest first if the recipe takes any three.

    Parameters
    ----------
    header, shape, values
        The header and shape of the first extension with an image, and a function that reads its values.
    bands : str, optional
        As in `zooactive.Preprocessing`.
    recipe : Recipe
    others : iterator of header, shape and values
        The extensions after it.

    Raises
    ------
    ImageError
        If a band is missing, or an extension has another shape.
    """
    if len(shape) == 2 and recipe.bands:
        return _each_extension(header, shape, recipe, values, others)
    if len(shape) == 2 or shape[0] == 1:
        if len(recipe.bands) > 1:
            listed = recipe.bands if isinstance(recipe.bands, str) else ", ".join(recipe.bands)
            raise ImageError(
                f"has one plane, and {recipe.by} needs the bands {listed}; choose another stretch or other bands"
            )
        if recipe.bands:
            _refuse_missing(recipe, named_bands(header, 1, None) or list(recipe.bands))
            return {recipe.bands[0]: _plane(values(), 0)}
        return {"": _plane(values(), 0)}
    if not recipe.bands:
        read = values()
        return {str(number): _plane(read, number) for number in colour_planes(header, shape[0], bands)}
    names = named_bands(header, shape[0], bands)
    if names is None:
        raise ImageError(f"has {shape[0]} planes of unknown bands; write the bands into the header as BANDS")
    _refuse_missing(recipe, names)
    read = values()
    return {band: _plane(read, names.index(band)) for band in recipe.bands}


def _each_extension(
    header: Mapping[str, Any],
    shape: tuple[int, ...],
    recipe: Recipe,
    values: Callable[[], NDArray[Any]],
    others: Iterator[tuple[Mapping[str, Any], tuple[int, ...], Callable[[], NDArray[Any]]]],
) -> dict[str, Plane]:
    wanted = tuple(recipe.bands)
    if len(wanted) == 1 and not _band_of(header, wanted):
        return {wanted[0]: _plane(values(), 0)}  # an image of one band; nothing says that it is another band
    found: dict[str, Plane] = {}
    for said, size, read in _chained((header, shape, values), others):
        band = _band_of(said, wanted)
        if band not in wanted or band in found or len(size) != 2:
            continue
        if size != shape:
            raise ImageError(f"has {size[1]} x {size[0]} pixels in band {band} and {shape[1]} x {shape[0]} in another")
        found[band] = _plane(read(), 0)
        if len(found) == len(wanted):
            break
    _refuse_missing(recipe, list(found))
    return {band: found[band] for band in wanted}


def _chained(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from others


def _band_of(header: Mapping[str, Any], wanted: Sequence[str]) -> str:
    """Return the band that a header names, in lower case, or "" if it names none; the extension's own header comes first."""
    own = header.maps[0] if isinstance(header, ChainMap) else header
    for cards, key in ((cards, key) for cards in (own, header) for key in _KEYS):
        said = cards.get(key)
        name = re.split(r"[-_. ]", said.strip())[-1].casefold() if isinstance(said, str) else ""
        if name in wanted or name in WAVELENGTHS or len(name) == 1:
            return name
    return ""


def _refuse_missing(recipe: Recipe, there: list[str]) -> None:
    missing = [band for band in recipe.bands if band not in there]
    if missing:
        has, wanted = ", ".join(there) or "none that the header names", ", ".join(recipe.bands)
        raise ImageError(f"has the bands {has}, and {recipe.by} needs {wanted}; name them in the header, or choose others")


def _plane(values: NDArray[Any], number: int) -> Plane:
    with np.errstate(over="ignore"):
        return np.array(values.reshape(-1, *values.shape[-2:])[number], dtype=np.float32)
