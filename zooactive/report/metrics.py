"""Findings made from an evaluation: accuracy, what the fractions are worth, and whether the densities keep their word."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from zooactive.evaluation.fractions import bin_names
from zooactive.report.findings import fractions_finding, questions_finding
from zooactive.report.page import Finding, png
from zooactive.report.plots.calibration import FEWEST_IN_BIN, coverage_dots, pit_bars, reliability_lines
from zooactive.report.plots.confusion import confusion_matrix
from zooactive.report.plots.style import INK, paper, short_name
from zooactive.report.words import FEWEST, too_few, with_short_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zooactive.evaluation import Evaluation
    from zooactive.posterior import Posterior
    from zooactive.tree import DecisionTree

_ACROSS = 3
"""Panels beside one another."""


def evaluation_findings(
    metrics: Evaluation, posterior: Posterior, votes: ArrayLike, *, uncalibrated: pd.DataFrame | None = None
) -> list[Finding]:
    """Show everything that an evaluation measured, in the order in which a reader asks.

    A question has a panel of its own where enough galaxies were asked it, and its name in a line where there were fewer.

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
    tree = posterior.tree
    labels = tree.votes == "class"
    metrics = _named_shortly(metrics, tree)
    before = None if uncalibrated is None else with_short_names(uncalibrated, tree)
    first = questions_finding(metrics.questions, labels=labels)
    found = [
        replace(first, text=f"{first.text}\n\n{_likelihood(metrics, labels=labels)}"),
        _confusions(metrics, labels=labels),
        fractions_finding(posterior, votes, labels=labels),
        _worth(metrics),
    ]
    found += [_reliability(metrics), _coverage(metrics, before), _by_column(metrics)]
    return [finding for finding in found if finding is not None]


def _named_shortly(metrics: Evaluation, tree: DecisionTree) -> Evaluation:
    """Return an evaluation whose questions have the names that the whole report gives them."""
    tables = ("questions", "coverage", "pit", "worth", "confident", "reliability", "by_column")
    named: dict[str, Any] = {name: with_short_names(getattr(metrics, name), tree) for name in tables}
    return replace(
        metrics,
        classification=tuple(replace(one, question=short_name(tree, one.question)) for one in metrics.classification),
        **named,
    )


def _likelihood(metrics: Evaluation, *, labels: bool) -> str:
    whole = "label" if labels else "all votes on a galaxy"
    return (
        f"The mean negative log-likelihood of {'a' if labels else 'the tree of'} {whole} is {metrics.likelihood:.2f} nats; "
        f"that of a model that sees no image is {metrics.constant_likelihood:.2f}. Less is better."
    )


def _confusions(metrics: Evaluation, *, labels: bool) -> Finding | None:
    measured = [question for question in metrics.classification if question.galaxies >= FEWEST]
    few = [(question.question, question.galaxies) for question in metrics.classification if question.galaxies < FEWEST]
    if not measured:
        return None

    def draw(axes: Axes, i: int) -> None:
        confusion_matrix(axes, measured[i])
        if labels:
            axes.set_ylabel("label", fontsize=9, color=INK)

    whose = "true labels" if labels else "volunteers' most common answers"
    return Finding(
        "Which answers are confused",
        f"Rows are the {whose}, columns the model's most likely ones. Each cell has its number of galaxies and its share of "
        f"the row, so the diagonal shows how many galaxies of each answer are found.\n\n{too_few(few)}",
        picture=png(_panels([question.question for question in measured], draw, side=3.1)),
        alt=f"Confusion matrices of {len(measured)} questions, {whose} in rows and the model's in columns; "
        + "; ".join(f"{question.question}: {question.accuracy.value:.0%} on the diagonal" for question in measured)
        + ".",
    )


def _worth(metrics: Evaluation) -> Finding | None:
    measured = metrics.worth[metrics.worth["galaxies"] > 0].merge(metrics.confident.drop(columns="galaxies"), on="question")
    if measured.empty:
        return None
    table = measured[["question", "galaxies", "error"]].copy()
    ends = zip(measured["volunteers"], measured["volunteers_low"], measured["volunteers_high"], strict=True)
    table["equals the votes of"] = [_people(value, low, high) for value, low, high in ends]
    table["accuracy"] = measured["accuracy"]
    table["galaxies agreed on"] = measured["confident"]
    table["accuracy there"] = measured["confident_accuracy"]
    return Finding(
        "How many volunteers the model equals",
        "The votes of a few volunteers are off as well, by the chance of who happened to vote. The table gives the model's "
        "error against what very many volunteers would say, and how many volunteers' votes have the same error.\n\n"
        "Where volunteers disagree, no answer can be right. The last two columns count only the galaxies on which more than "
        "80% of the volunteers agree.",
        table=table,
        table_caption="For each question: galaxies that were asked it and have two votes or more, the root mean square "
        "error of the expected fractions, the number of volunteers whose votes have the same error (95% interval), the "
        "accuracy, and the accuracy on galaxies that volunteers agree on.",
    )


