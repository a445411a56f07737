"""A picture of the decision tree with one galaxy's probabilities on its branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import PosteriorError
from zooactive.report.plots.style import COLOURS, FAINT, INK, MOSTLY_ASKED, PALE, short_name, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zooactive.posterior import Posterior
    from zooactive.tree import DecisionTree

WIDE, PITCH = 1.16, 1.66
"""Width of a question's box, and from one column of boxes to the next, in units of the axes."""
_LINE = 0.16
"""Height of a line of text: a question's name, or an answer."""
_GAP = 0.2
_LETTERS = 24


def decision_tree(axes: Axes, posterior: Posterior, galaxy_id: str, votes: ArrayLike | None = None) -> Axes:
    """Draw the tree from left to right: a box a question, and branches as wide as the share of volunteers who take them.

    A box names the question and the share of all volunteers expected to reach it, then each answer with its expected
    fraction as a bar and in numbers. Upright marks on the bars are the fractions that volunteers gave. Questions that fewer
    than half of the volunteers should reach are grey, and so are the branches to them.

    Parameters
    ----------
    axes : Axes
        Its limits are set; `tree_size` gives inches that suit it.
    posterior : Posterior
    galaxy_id : str
    votes : array_like, shape (answer,), optional
        This galaxy's votes.

    Returns
    -------
    Axes
        The same, without frame.

    Raises
    ------
    PosteriorError
        When the posterior has no such galaxy, or the votes have another shape.
    """
    one, tree = posterior.select([galaxy_id]), posterior.tree
    mean, asked, joint = one.mean()[0], one.asked()[0], one.joint_mean()[0]
    counts = np.zeros(len(tree.columns)) if votes is None else np.asarray(votes, dtype=float)
    if counts.shape != (len(tree.columns),):
        raise PosteriorError(
            f"the votes have the shape {counts.shape}; give one number for each of {len(tree.columns)} answers"
        )
    columns, tops = _layout(tree)
    for q in range(len(tree.questions)):
        _branches(axes, tree, q, columns, tops, joint, lively=bool(asked[q] >= MOSTLY_ASKED))
    for q in range(len(tree.questions)):
        _box(axes, tree, q, (PITCH * columns[q], tops[q]), mean, float(asked[q]), counts)
    heights = [_height(tree, q) for q in range(len(tree.questions))]
    axes.set_xlim(-0.05, PITCH * max(columns) + WIDE + 0.05)
    axes.set_ylim(max(top + high for top, high in zip(tops, heights, strict=True)) + 0.05, -0.05)
    axes.set_axis_off()
    return axes


def tree_size(tree: DecisionTree) -> tuple[float, float]:
    """Return the width and height, in inches, at which the texts of `decision_tree` do not touch."""
    columns, tops = _layout(tree)
    bottom = max(top + _height(tree, q) for q, top in enumerate(tops))
    return 1.75 * (PITCH * max(columns) + WIDE + 0.1), 1.15 * (bottom + 0.1)


def _layout(tree: DecisionTree) -> tuple[list[int], list[float]]:
    """Column of each question, its depth in the tree, and the top of its box; parents' order is kept in each column."""
    depth = [0] * len(tree.questions)
    for q in tree.order:
        if tree.parents[q] >= 0:
            depth[q] = depth[tree.parents[q]] + 1
    places: dict[int, tuple[float, ...]] = {}
    for q in tree.order:
        parent = tree.parents[q]
        before = places[parent] if parent >= 0 else ()
        places[q] = (*before, float(np.flatnonzero(tree.leads_to[q]).mean()) if parent >= 0 else 0.0, float(q))
    tops = [0.0] * len(tree.questions)
    for column in range(max(depth) + 1):
        top = 0.0
        for q in sorted((q for q in range(len(tree.questions)) if depth[q] == column), key=lambda q: places[q]):
            tops[q] = top
            top += _height(tree, q) + _GAP
    return depth, tops


def _height(tree: DecisionTree, q: int) -> float:
    return _LINE * (len(tree.questions[q].answers) + 1.4)


def _answer_y(tree: DecisionTree, q: int, top: float, column: int) -> float:
    """Return the middle of an answer's line."""
    return top + _LINE * float(1.7 + column - tree.slices[q].start)


def _branches(
    axes: Axes,
    tree: DecisionTree,
    q: int,
    columns: list[int],
    tops: list[float],
    joint: NDArray[np.float64],
    *,
    lively: bool,
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    parent = tree.parents[q]
    if parent < 0:
        return
    start, end, goal = PITCH * columns[parent] + WIDE, PITCH * columns[q], tops[q] + 0.7 * _LINE
    middle = (start + end) / 2
    for a in np.flatnonzero(tree.leads_to[q]):
        share, y = float(joint[a]), _answer_y(tree, parent, tops[parent], int(a))
        curve = Path([(start, y), (middle, y), (middle, goal), (end, goal)], [Path.MOVETO, *[Path.CURVE4] * 3])
        colour = COLOURS[0] if lively else PALE
        axes.add_patch(PathPatch(curve, fill=False, edgecolor=colour, linewidth=0.6 + 7 * share, alpha=0.45, zorder=1))


def _box(
    axes: Axes,
    tree: DecisionTree,
    q: int,
    corner: tuple[float, float],
    mean: NDArray[np.float64],
    asked: float,
    counts: NDArray[np.float64],
) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    left, top = corner
    ink = INK if asked >= MOSTLY_ASKED else FAINT
    frame = FancyBboxPatch(
        (left, top), WIDE, _height(tree, q), boxstyle="round,pad=0,rounding_size=0.03", facecolor="white",
        edgecolor=FAINT if asked >= MOSTLY_ASKED else PALE, linewidth=0.8, zorder=2,
    )  # fmt: skip
    axes.add_patch(frame)
    texts: dict[str, Any] = {"va": "center", "zorder": 4, "parse_math": False}
    name = shortened(short_name(tree, tree.questions[q].name), _LETTERS)
    axes.text(left + 0.03, top + 0.7 * _LINE, name, fontsize=8.5, fontweight="bold", color=ink, **texts)
    axes.text(left + WIDE - 0.03, top + 0.7 * _LINE, f"{asked:.0%}", fontsize=8.5, color=ink, ha="right", **texts)
    where = tree.slices[q]
    total = counts[where].sum()
    likeliest = where.start + int(mean[where].argmax())
    for a, answer in zip(range(where.start, where.stop), tree.questions[q].answers, strict=True):
        y = _answer_y(tree, q, top, a)
        bar = Rectangle(
            (left, y - 0.42 * _LINE), WIDE * mean[a], 0.84 * _LINE, color=COLOURS[5] if asked >= MOSTLY_ASKED else PALE,
            alpha=0.45, linewidth=0, zorder=3,
        )  # fmt: skip
        axes.add_patch(bar)
        weight = "bold" if a == likeliest else "normal"
        axes.text(left + 0.03, y, shortened(answer, _LETTERS), fontsize=8, color=ink, fontweight=weight, **texts)
        axes.text(left + WIDE - 0.03, y, f"{mean[a]:.2f}", fontsize=8, color=ink, ha="right", fontweight=weight, **texts)
        if total > 0:
            place = left + WIDE * counts[a] / total
            axes.plot([place, place], [y - 0.42 * _LINE, y + 0.42 * _LINE], color=COLOURS[1], linewidth=2, zorder=5)
