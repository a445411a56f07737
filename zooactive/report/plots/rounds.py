"""Strategies side by side, round after round, and ways to spend clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooactive.foundation.errors import CatalogueError
from zooactive.report.plots.style import COLOURS, INK, MARKERS, dress

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_WORDS = {
    "labelled": "galaxies with votes",
    "clicks": "votes",
    "test_likelihood": "negative log-likelihood (nats a galaxy)",
    "test_accuracy": "accuracy",
    "test_first_accuracy": "accuracy, first question",
}


def strategy_curves(axes: Axes, curves: pd.DataFrame, *, cost: str = "labelled", merit: str = "test_likelihood") -> Axes:
    """Draw how good the model of each strategy is against what volunteers were asked, with 95% intervals.

    Parameters
    ----------
    axes : Axes
    curves : DataFrame
        Of `zooactive.loop.learning_curves`, with the same cost and merit.
    cost, merit : str

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    CatalogueError
        When a column is missing.
    """
    missing = [column for column in ("strategy", cost, merit, "low", "high") if column not in curves]
    if missing:
        raise CatalogueError(f"the learning curves have no column '{missing[0]}'; make them with the same cost and merit")
    for i, (name, curve) in enumerate(curves.groupby("strategy", sort=False)):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        dashes = (0, (4, 2)) if name == "random" else "-"
        axes.plot(
            curve[cost], curve[merit], color=colour, marker=marker, markersize=4, linewidth=1.5, linestyle=dashes,
            label=str(name).replace("_", " "),
        )  # fmt: skip
        axes.fill_between(curve[cost], curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
    dress(axes)
    axes.set_xlabel(_WORDS.get(cost, cost), fontsize=9, color=INK)
    axes.set_ylabel(_WORDS.get(merit, merit), fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False)
    return axes


def click_curves(axes: Axes, curves: pd.DataFrame) -> Axes:
    """Draw the error of the catalogue against clicks for each way to spend them, on logarithmic scales.

    Parameters
    ----------
    axes : Axes
    curves : DataFrame
        Columns ``way``, ``clicks`` (a galaxy) and ``error``; with ``low`` and ``high`` bands are drawn.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    CatalogueError
        When a column is missing.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    missing = [column for column in ("way", "clicks", "error") if column not in curves]
    if missing:
        raise CatalogueError(f"the curves have no column '{missing[0]}'; give the table of ClickCurves")
    for i, (name, curve) in enumerate(curves[curves["clicks"] > 0].groupby("way", sort=False)):
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(
            curve["clicks"], curve["error"], color=colour, marker=MARKERS[i % len(MARKERS)], markersize=4, label=str(name)
        )
        if {"low", "high"} <= set(curves.columns):
            axes.fill_between(curve["clicks"], curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
    dress(axes)
    for scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
        scale("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("clicks a galaxy", fontsize=9, color=INK)
    axes.set_ylabel("squared error of the fractions", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False)
    return axes