def _reliability(metrics: Evaluation) -> Finding | None:
    counts = metrics.questions.set_index("question")["galaxies"]
    known = list(dict.fromkeys(metrics.reliability["question"]))
    filled = set(metrics.reliability.loc[metrics.reliability["galaxies"] >= FEWEST_IN_BIN, "question"])
    questions = [name for name in known if counts[name] >= FEWEST and name in filled]
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
    left = ", ".join(f"{name} ({counts[name]:,})" for name in known if name not in questions)
    few = f"Too few galaxies for a panel, or for any one bin of it, so not drawn: {left}." if left else ""
    return Finding(
        "Are the expected fractions right on average?",
        "Galaxies with about the same expected fraction are taken together. On the dashed line, the answer was given as "
        f"often as expected. The mean distance from the line is {mean:.3f}. Bars are two standard errors.\n\n{few}",
        picture=png(_panels(questions, draw, side=2.5)),
        alt=f"Observed against expected fractions in bins; panels: {', '.join(questions)}. The mean distance from the "
        f"diagonal is {mean:.3f}.",
    )


def _coverage(metrics: Evaluation, uncalibrated: pd.DataFrame | None) -> Finding | None:
    measured = metrics.coverage[metrics.coverage["galaxies"] > 0]
    if measured.empty:
        return None
    levels = [str(name) for name in measured.columns if name not in ("question", "galaxies")]
    drawn = measured[measured["galaxies"] >= FEWEST]
    table = measured[["question", "galaxies"]].copy()
    for level in levels:
        if uncalibrated is not None:
            table[f"{float(level):.0%} before"] = (
                uncalibrated.set_index("question")[level].reindex(measured["question"]).to_numpy()
            )
        table[f"{float(level):.0%} intervals hold"] = measured[level].to_numpy()
    off = ", ".join(f"{(measured[level] - float(level)).abs().mean():.3f} from {float(level):.0%}" for level in levels)
    before = "" if uncalibrated is None else " Open markers are the model without its factors, filled ones with them."
    few = too_few(
        (str(question), int(galaxies))
        for question, galaxies in zip(measured["question"], measured["galaxies"], strict=True)
        if galaxies < FEWEST
    )
    return Finding(
        "Are the intervals wide enough?",
        "A 95% interval for the number of votes on an answer should hold 95% of the numbers. The mean distance over "
        f"questions is {off}.{before}\n\nThe histograms put each number of votes at its place within its own prediction, "
        "from 0 (fewer than ever expected) to 1 (more than ever expected). Flat along the dashed line is right. A hump in "
        "the middle means that the densities are too wide, high ends that they are too narrow, and a slope that fractions "
        f"are expected too high or too low.\n\n{few}",
        picture=png(_coverage_figure(drawn, metrics.pit, uncalibrated)) if len(drawn) else None,
        alt=f"Above, the share of counts inside 50, 80 and 95% intervals for {len(drawn)} questions; mean distances: "
        f"{off}. Below, histograms of the probability integral transform.",
        table=table,
        table_caption="For each question: galaxies with votes on it, and the share of counts inside intervals of each "
        "level.",
    )


def _coverage_figure(measured: pd.DataFrame, pit: pd.DataFrame, uncalibrated: pd.DataFrame | None) -> Figure:
    questions = [name for name in dict.fromkeys(pit["question"]) if name in set(measured["question"])]
    across = min(_ACROSS, len(questions))
    down = math.ceil(len(questions) / across)
    top = 0.9 + 0.3 * len(measured)
    figure = paper(3.2 * across, top + 1.75 * down, layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(top, 1.75 * down))[:, 0]
    coverage_dots(above.subplots(), measured, uncalibrated)
    for axes, question in zip(below.subplots(down, across, squeeze=False).ravel(), questions, strict=False):
        pit_bars(axes, pit, question)
        axes.set_title(question, fontsize=9, color=INK, loc="left", parse_math=False)
    for axes in below.axes[len(questions) :]:
        axes.set_axis_off()
    return figure


def _by_column(metrics: Evaluation) -> Finding | None:
    measured = metrics.by_column[metrics.by_column["galaxies"] > 0]
    if measured.empty:
        return None
    columns = list(dict.fromkeys(measured["column"]))
    table = measured.assign(column=bin_names(measured))
    return Finding(
        f"Accuracy by {' and '.join(columns)}",
        "The same galaxies in bins of about equal numbers. The accuracy of guessing changes from bin to bin as well, so "
        "compare with it.",
        table=table[["column", "question", "galaxies", "accuracy", "baseline", "deviation"]].rename(
            columns={"column": "galaxies with", "baseline": "guessing", "deviation": "mean error"}
        ),
        table_caption="For each bin and question: galaxies that were asked, accuracy, the accuracy of always giving the "
        "bin's most common answer, and the mean absolute error of the fractions.",
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
