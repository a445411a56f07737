"""Pictures of single galaxies: contact sheets of cutouts, and one galaxy's posterior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError, PosteriorError
from zooactive.report.plots.style import (
    COLOURS,
    FAINT,
    INK,
    MOSTLY_ASKED,
    PALE,
    fraction_axis,
    paper,
    short_name,
    shortened,
    show,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zooactive.posterior import Posterior
    from zooactive.tree import DecisionTree

_CAPTION = 22
"""Characters of 7 point text that fit under a cutout of a contact sheet."""


def gallery(images: Sequence[NDArray[np.uint8]], captions: Sequence[str], *, columns: int = 6) -> Figure:
    """Lay cutouts out as a contact sheet, each with its caption beneath.

    Parameters
    ----------
    images : sequence of uint8 array, shape (size, size, 3) or (size, size, 1)
    captions : sequence of str
        One an image; a few short lines each, e.g. id and score. A line that is too long loses its middle.
    columns : int
        Cutouts in a row.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    CatalogueError
        When there is no image, no column, or not one caption an image.
    """
    if len(images) != len(captions) or not images or columns < 1:
        raise CatalogueError(
            f"a gallery of {len(images)} images, {len(captions)} captions and {columns} columns was asked for; "
            "give at least one image and column, and one caption an image"
        )
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    lines = max(caption.count("\n") for caption in captions) + 1
    side, strip, gap = 1.5, 0.08 + 0.125 * lines, 0.12  # inches
    width, height = columns * (side + gap) + gap, rows * (side + strip + gap) + gap
    figure = paper(width, height)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(i, columns)
        left, top = gap + column * (side + gap), height - gap - row * (side + strip + gap)
        axes = figure.add_axes((left / width, (top - side) / height, side / width, side / height))
        show(axes, image)
        text = "\n".join(shortened(line, _CAPTION) for line in caption.split("\n"))
        axes.annotate(
            text, (0.5, 0), (0, -3), xycoords="axes fraction", textcoords="offset points", ha="center", va="top",
            fontsize=7, color=INK, linespacing=1.2, parse_math=False,
        )  # fmt: skip
    return figure


def answer_densities(
    axes: Axes, posterior: Posterior, galaxy_id: str, question: str, votes: ArrayLike | None = None
) -> Axes:
    """Draw the posterior density of each answer's vote fraction, one row an answer, for one galaxy.

    Every density is drawn to the same height: its shape says where the fraction lies and how surely.

    Parameters
    ----------
    axes : Axes
    posterior : Posterior
    galaxy_id : str
    question : str
        The survey's suffix may be left away.
    votes : array_like, shape (answer,), optional
        This galaxy's votes on all answers of the tree; the fractions that the volunteers gave are marked where at least
        one of them answered.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    PosteriorError, TreeError
        When the galaxy or the question is unknown, or the votes are not one a column of the tree.
    """
    tree = posterior.tree
    asked = tree.question(question)
    counts = _one_row(votes, tree)[tree.slices[tree.questions.index(asked)]] if votes is not None else None
    one = posterior.select([galaxy_id])
    x = np.linspace(0, 1, 402)[1:-1]
    total = 0.0 if counts is None else float(counts.sum())
    for i, (answer, column) in enumerate(zip(asked.answers, asked.columns, strict=True)):
        base, colour = len(asked.answers) - 1 - i, COLOURS[i % len(COLOURS)]
        density = one.density(column, x)[0]
        ridge = base + 0.82 * density / density.max()
        axes.fill_between(x, base, ridge, color=colour, alpha=0.28, linewidth=0)
        axes.plot(x, ridge, color=colour, linewidth=1.3)
        axes.axhline(base, color=PALE, linewidth=0.6, zorder=0)
        if counts is not None and total > 0:
            axes.plot(
                counts[i] / total, base, marker="o", markersize=5.5, color="white", markeredgecolor=INK,
                markeredgewidth=1.3, clip_on=False, zorder=5, linestyle="none", label=f"volunteers: {answer}",
            )  # fmt: skip
    axes.set_yticks(np.arange(len(asked.answers)), [shortened(name, 20) for name in asked.answers[::-1]])
    axes.set_ylim(-0.12, len(asked.answers))
    fraction_axis(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, pad=8)
    return axes


def galaxy_posteriors(
    posterior: Posterior,
    galaxy_id: str,
    *,
    image: NDArray[np.uint8] | None = None,
    votes: ArrayLike | None = None,
    questions: Sequence[str] | None = None,
) -> Figure:
    """Draw one galaxy: its cutout, then a panel of vote-fraction densities for each question.

    Questions that most volunteers would not reach, P(asked) < 0.5, are dimmed.

    Parameters
    ----------
    posterior : Posterior
    galaxy_id : str
    image : uint8 array, shape (size, size, 3) or (size, size, 1), optional
    votes : array_like, shape (answer,), optional
        This galaxy's votes, marked on the panels.
    questions : sequence of str, optional
        Which; default all, in tree order.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    PosteriorError, TreeError
        As in `answer_densities`.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    tree = posterior.tree
    wanted = [tree.question(name) for name in questions] if questions is not None else list(tree.questions)
    asked = posterior.select([galaxy_id]).asked()[0]
    cells = len(wanted) + (image is not None)
    columns = min(3, cells)
    rows = math.ceil(cells / columns)
    figure = paper(3.3 * columns, 2.15 * rows + 0.2, layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.09))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[cells:]:
        axes.set_axis_off()
    if image is not None:
        show(grid[0], image)
        grid[0].set_title(shortened(galaxy_id, 30), fontsize=9, color=INK, parse_math=False)
    for axes, question in zip(grid[cells - len(wanted) :], wanted, strict=False):
        answer_densities(axes, posterior, galaxy_id, question.name, votes)
        reached = float(asked[tree.questions.index(question)])
        axes.set_title(
            f"{short_name(tree, question.name)}  ·  asked of {100 * reached:.0f}%",
            fontsize=9, color=INK, loc="left", parse_math=False,
        )  # fmt: skip
        if reached < MOSTLY_ASKED:
            _dim(axes)
    figure.supxlabel("fraction of those asked who give the answer", fontsize=8, color=INK)
    return figure


def _dim(axes: Axes) -> None:
    """Turn a panel grey; its text stays dark enough to read."""
    for artist in (*axes.lines, *axes.collections):
        artist.set_alpha(0.25 if artist in axes.lines else 0.12)
    axes.set_title(axes.get_title(loc="left"), loc="left", color=FAINT, fontsize=9)
    axes.tick_params(labelcolor=FAINT, color=PALE)
    axes.spines["bottom"].set_color(PALE)


def _one_row(votes: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    counts = np.asarray(votes, dtype=float)
    if counts.shape != (len(tree.columns),):
        raise PosteriorError(
            f"the galaxy's votes have the shape {counts.shape}; tree '{tree.name}' needs ({len(tree.columns)},)"
        )
    return counts
