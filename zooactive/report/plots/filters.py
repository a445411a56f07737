"""Pictures of what a network looks for and what it finds: its first filters, and one galaxy's feature maps by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import ModelError
from zooactive.report.plots.style import INK, PALE, paper, shortened, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP, _WIDER_GAP, _SLIT = 0.14, 0.32, 0.06
"""White between two maps, between two filters, and between the channels of one, in widths of a panel."""
_WIDE = 3.5
"""How much wider than high panels are laid out together where nothing else is asked for."""


def filter_panels(axes: Axes, filters: ArrayLike, *, columns: int | None = None) -> Axes:
    """Draw the filters of a first convolution as small grey panels, each scaled by itself.

    Middle grey is a weight of 0, white the largest weight of the filter, black its negative. The channels of a filter stand
    above each other, red first: colours mixed from weights would hide from many readers which channels differ.

    Parameters
    ----------
    axes : Axes
    filters : array_like, shape (filter, y, x, channel)
    columns : int, optional
        Filters in a row; by default so many that all together are wide.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    ModelError
        When the filters have another shape, or there is no filter.
    """
    weights = np.asarray(filters, dtype=float)
    if weights.ndim != 4 or not weights.size:
        raise ModelError(f"filters of shape {weights.shape}; give (filter, y, x, channel)")
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    shown = 0.5 + weights / np.where(largest > 0, 2 * largest, 1)
    return _panels(axes, np.moveaxis(shown, 3, 1), columns, _WIDER_GAP)


def map_panels(axes: Axes, maps: ArrayLike, *, most: int = 32, columns: int | None = None) -> Axes:
    """Draw feature maps of one layer as small grey panels, each from its own least value (black) to its largest (white).

    Parameters
    ----------
    axes : Axes
    maps : array_like, shape (feature, y, x)
    most : int
        Where there are more, those that vary most over the image are drawn, in the layer's order.
    columns : int, optional
        Maps in a row; by default so many that all together are wide.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    ModelError
        When the maps have another shape, or there is nothing to draw.
    """
    values = np.asarray(maps, dtype=float)
    if values.ndim != 3 or not values.size or most < 1:
        raise ModelError(f"feature maps of shape {values.shape}, at most {most} of them; give (feature, y, x)")
    chosen = np.sort(np.argsort(-values.std(axis=(1, 2)), kind="stable")[:most])
    values = values[chosen]
    least, largest = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    shown = (values - least) / np.where(largest > least, largest - least, 1)
    return _panels(axes, shown[:, None], columns, _GAP)


def network_view(
    filters: ArrayLike,
    maps: Mapping[str, NDArray[Any]],
    *,
    image: NDArray[np.uint8] | None = None,
    title: str = "",
    most: int = 32,
    channels: Sequence[str] = ("red", "green", "blue"),
) -> Figure:
    """Draw a network's first filters beside the galaxy's cutout, and beneath them its feature maps, a row a layer.

    Parameters
    ----------
    filters : array_like, shape (filter, y, x, channel)
        As of `zooactive.models.first_filters`.
    maps : mapping of str to ndarray, shape (feature, y, x)
        By layer, as of `zooactive.models.feature_maps`.
    image : uint8 array, shape (size, size, 3) or (size, size, 1), optional
        The galaxy.
    title : str
        Above the cutout, e.g. the id.
    most : int
        Panels of a layer, the most variable ones.
    channels : sequence of str
        What the channels of the filters are, where there are several.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ModelError
        As in `filter_panels` and `map_panels`.
    """
    cutout, strip, gap, width = 1.8, 0.3, 0.15, 8.4  # inches
    per_row = 16
    panel = (width - 2 * gap) / (per_row * (1 + _GAP) - _GAP)
    heights = [_rows(min(most, len(found)), per_row) * panel * (1 + _GAP) for found in maps.values()]
    height = gap + strip + cutout + gap + sum(strip + each for each in heights) + gap
    figure = paper(width, height)

    def place(left: float, top: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, (height - top - high) / height, wide / width, high / height))

    def head(left: float, top: float, text: str) -> None:
        figure.text(
            left / width, 1 - (top + strip - 0.08) / height, text, fontsize=8, color=INK, va="bottom", parse_math=False
        )

    left = gap
    if image is not None:
        head(left, gap, shortened(title, 24))
        show(place(left, gap + strip, cutout, cutout), image)
        left += cutout + 2 * gap
    weights = np.asarray(filters)
    above = f"; {' above '.join(channels)}" if weights.shape[-1] == len(channels) > 1 else ""
    size = " x ".join(map(str, weights.shape[1:3]))
    head(left, gap, f"{len(weights)} filters of the first convolution, {size} pixels{above}")
    filter_panels(place(left, gap + strip, width - gap - left, cutout), weights).set_anchor("NW")
    top = gap + strip + cutout + gap
    for (name, found), high in zip(maps.items(), heights, strict=True):
        head(gap, top, _about(name, found, most))
        map_panels(place(gap, top + strip, width - 2 * gap, high), found, most=most, columns=per_row).set_anchor("NW")
        top += strip + high
    return figure


def _about(name: str, maps: NDArray[Any], most: int) -> str:
    size = f"{maps.shape[1]} x {maps.shape[2]} pixels"
    some = f"the {most} that vary most of {len(maps)} maps" if len(maps) > most else f"{len(maps)} maps"
    return f"{name}: {some}, {size}"


def _rows(panels: int, columns: int) -> int:
    return math.ceil(panels / columns)


def _panels(axes: Axes, pictures: NDArray[np.float64], columns: int | None, gap: float) -> Axes:
    """Lay pictures (panel, part, y, x) in [0, 1] out, a panel's parts above each other, framed and without any smoothing."""
    number, parts = pictures.shape[:2]
    high = parts * (1 + _SLIT) - _SLIT
    if columns is None:
        columns = _rows(number, _rows(number, math.ceil(math.sqrt(_WIDE * number * high))))
    for i, panel in enumerate(pictures):
        row, column = divmod(i, columns)
        left, top = column * (1 + gap), row * (high + gap)
        for part in panel:
            axes.imshow(part, cmap="gray", extent=(left, left + 1, top + 1, top), interpolation="nearest", vmin=0, vmax=1)
            axes.plot(
                [left, left + 1, left + 1, left, left], [top, top, top + 1, top + 1, top],
                color=PALE, linewidth=0.4, solid_joinstyle="miter", clip_on=False,
            )  # fmt: skip
            top += 1 + _SLIT
    axes.set_xlim(0, min(columns, number) * (1 + gap) - gap)
    axes.set_ylim(_rows(number, columns) * (high + gap) - gap, 0)
    axes.set_axis_off()
    return axes
