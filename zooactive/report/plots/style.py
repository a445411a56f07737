"""The paper that pictures are drawn on: colours, figures, axes and short names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zooactive.tree import DecisionTree

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours for answers, in order; their yellow is left out, for it is unreadable on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, PALE = "#222222", "#6b6b6b", "#b5b5b5"

MOSTLY_ASKED = 0.5
"""Share of the volunteers from which a question counts as asked of a galaxy; what fewer should reach is grey everywhere."""


def paper(width: float, height: float, **options: Any) -> Figure:
    """Make a white figure, width and height in inches, that saves itself without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", **options)
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes) -> None:
    """Take the frame down to two thin lines and the tick labels to 8 points."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(labelsize=8, color=FAINT, labelcolor=INK)


def fraction_axis(axes: Axes) -> None:
    """Let the horizontal axis show fractions from 0 to 1."""
    dress(axes)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])


def counted(count: int) -> str:
    """Return how many galaxies there are, in words."""
    return f"{count:,} galax{'y' if count == 1 else 'ies'}"


def short_name(tree: DecisionTree, question: str) -> str:
    """Return a question's name without the survey's mark at its end."""
    return question.removesuffix(tree.suffix)


def show(axes: Axes, image: NDArray[np.uint8]) -> None:
    """Show a cutout as it is: no interpolation of its grey levels beyond what the size needs, no frame."""
    grey = image.ndim == 2 or image.shape[-1] == 1
    axes.imshow(image.reshape(image.shape[:2]) if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
    axes.set_axis_off()


def shortened(text: str, length: int) -> str:
    """Take the middle out of a text that is too long: both ends of an id tell it from its neighbours."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"
