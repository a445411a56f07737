"""Findings made from results: vote fractions, a training, a task, a table of questions, images that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.evaluation.asked import really_asked
from zooactive.evaluation.fractions import vote_fractions
from zooactive.foundation.errors import CatalogueError
from zooactive.report.galaxies import need, thumbnail
from zooactive.report.page import Finding, Gallery, Tile, png
from zooactive.report.plots.curves import probability_histogram, training_curves
from zooactive.report.plots.fractions import observed_against_predicted
from zooactive.report.plots.numbers import numbers_scatter
from zooactive.report.plots.style import paper, short_name
from zooactive.report.verdict import judge
from zooactive.report.words import FEWEST, counted, too_few

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.posterior import Posterior


def failures_finding(failures: pd.DataFrame, *, limit: int = 50) -> Finding:
    """List the galaxies whose images could not be read.

    Parameters
    ----------
    failures : DataFrame
        Columns id and reason; others are left out.
    limit : int
        How many are listed at most.

    Raises
    ------
    CatalogueError
        When a column is missing.
    """
    need(failures, ("id", "reason"), "table of failures")
    more = f" The first {limit} are listed." if len(failures) > limit else ""
    return Finding(
        "Images that cannot be read",
        f"The images of {counted(len(failures))} could not be read. Nothing is known of these galaxies, and they are never "
        f"chosen.{more}",
        table=failures[["id", "reason"]].head(limit).astype(str).reset_index(drop=True),
        table_caption="Galaxies without a readable image, and why.",
    )


def fractions_finding(posterior: Posterior, votes: ArrayLike, *, labels: bool = False) -> Finding:
    """Show the volunteers' vote fractions against the predicted ones, a panel for each question asked of enough galaxies.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Counts, rows as the posterior's ids.
    labels : bool
        Whether these are labels and not volunteers' votes.
    """
    title, counts, tree = "Predicted and observed fractions", np.asarray(votes, dtype=float), posterior.tree
    asked = really_asked(counts, tree)
    whose = "labels" if labels else "volunteers"
    if not asked.any():
        return Finding(title, "No question was answered by at least half of the volunteers of any of these galaxies.")
    number = asked.sum(0)
    enough = [question.name for question, n in zip(tree.questions, number, strict=True) if n >= FEWEST]
    names = [short_name(tree, question.name) for question in tree.questions]
    few = [(name, int(n)) for name, n in zip(names, number, strict=True) if n < FEWEST]
    chosen = asked[:, tree.question_index]
    difference = (vote_fractions(counts, tree) - posterior.mean())[chosen]
    rms, galaxies = math.sqrt(np.mean(difference**2)), int(asked.any(1).sum())
    text = (
        f"Each point is one galaxy's fraction of an answer. On the dashed line the {whose} gave what the model expected. "
        f"Over {counted(galaxies)} the root mean square difference is {rms:.3f}. A part of it is chance: other volunteers "
        "would have voted a little differently. A galaxy counts for a question if at least half of its volunteers reached "
        f"the question.\n\n{too_few(few)}"
    )
    if not enough:
        return Finding(title, text)
    return Finding(
        title,
        text,
        picture=png(observed_against_predicted(posterior, counts, questions=enough)),
        alt=f"Scatter of observed against predicted vote fractions in {len(enough)} panels, one a question, with the "
        f"diagonal; the root mean square distance from it is {rms:.3f}.",
    )


def training_finding(history: pd.DataFrame) -> Finding:
    """Show the losses of a training.

    Parameters
    ----------
    history : DataFrame
        Columns epoch, loss and, where a validation set was given, val_loss.
    """
    last = float(history["loss"].iloc[-1])
    epochs = f"{len(history)} epoch{'' if len(history) == 1 else 's'}"
    text = f"The model was trained for {epochs}. The last training loss is {last:.3f}."
    if "val_loss" in history and history["val_loss"].notna().any():
        best = int(np.nanargmin(history["val_loss"].to_numpy(dtype=float)))
        lowest = float(history["val_loss"].iloc[best])
        text += f" The validation loss is lowest after epoch {best + 1}, at {lowest:.3f}. Those weights are kept."
    if len(history) < _FEWEST_EPOCHS:
        return Finding("How the training went", text)
    figure = paper(5.2, 3.2, layout="constrained")
    training_curves(figure.subplots(), history)
    return Finding("How the training went", text, picture=png(figure), alt=f"Loss against epoch. {text}")


def task_finding(
    name: str,
    metrics: Mapping[str, float],
    table: pd.DataFrame,
    pixels: Mapping[str, NDArray[np.uint8]],
    *,
    answer: str,
) -> Finding:
    """Show how well a task's answer was learnt, and its surest and least sure galaxies.

    Parameters
    ----------
    name : str
        The task, e.g. "rings".
    metrics : mapping of str to float
        "galaxies" is the number of held-out galaxies that they rest on (else the rows with a truth are counted);
        anything else is put in words with its value and, where ``NAME_low`` and ``NAME_high`` are there too, its interval;
        what is not finite is left out.
    table : DataFrame
        Columns id, `answer` (its probability) and, if known, truth: the share of labels that give the answer, blank
        where unknown.
    pixels : mapping of str to uint8 array, shape (size, size, channels)
    answer : str
        The column of the answer that the task is about.

    Raises
    ------
    CatalogueError
        When a column is missing, or `table` is empty.
    """
    need(table, ("id", answer), f"table of task '{name}'")
    if table.empty:
        raise CatalogueError(f"the table of task '{name}' has no galaxy; give at least one")
    probability = table[answer].to_numpy(dtype=float)
    truth = table["truth"].to_numpy(dtype=float) if "truth" in table else np.full(len(table), np.nan)
    known = np.isfinite(truth)
    galaxies = int(metrics.get("galaxies", known.sum()))
    said = ": ".join(answer.rsplit("_", 1))
    picture, alt = None, ""
    if known.any():
        figure = paper(5.2, 3.2, layout="constrained")
        probability_histogram(figure.subplots(), probability[known], truth[known] > 0.5)
        picture = png(figure)
        alt = f"Histogram of the probability of {said}, for the galaxies with this label and for the others."
    each = min(6, max(1, len(table) // 3))
    surest = np.argsort(-probability, kind="stable")
    unsure = np.argsort(np.abs(probability - 0.5), kind="stable")
    order = ((f"Most likely {said}", surest), (f"Least likely {said}", surest[::-1]), ("Least certain", unsure))
    ids = table["id"].astype(str).tolist()
    galleries = tuple(
        Gallery(heading, tuple(_task_tile(ids[i], probability[i], truth[i], pixels) for i in rows[:each]))
        for heading, rows in order
    )
    return Finding(f"Task: {name}", _in_words(metrics, galaxies), picture=picture, alt=alt, galleries=galleries)


def number_finding(
    name: str,
    metrics: Mapping[str, float],
    held_out: pd.DataFrame,
    pixels: Mapping[str, NDArray[np.uint8]],
    *,
    redshift: bool = False,
) -> Finding:
    """Show how well a number was learnt, and the galaxies whose labels are furthest from what was expected.

    Parameters
    ----------
    name : str
        The task, e.g. "stellar_mass".
    metrics : mapping of str to float
        What `zooactive.training.finetuning.finetuned_numbers.FinetunedNumbers.evaluate` returns.
    held_out : DataFrame
        Columns id, label, mean, deviation, low_80, high_80 and, where some labels are limits, limit (blank for the others).
    pixels : mapping of str to uint8 array, shape (size, size, channels)
        Pictures by id; without any, no galaxies are shown.
    redshift : bool
        Whether bias, scatter and outliers are of differences divided by 1 + z.

    Raises
    ------
    CatalogueError
        When a column is missing.
    """
    title = f"Task: {name}, a number"
    need(held_out, ("id", "label", "mean", "deviation", "low_80", "high_80"), f"table of task '{name}'")
    known = held_out[held_out["limit"] == ""] if "limit" in held_out else held_out
    galaxies = int(metrics["galaxies"])
    if not galaxies or known.empty:
        return Finding(title, "No galaxy with a known number was held out, so nothing is measured here.")
    figure = paper(4.4, 4.0, layout="constrained")
    numbers_scatter(figure.subplots(), known["label"], known["mean"], known[["low_80", "high_80"]].to_numpy(), name=name)
    off = (known["mean"] - known["label"]).abs() / known["deviation"]
    worst = known.loc[off.sort_values(ascending=False, kind="stable").index[:6]]
    tiles = [_number_tile(row, name, pixels) for row in worst.to_dict("records")]
    return Finding(
        title,
        f"Each point is one of {counted(galaxies)} that the model did not learn from, and each line is the interval that "
        f"should hold its label with a probability of 80%. It holds {metrics['coverage_80']:.0%} of the labels. On the "
        f"dashed line the model expected just the label. The root mean square error is {metrics['rmse']:.3g}, where always "
        f"predicting the mean has {metrics['baseline_rmse']:.3g}.",
        picture=png(figure),
        alt=f"Scatter of the expected {name} against the labels of {counted(galaxies)}, with the diagonal; the root mean "
        f"square distance from it is {metrics['rmse']:.3g}.",
        table=_number_table(metrics, redshift),
        table_caption=f"In the unit of {name}, with 95% intervals over galaxies.",
        galleries=(Gallery("Furthest from what was expected: is the label right?", tuple(tiles)),) if pixels else (),
    )


def questions_finding(question_table: pd.DataFrame, *, labels: bool = False) -> Finding:
    """Show the accuracy of each question beside that of guessing, one row a question.

    Parameters
    ----------
    question_table : DataFrame
        Columns question, galaxies, accuracy, baseline, mean_deviation, as `zooactive.evaluation.question_table` returns it.
    labels : bool
        Whether the answers are labels and not volunteers' votes.
    """
    need(question_table, ("question", "galaxies", "accuracy", "baseline"), "table of questions")
    measured = question_table[question_table["galaxies"] > 0]
    missing = question_table.loc[question_table["galaxies"] == 0, "question"]
    shown = measured[["question", "galaxies", "accuracy"]].copy()
    if {"accuracy_low", "accuracy_high"} <= set(question_table.columns):
        ends = zip(measured["accuracy_low"], measured["accuracy_high"], strict=True)
        shown["95% interval"] = [f"{low:.3f} to {high:.3f}" if low == low else "–" for low, high in ends]
    names = {"baseline": "guessing", "mean_deviation": "mean error", "macro_f1": "F1", "auc": "AUC"}
    for column, name in names.items():
        if column in question_table:
            shown[name] = measured[column]
    truth = "the galaxy's label" if labels else "the one that most volunteers gave"
    nobody = f" No test galaxy was asked: {', '.join(missing)}." if len(missing) else ""
    return Finding(
        "How often the model is right",
        f"A prediction counts as correct if its most likely answer is {truth}. {judge(question_table).told}{nobody}",
        table=shown if len(shown) else None,
        table_caption="For each question: galaxies that were asked, the share that the model gets right, the share that "
        "guessing gets right, the mean absolute error of the fractions, and the mean F1 and area under the ROC curve of its "
        "answers, where these were measured.",
    )


_FEWEST_EPOCHS = 3
"""Of which a picture shows more than a sentence."""

_OF_NUMBERS = {
    "r2": "explained share of the variance (R²)",
    "rmse": "root mean square error",
    "baseline_rmse": "the same, if the mean is always predicted",
    "mean_absolute_error": "mean absolute error",
    "bias": "bias: expected less labelled, mean",
    "scatter": "scatter (sigma_NMAD)",
    "outlier_fraction": "share of outliers",
    "coverage_50": "labels inside intervals of 50%",
    "coverage_80": "labels inside intervals of 80%",
    "coverage_95": "labels inside intervals of 95%",
    "log_density": "log density of the labels, mean",
    "limits": "labels that are limits",
    "limits_kept": "of them on the right side",
}
_SHARES = ("outlier_fraction", "coverage_50", "coverage_80", "coverage_95", "limits_kept")

_MEASURES = {
    "auc": "the area under the ROC curve",
    "macro_f1": "the mean F1 of the answers",
    "mean_error": "the mean error of the fraction",
    "baseline_error": "the mean error of always predicting the mean",
}


# Inside -----------------------------------------------------------------------------------------------------------------


def _task_tile(galaxy_id: str, probability: float, truth: float, pixels: Mapping[str, NDArray[np.uint8]]) -> Tile:
    lines = [f"probability {probability:.3f}"]
    if math.isfinite(truth):
        lines += [f"labelled {'yes' if truth else 'no'}" if truth in (0, 1) else f"share of its labels {truth:.2f}"]
    return Tile(galaxy_id, f"Cutout of galaxy {galaxy_id}", thumbnail(pixels.get(galaxy_id)), tuple(lines))


def _number_tile(row: Mapping[Any, Any], name: str, pixels: Mapping[str, NDArray[np.uint8]]) -> Tile:
    galaxy = str(row["id"])
    lines = (f"labelled {row['label']:.4g}", f"{name} {row['mean']:.4g} ± {row['deviation']:.2g} expected")
    return Tile(galaxy, f"Cutout of galaxy {galaxy}", thumbnail(pixels.get(galaxy)), lines)


def _number_table(metrics: Mapping[str, float], redshift: bool) -> pd.DataFrame:
    """Return the measures of a number in words, each with its interval."""
    import pandas as pd

    rows = []
    for key, told in _OF_NUMBERS.items():
        value, low, high = (float(metrics.get(f"{key}{end}", math.nan)) for end in ("", "_low", "_high"))
        if not math.isfinite(value):
            continue
        as_text = "{:.1%}" if key in _SHARES else "{:.0f}" if key == "limits" else "{:.3g}"
        divided = ", of differences / (1 + z)" if redshift and key in ("bias", "scatter", "outlier_fraction") else ""
        interval = f"{as_text.format(low)} to {as_text.format(high)}" if math.isfinite(low + high) else ""
        rows.append({"measure": told + divided, "value": as_text.format(value), "95% interval": interval})
    return pd.DataFrame(rows)


def _in_words(metrics: Mapping[str, float], galaxies: int) -> str:
    if not galaxies:
        return "No galaxy with a known label was held out, so nothing is measured here."
    known = {key: float(value) for key, value in metrics.items() if math.isfinite(value) and key != "galaxies"}
    ends = {f"{key}{end}" for key in known for end in ("_low", "_high")}
    said = [_measure_in_words(key, value, known) for key, value in known.items() if key not in ends]
    measured = "; ".join(said) or "nothing can be measured"
    return f"On {counted(galaxies)} that the model did not learn from: {measured}."


def _measure_in_words(name: str, value: float, known: Mapping[str, float]) -> str:
    """Return one measure in words, with its 95% interval where that is known."""
    shares = {
        "accuracy": "{} of the labels are predicted correctly",
        "baseline": "always giving the most common label would be right for {}",
        "purity": "at that prevalence, {} of the galaxies called so would be so",
        "completeness": "{} of the galaxies that are so would be found",
    }
    shown = shares.get(name, f"{_MEASURES.get(name, name.replace('_', ' '))} is {{}}")
    number = f"{100 * value:.1f}%" if name in shares else f"{value:.3f}"
    low, high = known.get(f"{name}_low"), known.get(f"{name}_high")
    if low is None or high is None:
        return shown.format(number)
    ends = f"{100 * low:.1f} to {100 * high:.1f}" if name in shares else f"{low:.3f} to {high:.3f}"
    return f"{shown.format(number)} (95% interval {ends})"
