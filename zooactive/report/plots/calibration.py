"""Pictures of whether a posterior keeps its word: coverage, probability integral transform, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.foundation.errors import PosteriorError
from zooactive.report.plots.style import COLOURS, FAINT, INK, MARKERS, PALE, fraction_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_DASHED = (0, (4, 3))
FEWEST_IN_BIN = 5
"""Galaxies that a bin must hold to be drawn: the mean of fewer says next to nothing."""


def coverage_dots(axes: Axes, after: pd.DataFrame, before: pd.DataFrame | None = None) -> Axes:
    """Draw the share of counts inside their intervals, a row a question, with lines where each level should lie.

    Parameters
    ----------
    axes : Axes
    after : DataFrame
        Of `zooactive.evaluation.calibration.coverage`; questions without votes are left out.
    before : DataFrame, optional
        The same before a calibration, drawn as open markers.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    PosteriorError
        When no question has votes.
    """
    levels = [name for name in after.columns if name not in ("question", "galaxies")]
    shown = after[after["galaxies"] > 0].reset_index(drop=True)
    if shown.empty:
        raise PosteriorError("no question has votes, so that nothing is covered; give galaxies with votes")
    rows = np.arange(len(shown))
    for i, level in enumerate(levels):
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        axes.axvline(float(level), color=style["color"], linewidth=1, linestyle=_DASHED, zorder=0)
        if before is not None:
            earlier = before.set_index("question")[level].reindex(shown["question"]).to_numpy(dtype=float)
            axes.plot(earlier, rows, linestyle="none", fillstyle="none", markersize=6, **style, clip_on=False)
            for row in rows:
                axes.plot([earlier[row], shown[level].iloc[row]], [row, row], color=style["color"], linewidth=0.8, alpha=0.6)
        name = f"{float(level):.0%} intervals"
        axes.plot(shown[level], rows, linestyle="none", markersize=6, label=name, **style, clip_on=False)
    fraction_axis(axes)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_xticklabels(["0", "20%", "40%", "60%", "80%", "100%"])
    axes.set_yticks(rows, shown["question"], parse_math=False)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("counts inside the interval", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(levels), handletextpad=0.3)
    return axes


def pit_bars(axes: Axes, pit: pd.DataFrame, question: str) -> Axes:
    """Draw one question's histogram of the probability integral transform, with the line that is right.

    Parameters
    ----------
    axes : Axes
    pit : DataFrame
        Of `zooactive.evaluation.calibration.pit_histogram`.
    question : str

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    PosteriorError
        When the table has no rows of the question.
    """
    rows = _of_question(pit, question)
    start, stop = rows["from"].to_numpy(dtype=float), rows["to"].to_numpy(dtype=float)
    density = rows["share"].to_numpy(dtype=float) / (stop - start)
    axes.bar(start, density, width=stop - start, align="edge", color=PALE, edgecolor="white", linewidth=0.8)
    axes.axhline(1, color=COLOURS[0], linewidth=1.4, linestyle=_DASHED)
    fraction_axis(axes)
    axes.set_ylim(0, max(2.0, 1.1 * float(density.max())))
    axes.set_yticks([0, 1, 2])
    return axes


def reliability_lines(axes: Axes, table: pd.DataFrame, question: str) -> Axes:
    """Draw observed against expected fractions in bins, a line an answer, with the diagonal and two standard errors.

    Of two answers only the first is drawn, for the other is its mirror image, and of bins those with five galaxies or more.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Of `zooactive.evaluation.fractions.reliability`.
    question : str

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    PosteriorError
        When the table has no rows of the question.
    """
    rows = _of_question(table, question)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=_DASHED, zorder=0, gid="diagonal")
    answers: Sequence[str] = list(dict.fromkeys(rows["answer"]))
    for i, answer in enumerate(answers[:1] if len(answers) == 2 else answers):
        own = rows[(rows["answer"] == answer) & (rows["galaxies"] >= FEWEST_IN_BIN)]
        axes.errorbar(
            own["expected"], own["observed"], yerr=2 * own["error"].fillna(0), color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)], markersize=3.5, linewidth=1, elinewidth=0.8, label=answer,
        )  # fmt: skip
    axes.set_aspect("equal")
    fraction_axis(axes)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    return axes


def _of_question(table: pd.DataFrame, question: str) -> pd.DataFrame:
    rows = table[table["question"] == question]
    if rows.empty:
        known = ", ".join(dict.fromkeys(table["question"])) or "none"
        raise PosteriorError(f"the table has no rows of question '{question}'; its questions are: {known}")
    return rows
