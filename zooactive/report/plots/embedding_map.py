"""A map of galaxies by their embeddings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.report.plots.style import COLOURS, FAINT, INK, MARKERS, PALE, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PICTURE = 0.085
"""Width of a picture, as a share of the axes."""
_MARGIN, _GAP = 0.06, 0.008


def embedding_map(
    axes: Axes,
    points: ArrayLike,
    ids: Sequence[str],
    groups: Mapping[str, Collection[str]],
    pictures: Mapping[str, NDArray[np.uint8]] | None = None,
) -> Axes:
    """Draw galaxies on a plane, groups of them marked, with pictures where there is room.

    Parameters
    ----------
    axes : Axes
        Their limits are set.
    points : array_like, shape (galaxy, 2)
    ids : sequence of str
        The ids of the galaxies, in the order of the points.
    groups : mapping of str to collection of str
        Names of groups and the ids of their members. Members that are not among `ids` are left out.
    pictures : mapping of str to uint8 array, shape (size, size, channels), optional
        Pictures by id, the most important first. A picture that would cover an earlier one is left out.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    CatalogueError
        When there are not as many points as ids.
    """
    places, names = np.asarray(points, dtype=float), [str(galaxy) for galaxy in ids]
    if places.shape != (len(names), 2):
        raise CatalogueError(f"points of the shape {places.shape} and {len(names)} ids were given; give two numbers an id")
    row_of = {galaxy: row for row, galaxy in enumerate(names)}
    low, high = places.min(0), places.max(0)
    span = np.maximum(high - low, np.finfo(float).tiny)
    axes.set_xlim(low[0] - _MARGIN * span[0], high[0] + _MARGIN * span[0])
    axes.set_ylim(low[1] - _MARGIN * span[1], high[1] + _MARGIN * span[1])
    size = float(np.clip(6000 / max(len(names), 1), 1.5, 14))
    axes.scatter(places[:, 0], places[:, 1], s=size, color=PALE, alpha=0.6, linewidths=0, zorder=1, gid="pool")
    for i, (name, members) in enumerate(groups.items()):
        rows = [row_of[galaxy] for galaxy in members if galaxy in row_of]
        if rows:
            axes.scatter(
                places[rows, 0], places[rows, 1], s=26, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)],
                linewidths=0.5, edgecolors="white", label=f"{name} ({len(rows)})", zorder=3,
            )  # fmt: skip
    _draw_pictures(axes, places, row_of, pictures or {})
    dress(axes)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    if any(galaxy in row_of for members in groups.values() for galaxy in members):
        legend = axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handletextpad=0.3)
        for text in legend.get_texts():
            text.set_parse_math(False)
            text.set_color(INK)
    return axes


def _draw_pictures(
    axes: Axes, places: NDArray[np.float64], row_of: Mapping[str, int], pictures: Mapping[str, NDArray[np.uint8]]
) -> None:
    """Draw each picture beside its mark, unless it would cover an earlier one."""
    (left_end, right_end), (low_end, high_end) = axes.get_xlim(), axes.get_ylim()
    box = axes.get_window_extent()
    wide, high = _PICTURE, _PICTURE * box.width / box.height
    taken: list[tuple[float, float]] = []
    for galaxy, pixels in pictures.items():
        if galaxy not in row_of:
            continue
        x, y = places[row_of[galaxy]]
        left = _beside((x - left_end) / (right_end - left_end), wide)
        bottom = _beside((y - low_end) / (high_end - low_end), high)
        crowded = any(abs(left - a) < 1.1 * wide and abs(bottom - b) < 1.1 * high for a, b in taken)
        if crowded:
            continue
        taken.append((left, bottom))
        inset = axes.inset_axes((left, bottom, wide, high), zorder=2)
        grey = pixels.ndim == 2 or pixels.shape[-1] == 1
        inset.imshow(pixels.reshape(pixels.shape[:2]) if grey else pixels, cmap="gray" if grey else None, vmin=0, vmax=255)
        inset.set_xticks([])
        inset.set_yticks([])
        for spine in inset.spines.values():
            spine.set_color("white")


def _beside(place: float, length: float) -> float:
    """Return where a picture begins, as a share of the axes: after its mark, or before it where it would leave the axes."""
    return place + _GAP if place + _GAP + length <= 1 else place - _GAP - length
