"""Findings made from an evaluation: accuracy, what the fractions are worth, and whether the densities keep their word."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from zooactive.evaluation.fractions import bin_names
from zooactive.report.findings import fractions_finding, questions_finding
from zooactive.report.page import Finding, png
from zooactive.report.plots.calibration import coverage_dots, pit_bars, reliability_lines
from zooactive.report.plots.confusion import confusion_matrix
from zooactive.report.plots.style import INK, paper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zooactive.evaluation import Evaluation
    from zooactive.posterior import Posterior

_ACROSS = 3
"""Panels beside one another."""


def evaluation_findings(
    metrics: Evaluation, posterior: Posterior, votes: ArrayLike, *, uncalibrated: pd.DataFrame | None = None
) -> list[Finding]:
    """Show everything that an evaluation measured, in the order in which a reader asks.

    Parameters
    ----------
    metrics : Evaluation
    posterior : Posterior
        That was measured.
    votes : array_like, shape (galaxy, answer)
        Row-aligned with it.
    uncalibrated : DataFrame, optional
        The coverage without the model's factors, where it has some.
    """
    found = [
        questions_finding(metrics.questions),
        _confusions(metrics),
        fractions_finding(posterior, votes),
        _worth(metrics),
    ]
    found += [_reliability(metrics), _coverage(metrics, uncalibrated), _by_column(metrics)]
    return [finding for finding in found if finding is not None]


def _confusions(metrics: Evaluation) -> Finding | None:
    measured = [question for question in metrics.classification if question.galaxies]
    if not measured:
        return None

    def draw(axes: Axes, i: int) -> None:
        confusion_matrix(axes, measured[i])

    return Finding(
        "Which answer is taken for which",
        "Rows are the volunteers' commonest answers, columns the model's. A cell holds its number of galaxies and its "
        "share of the row, so that the diagonal shows how many of each answer's galaxies are found.",
        picture=png(_panels([question.question for question in measured], draw, side=3.1)),
        alt=f"Confusion matrices of {len(measured)} questions, volunteers' answers in rows and the model's in columns; "
        + "; ".join(f"{question.question}: {question.accuracy.value:.0%} on the diagonal" for question in measured)
        + ".",
    )


def _worth(metrics: Evaluation) -> Finding | None:
    measured = metrics.worth[metrics.worth["galaxies"] > 0].merge(metrics.confident.drop(columns="galaxies"), on="question")
    if measured.empty:
        return None
    table = measured[["question", "galaxies", "error"]].copy()
    ends = zip(measured["volunteers"], measured["volunteers_low"], measured["volunteers_high"], strict=True)
    table["as good as"] = [_people(value, low, high) for value, low, high in ends]
    table["accuracy"] = measured["accuracy"]
    table["galaxies agreed on"] = measured["confident"]
    table["accuracy there"] = measured["confident_accuracy"]
    return Finding(
        "As good as how many volunteers",
        "The observed fractions of a question are themselves off, by the chance of who happened to vote. With that taken "
        "away, the error is how far the model is from what very many volunteers would say, and it is as good as as many "
        "volunteers as would be off by that much.\n\nWhere volunteers are of two minds no answer can be right: the last "
        "columns count only galaxies on which more than 80% of them agree.",
        table=table,
        table_caption="For each question: galaxies really asked with two votes or more, the root mean square error of the "
        "expected fractions, the number of volunteers who would be off as far (95% interval), the accuracy, and the "
        "accuracy on galaxies that volunteers agree on.",
    )


def _reliability(metrics: Evaluation) -> Finding | None:
    questions = list(dict.fromkeys(metrics.reliability["question"]))
    if not questions:
        return None

    def draw(axes: Axes, i: int) -> None:
        reliability_lines(axes, metrics.reliability, questions[i])
        axes.set_xlabel("expected fraction", fontsize=8, color=INK)
        axes.set_ylabel("observed fraction", fontsize=8, color=INK)
        legend = axes.legend(fontsize=7, frameon=False, loc="upper left", handlelength=1.2, labelspacing=0.2)
        for text in legend.get_texts():
            text.set_parse_math(False)

    off = (metrics.reliability["observed"] - metrics.reliability["expected"]).abs()
    mean = float((off * metrics.reliability["galaxies"]).sum() / metrics.reliability["galaxies"].sum())
    return Finding(
        "Reliability",
        "Galaxies with about the same expected fraction are taken together: on the dashed line, volunteers gave the "
        f"answer as often as was expected. The mean distance from it is {mean:.3f}. Bars are two standard errors.",
        picture=png(_panels(questions, draw, side=2.5)),
        alt=f"Observed against expected vote fractions in bins, {len(questions)} panels; the mean distance from the "
        f"diagonal is {mean:.3f}.",
    )


def _coverage(metrics: Evaluation, uncalibrated: pd.DataFrame | None) -> Finding | None:
    measured = metrics.coverage[metrics.coverage["galaxies"] > 0]
    if measured.empty:
        return None
    levels = [str(name) for name in measured.columns if name not in ("question", "galaxies")]
    questions = list(dict.fromkeys(metrics.pit["question"]))
    across = min(_ACROSS, len(questions))
    down = math.ceil(len(questions) / across)
    top = 0.9 + 0.3 * len(measured)
    figure = paper(3.2 * across, top + 1.75 * down, layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(top, 1.75 * down))[:, 0]
    coverage_dots(above.subplots(), measured, uncalibrated)
    for axes, question in zip(below.subplots(down, across, squeeze=False).ravel(), questions, strict=False):
        pit_bars(axes, metrics.pit, question)
        axes.set_title(question, fontsize=9, color=INK, loc="left", parse_math=False)
    for axes in below.axes[len(questions) :]:
        axes.set_axis_off()
    table = measured[["question", "galaxies"]].copy()
    for level in levels:
        if uncalibrated is not None:
            table[f"{float(level):.0%} before"] = (
                uncalibrated.set_index("question")[level].reindex(measured["question"]).to_numpy()
            )
        table[f"{float(level):.0%} intervals hold"] = measured[level].to_numpy()
    off = ", ".join(f"{(measured[level] - float(level)).abs().mean():.3f} from {float(level):.0%}" for level in levels)
    before = "" if uncalibrated is None else " Open markers are the model without its factors, filled ones with them."
    return Finding(
        "Do the densities keep their word",
        "A 95% interval for the count of an answer should hold 95% of the counts. The mean distance over questions is "
        f"{off}.{before}\n\nBeneath, each count is put at its place within its own prediction, from 0 (fewer than ever "
        "expected) to 1 (more). Flat along the dashed line is right; a hump means densities that are too wide, high ends "
        "too narrow ones, a slope fractions that are off to one side.",
        picture=png(figure),
        alt=f"Above, the share of counts inside 50, 80 and 95% intervals for {len(measured)} questions; mean distances: "
        f"{off}. Beneath, histograms of the probability integral transform.",
        table=table,
        table_caption="For each question: galaxies with votes on it, and the share of counts inside intervals of each "
        "level.",
    )


def _by_column(metrics: Evaluation) -> Finding | None:
    measured = metrics.by_column[metrics.by_column["galaxies"] > 0]
    if measured.empty:
        return None
    columns = list(dict.fromkeys(measured["column"]))
    table = measured.assign(column=bin_names(measured))
    return Finding(
        f"By {' and '.join(columns)}",
        "The same galaxies in bins of about equal numbers. The commonest answer's accuracy changes too from bin to bin: "
        "compare with it.",
        table=table[["column", "question", "galaxies", "accuracy", "baseline", "deviation"]].rename(
            columns={"column": "galaxies with", "baseline": "commonest answer", "deviation": "mean deviation"}
        ),
        table_caption="For each bin and question: galaxies really asked, accuracy, the accuracy of always giving the bin's "
        "commonest answer, and the mean absolute deviation of the vote fractions.",
    )


def _panels(titles: Sequence[str], draw: Callable[[Axes, int], None], *, side: float) -> Figure:
    """A panel for each title, side by side and in rows; `side` in inches."""
    across = min(_ACROSS, len(titles))
    down = math.ceil(len(titles) / across)
    figure = paper(side * 1.15 * across, side * 1.1 * down, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for i, axes in enumerate(panels):
        if i < len(titles):
            draw(axes, i)
            axes.set_title(titles[i], fontsize=9, color=INK, loc="left", parse_math=False)
        else:
            axes.set_axis_off()
    return figure


def _people(value: float, low: float, high: float) -> str:
    """A number of volunteers and its interval, either of which may be infinite; of a single galaxy nothing is said."""
    if math.isfinite(value) and math.isnan(low):
        return "-"
    if not math.isfinite(value):
        return f"more than {low:.0f}" if math.isfinite(low) else "more than can be told"
    top = f"{high:.0f}" if math.isfinite(high) else "any number"
    return f"{value:.1f} ({low:.1f} to {top})" if value < 10 else f"{value:.0f} ({low:.0f} to {top})"
