"""Pictures of answers as classes: confusion matrix and ROC curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zooactive.foundation.errors import PosteriorError
from zooactive.report.plots.style import COLOURS, FAINT, INK, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zooactive.evaluation.classes import Estimate, QuestionMetrics

_DARK = 0.85
"""Share from which white ink has more contrast with the shade than dark ink."""
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


def confusion_matrix(axes: Axes, metrics: QuestionMetrics) -> Axes:
    """Draw how often each of the volunteers' answers (rows) was taken for which of the model's (columns).

    A cell's shade and percentage are its share of its row, so that the diagonal shows the recalls; the number of galaxies
    stands above it. The row of an answer that no galaxy has stays white.

    Parameters
    ----------
    axes : Axes
    metrics : QuestionMetrics

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    PosteriorError
        When the metrics are of no galaxy.
    """
    from matplotlib.colors import LinearSegmentedColormap

    _need_galaxies(metrics)
    counts = metrics.confusion
    rows = counts.sum(1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    shades = LinearSegmentedColormap.from_list("share of the row", ["white", COLOURS[0]])
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
    size = float(np.clip(50 / len(counts), 5, 9))
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        axes.text(
            column, row, f"{count:,}\n{share:.0%}" if count else "0", ha="center", va="center", fontsize=size,
            color="white" if share > _DARK else INK if count else FAINT,
        )  # fmt: skip
    names = [answer.answer for answer in metrics.answers]
    places = range(len(names))
    long = max(map(len, names)) > 6
    axes.set_xticks(
        places, names, rotation=35 if long else 0, ha="right" if long else "center", rotation_mode="anchor", parse_math=False
    )
    axes.set_yticks(places, names, parse_math=False)
    axes.tick_params(length=0, labelsize=8, labelcolor=INK)
    for side in axes.spines.values():
        side.set_color(FAINT)
    axes.set_xlabel("model", fontsize=9, color=INK)
    axes.set_ylabel("volunteers", fontsize=9, color=INK)
    return axes


def roc_curves(axes: Axes, metrics: QuestionMetrics) -> Axes:
    """Draw the ROC curve of each answer against the rest, with its area and 95% interval in the legend beneath.

    Of two answers both are drawn: their areas are equal, their curves each other's mirror image.

    Parameters
    ----------
    axes : Axes
    metrics : QuestionMetrics
        Answers that no galaxy has, or all have, have no curve.

    Returns
    -------
    Axes
        The same, with a dashed diagonal, where chance would lie.

    Raises
    ------
    PosteriorError
        When no answer has a curve.
    """
    from matplotlib.transforms import ScaledTranslation

    _need_galaxies(metrics)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=0, gid="diagonal")
    drawn = 0
    for i, answer in enumerate(metrics.answers):
        if answer.roc is None:
            continue
        axes.plot(
            answer.roc.false_positive_rate, answer.roc.true_positive_rate, color=COLOURS[i % len(COLOURS)], linewidth=1.6,
            linestyle=_DASHES[i % len(_DASHES)], label=f"{answer.answer}, AUC {_in_short(answer.auc)}", clip_on=False,
        )  # fmt: skip
        drawn += 1
    if not drawn:
        raise PosteriorError(
            f"all {metrics.galaxies} galaxies have the same answer to question '{metrics.question}', so that there is no "
            "ROC curve; give galaxies with different answers"
        )
    dress(axes)
    axes.set_aspect("equal")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("false positive rate", fontsize=9, color=INK)
    axes.set_ylabel("true positive rate", fontsize=9, color=INK)
    below = ScaledTranslation(0, -0.45, axes.figure.dpi_scale_trans)  # inches, whatever the layout does
    legend = axes.legend(
        fontsize=float(np.clip(56 / drawn, 6, 8)), frameon=False, loc="upper center", handlelength=2.6, labelspacing=0.35,
        bbox_to_anchor=(0.5, 0), bbox_transform=axes.transAxes + below, borderaxespad=0,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return axes


def _need_galaxies(metrics: QuestionMetrics) -> None:
    if metrics.galaxies == 0:
        raise PosteriorError(f"question '{metrics.question}' was measured on no galaxy; give galaxies of which it was asked")


def _in_short(area: Estimate) -> str:
    ends = "" if np.isnan(area.low) else f" ({area.low:.3f}–{area.high:.3f})"
    return f"{area.value:.3f}{ends}"
