"""Pictures of vote fractions: what volunteers said against what the network expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.evaluation.asked import each_asked
from zooactive.foundation.errors import CatalogueError, PosteriorError
from zooactive.report.plots.style import COLOURS, FAINT, INK, MARKERS, counted, fraction_axis, paper, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zooactive.posterior import Posterior


def fractions_scatter(axes: Axes, predicted: ArrayLike, observed: ArrayLike, *, label: str, answer: int = 0) -> Axes:
    """Draw the vote fractions of many galaxies, observed against predicted, with the diagonal.

    Parameters
    ----------
    axes : Axes
    predicted, observed : array_like, shape (galaxy,)
        Vote fractions between 0 and 1.
    label : str
        The answer's name in the legend.
    answer : int
        Its place among the answers, which gives its colour and marker.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    PosteriorError
        When the two have not the same length.
    """
    x, y = np.asarray(predicted, dtype=float), np.asarray(observed, dtype=float)
    if x.shape != y.shape:
        raise PosteriorError(f"{x.size} predicted and {y.size} observed fractions were given; give one of each a galaxy")
    if not any(line.get_gid() == "diagonal" for line in axes.lines):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=0, gid="diagonal")
    crowd = max(x.size, 1)
    axes.scatter(
        x, y, s=float(np.clip(4000 / crowd, 3, 16)), marker=MARKERS[answer % len(MARKERS)],
        color=COLOURS[answer % len(COLOURS)], alpha=float(np.clip(120 / crowd, 0.08, 0.7)), linewidths=0, label=label,
        clip_on=False,
    )  # fmt: skip
    axes.set_aspect("equal")
    fraction_axis(axes)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    return axes


def observed_against_predicted(posterior: Posterior, votes: ArrayLike, *, questions: Sequence[str] | None = None) -> Figure:
    """Draw the volunteers' vote fractions against the predicted ones, a panel a question.

    A question's panel shows the galaxies of which it was really asked: at least half of the volunteers reached it. Of two
    answers only the first is drawn, for the other is its mirror image.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Counts in the order of the posterior's ids and its tree's columns.
    questions : sequence of str, optional
        Which; default every question that was really asked of some galaxy.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    PosteriorError
        When the votes have another shape.
    CatalogueError
        When none of the questions was really asked of any galaxy.
    """
    tree = posterior.tree
    every = list(each_asked(_all_rows(votes, posterior), tree))
    wanted = [every[tree.questions.index(tree.question(name))] for name in (() if questions is None else questions)] or every
    wanted = [asked for asked in wanted if len(asked)]
    if not wanted:
        raise CatalogueError(
            "none of the questions was asked of at least half of the volunteers of any galaxy; "
            "give galaxies with votes, or other questions"
        )
    mean = posterior.mean()
    names = [_drawn_answers(asked.question.answers) for asked in wanted]
    columns = min(3, len(wanted))
    side, pitch, head, foot = 2.5, 3.2, 0.35, 0.55 + 0.17 * math.ceil(max(map(len, names)) / 2)  # inches
    high = head + side + foot
    width, height = columns * pitch, math.ceil(len(wanted) / columns) * high
    figure = paper(width, height)
    for panel, (asked, answers) in enumerate(zip(wanted, names, strict=True)):
        row, column = divmod(panel, columns)
        left, bottom = column * pitch + 0.55, height - row * high - head - side
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        expected, observed = asked.of(mean), asked.fractions
        for i, answer in enumerate(answers):
            fractions_scatter(axes, expected[:, i], observed[:, i], label=answer, answer=i)
        name = short_name(tree, asked.question.name)
        axes.set_title(f"{name}  ·  {counted(len(asked))}", fontsize=9, color=INK, loc="left", parse_math=False)
        axes.set_xlabel("predicted fraction", fontsize=8, color=INK, labelpad=1)
        axes.set_ylabel("observed fraction", fontsize=8, color=INK, labelpad=1)
        _legend_beneath(axes, below=0.42 / side)
    return figure


def _drawn_answers(answers: tuple[str, ...]) -> tuple[str, ...]:
    return answers[:1] if len(answers) == 2 else answers


def _legend_beneath(axes: Axes, *, below: float) -> None:
    legend = axes.legend(
        fontsize=7.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -below), ncols=2, handletextpad=0.2,
        columnspacing=1.0, borderaxespad=0, borderpad=0,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(alpha=1, sizes=[16])


def _all_rows(votes: ArrayLike, posterior: Posterior) -> NDArray[np.float64]:
    counts = np.asarray(votes, dtype=float)
    needed = (len(posterior), len(posterior.tree.columns))
    if counts.shape != needed:
        raise PosteriorError(f"the votes have the shape {counts.shape}; this posterior needs {needed}, rows as its ids")
    return counts
