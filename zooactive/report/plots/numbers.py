"""A picture of predicted numbers beside their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from zooactive.foundation.errors import PosteriorError
from zooactive.report.plots.style import COLOURS, FAINT, INK, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def numbers_scatter(axes: Axes, labels: ArrayLike, expected: ArrayLike, intervals: ArrayLike, *, name: str) -> Axes:
    """Draw the expected numbers of galaxies against their labels, with intervals and the diagonal.

    Parameters
    ----------
    axes : Axes
    labels, expected : array_like, shape (galaxy,)
    intervals : array_like, shape (galaxy, 2)
        The ends of an interval around each expected number.
    name : str
        What the number is.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    PosteriorError
        When the numbers of galaxies differ, or there are none.
    """
    x, y, ends = (np.asarray(values, dtype=float) for values in (labels, expected, intervals))
    if not x.size or x.shape != y.shape or ends.shape != (x.size, 2):
        raise PosteriorError(
            f"{x.size} labels, {y.size} expected numbers and intervals of shape {ends.shape} were given; give one of each "
            "for each galaxy"
        )
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    axes.plot([low, high], [low, high], color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=0, gid="diagonal")
    crowd = float(np.clip(120 / x.size, 0.15, 0.8))
    axes.vlines(x, ends[:, 0], ends[:, 1], color=COLOURS[0], linewidth=0.8, alpha=crowd / 2)
    axes.plot(x, y, "o", color=COLOURS[0], markersize=3.5, markeredgewidth=0, alpha=crowd)
    dress(axes)
    axes.set_xlabel(f"{name}, as labelled", fontsize=9, color=INK)
    axes.set_ylabel(f"{name}, as expected", fontsize=9, color=INK)
    return axes
