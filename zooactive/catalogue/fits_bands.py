"""Which planes of a FITS file are which bands, for recipes that name them: planes of a cube, or an extension each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.colours import Plane, Recipe
from zooactive.catalogue.fits_images import colour_planes, named_bands
from zooactive.foundation.errors import ImageError

_KEYS = ("BAND", "FILTER", "EXTNAME")
"""Cards that say the band of an extension, the first that is one letter, also after a dash or a dot."""


def planes_by_band(
    header: Mapping[str, Any],
    shape: tuple[int, ...],
    bands: str | None,
    recipe: Recipe,
    values: Callable[[], NDArray[Any]],
    others: Iterator[tuple[Mapping[str, Any], tuple[int, ...], Callable[[], NDArray[Any]]]],
) -> dict[str, Plane]:
    """Return the planes (y, x) that a recipe needs, by band; those of one that takes any three are the reddest first.

    Parameters
    ----------
    header, shape, values
        Of the first extension with an image; `values` reads it.
    bands : str, optional
        As of `zooactive.Preprocessing`.
    recipe : Recipe
    others : iterator of header, shape and values
        Of the extensions behind it.

    Raises
    ------
    ImageError
        When a band is missing, or an extension has another shape.
    """
    if len(shape) == 2 and len(recipe.bands) > 1:
        return _each_extension(header, shape, recipe.bands, values, others)
    if len(shape) == 2 or shape[0] == 1:
        if len(recipe.bands) > 1:
            raise ImageError(f"has one plane, and its stretch needs the bands {recipe.bands}; take 'asinh' or 'linear'")
        return {"": _plane(values(), 0)}
    if not recipe.bands:
        read = values()
        return {str(number): _plane(read, number) for number in colour_planes(header, shape[0], bands)}
    names = named_bands(header, shape[0], bands)
    if names is None:
        raise ImageError(f"has {shape[0]} planes, and nobody says of which bands; write them into the header as BANDS")
    _refuse_missing(recipe.bands, names)
    read = values()
    return {band: _plane(read, names.index(band)) for band in recipe.bands}


def _each_extension(
    header: Mapping[str, Any],
    shape: tuple[int, ...],
    wanted: str,
    values: Callable[[], NDArray[Any]],
    others: Iterator[tuple[Mapping[str, Any], tuple[int, ...], Callable[[], NDArray[Any]]]],
) -> dict[str, Plane]:
    found: dict[str, Plane] = {}
    for said, size, read in _chained((header, shape, values), others):
        band = _band_of(said)
        if band not in wanted or band in found or len(size) != 2:
            continue
        if size != shape:
            raise ImageError(f"has {size[1]} x {size[0]} pixels in band {band} and {shape[1]} x {shape[0]} in another")
        found[band] = _plane(read(), 0)
        if len(found) == len(wanted):
            break
    _refuse_missing(wanted, list(found))
    return {band: found[band] for band in wanted}


def _chained(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from others


def _band_of(header: Mapping[str, Any]) -> str:
    for key in _KEYS:
        said = header.get(key)
        name = re.split(r"[-_. ]", said.strip())[-1].casefold() if isinstance(said, str) and said.strip() else ""
        if len(name) == 1:
            return name
    return " "  # of none, and in no recipe


def _refuse_missing(wanted: str, there: list[str]) -> None:
    missing = [band for band in wanted if band not in there]
    if missing:
        has = ", ".join(there) or "none whose band is said"
        raise ImageError(
            f"has the bands {has}, and its stretch needs {', '.join(wanted)}; say them in the header, or take another one"
        )


def _plane(values: NDArray[Any], number: int) -> Plane:
    with np.errstate(over="ignore"):
        return np.array(values.reshape(-1, *values.shape[-2:])[number], dtype=np.float32)
