"""Findings made from results: a selection, one galaxy, vote fractions, a training, a task, a table of questions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.catalogue.images import encode_png
from zooactive.evaluation.asked import really_asked
from zooactive.evaluation.fractions import vote_fractions
from zooactive.foundation.errors import CatalogueError
from zooactive.report.page import Finding, Gallery, Tile, png
from zooactive.report.plots.curves import probability_histogram, training_curves
from zooactive.report.plots.decision_tree import decision_tree, tree_size
from zooactive.report.plots.fractions import observed_against_predicted
from zooactive.report.plots.galaxies import galaxy_posteriors
from zooactive.report.plots.style import paper

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.posterior import Posterior

_TILE = 160
"""Pixels a side that a cutout is shrunk to on the page, where it is about 140 wide."""


def acquired_gallery(
    selection: pd.DataFrame,
    pixels: Mapping[str, NDArray[np.uint8]],
    *,
    links: Mapping[str, Mapping[str, str]] | None = None,
    limit: int = 24,
) -> Finding:
    """Show the galaxies of a selection, the acquired and the random ones apart.

    Parameters
    ----------
    selection : DataFrame
        Columns id, score, rank, arm ("acquired" or "random"), inclusion_probability and, where it is known, question, as
        `zooactive.acquire` returns it.
    pixels : mapping of str to uint8 array, shape (size, size, channels)
        Cutouts by id; a galaxy without one is named all the same.
    links : mapping of str to mapping of str to str, optional
        By id: names of sky viewers, and the addresses at which they show the galaxy.
    limit : int
        How many galaxies are shown at most; up to a quarter of them from the random arm.

    Raises
    ------
    CatalogueError
        When a column is missing.
    """
    _need(selection, ("id", "score", "rank", "arm", "inclusion_probability"), "selection")
    ordered = selection.sort_values("rank", kind="stable")
    acquired, random = (ordered[ordered["arm"] == arm] for arm in ("acquired", "random"))
    from_random = min(len(random), max(limit // 4, limit - len(acquired)))
    shown = (("Acquired", acquired.head(limit - from_random)), ("At random", random.head(from_random)))
    galleries = tuple(
        Gallery(
            f"{name}: {_first(len(rows), whole)}", tuple(_selected_tile(row, pixels, links or {}) for row in _rows(rows))
        )
        for (name, rows), whole in zip(shown, (len(acquired), len(random)), strict=True)
        if len(rows)
    )
    were = "was" if len(acquired) == 1 else "were"
    text = f"{_galaxies(len(acquired))} {were} chosen for what volunteers' answers would tell the model"
    if len(random):
        text += f", and {len(random):,} drawn at random from the whole pool, so that later measurements stay unbiased"
    return Finding(
        "The galaxies to show next",
        f"{text}.\n\nThe score is what the votes on a galaxy should tell, in nats where it is a mutual information; "
        "inclusion is the probability with which a galaxy of this score enters the selection. Below it stands the question "
        "whose votes should tell most, and its share of what all votes on the galaxy should tell.",
        galleries=galleries,
    )


def galaxy_finding(
    posterior: Posterior, galaxy_id: str, pixels: Mapping[str, NDArray[np.uint8]], votes: ArrayLike | None = None
) -> Finding:
    """Show one galaxy: its cutout, the densities of its vote fractions, and their numbers.

    Parameters
    ----------
    posterior : Posterior
    galaxy_id : str
    pixels : mapping of str to uint8 array, shape (size, size, channels)
        Cutouts by id; without this galaxy's only the densities are drawn.
    votes : array_like, shape (answer,), optional
        This galaxy's votes.
    """
    import pandas as pd

    one, tree = posterior.select([galaxy_id]), posterior.tree
    figure = galaxy_posteriors(one, galaxy_id, image=pixels.get(galaxy_id), votes=votes)
    mean, interval, asked = one.mean()[0], one.interval(0.9)[0], one.asked()[0]
    counts = np.zeros(len(tree.columns)) if votes is None else np.asarray(votes, dtype=float)
    rows, said = [], []
    for question, where, reached in zip(tree.questions, tree.slices, asked, strict=True):
        if reached < 0.5:
            continue
        name = question.name.removesuffix(tree.suffix)
        total = counts[where].sum()
        for answer, i in zip(question.answers, range(where.start, where.stop), strict=True):
            row: dict[str, Any] = {"question": name, "answer": answer, "expected fraction": mean[i]}
            row |= {"90% from": interval[i, 0], "to": interval[i, 1]}
            rows.append(row | ({"volunteers": counts[i] / total if total else math.nan} if votes is not None else {}))
        likeliest = int(mean[where].argmax())
        said.append(f"{name}: {question.answers[likeliest]} ({mean[where][likeliest]:.2f})")
    drawn = "The cutout of the galaxy, then for" if galaxy_id in pixels else "For"
    marks = " with the volunteers' fractions marked by rings" if votes is not None else ""
    return Finding(
        f"Galaxy {galaxy_id}",
        f"What most volunteers are expected to answer, with the expected fraction: {'; '.join(said)}.\n\n"
        f"The humps show where each fraction lies and how surely{marks and ', the rings what the volunteers said'}; "
        "questions that most volunteers would not reach are grey.",
        picture=png(figure),
        alt=f"{drawn} each of {len(tree.questions)} questions the posterior density of every answer's vote fraction{marks}. "
        "The table gives the numbers.",
        table=pd.DataFrame(rows),
        table_caption="Expected vote fractions of the questions that most volunteers reach, with 90% credible intervals.",
    )


def tree_finding(posterior: Posterior, galaxy_id: str, votes: ArrayLike | None = None) -> Finding:
    """Show the decision tree with one galaxy's probabilities on its branches.

    Parameters
    ----------
    posterior : Posterior
    galaxy_id : str
    votes : array_like, shape (answer,), optional
        This galaxy's votes.
    """
    one, tree = posterior.select([galaxy_id]), posterior.tree
    figure = paper(*tree_size(tree))
    decision_tree(figure.add_axes((0, 0, 1, 1)), one, galaxy_id, votes)
    mean, asked = one.mean()[0], one.asked()[0]
    spoken = [
        f"{question.name.removesuffix(tree.suffix)}, reached by {asked[q]:.0%}: "
        + ", ".join(
            f"{answer} {mean[a]:.2f}" for answer, a in zip(question.answers, range(where.start, where.stop), strict=True)
        )
        for q, (question, where) in enumerate(zip(tree.questions, tree.slices, strict=True))
    ]
    marks = " Upright marks are what the volunteers answered." if votes is not None else ""
    return Finding(
        f"The decision tree of galaxy {galaxy_id}",
        "Each box is a question, with the share of all volunteers expected to reach it; branches are as wide as the share "
        f"who take them. What less than one in ten would reach is grey.{marks}",
        picture=png(figure),
        alt=f"Decision tree. {'; '.join(spoken)}.",
    )


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
    _need(failures, ("id", "reason"), "table of failures")
    more = f", of which the first {limit} are listed" if len(failures) > limit else ""
    return Finding(
        "Images that cannot be read",
        f"{_galaxies(len(failures))} could not be looked at{more}; nothing is known of them, and they are never chosen.",
        table=failures[["id", "reason"]].head(limit).astype(str).reset_index(drop=True),
        table_caption="Galaxies without a readable image, and why.",
    )


def fractions_finding(posterior: Posterior, votes: ArrayLike) -> Finding:
    """Show the volunteers' vote fractions against the predicted ones.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Counts, rows as the posterior's ids.
    """
    title, counts = "Observed and predicted vote fractions", np.asarray(votes, dtype=float)
    asked = really_asked(counts, posterior.tree)
    if not asked.any():
        return Finding(title, "No question was answered by at least half of the volunteers of any of these galaxies.")
    figure = observed_against_predicted(posterior, counts)
    chosen = asked[:, posterior.tree.question_index]
    difference = (vote_fractions(counts, posterior.tree) - posterior.mean())[chosen]
    rms, galaxies, panels = math.sqrt(np.mean(difference**2)), int(asked.any(1).sum()), int(asked.any(0).sum())
    return Finding(
        title,
        f"Each point is one galaxy's fraction of an answer. On the dashed line the volunteers said what the model expected. "
        f"Over {galaxies:,} galaxies the root mean square difference is {rms:.3f}, of which a part is the chance of who "
        "happened to vote. Only galaxies of which a question was really asked are counted: at least half of their "
        "volunteers reached it.",
        picture=png(figure),
        alt=f"Scatter of observed against predicted vote fractions in {panels} panels, one a question, with the diagonal; "
        f"the root mean square distance from it is {rms:.3f}.",
    )


def training_finding(history: pd.DataFrame) -> Finding:
    """Show the losses of a training.

    Parameters
    ----------
    history : DataFrame
        Columns epoch, loss and, where a validation set was given, val_loss.
    """
    figure = paper(5.2, 3.2, layout="constrained")
    training_curves(figure.subplots(), history)
    last = float(history["loss"].iloc[-1])
    text = f"{len(history)} epoch{'' if len(history) == 1 else 's'}; the last training loss is {last:.3f}."
    if "val_loss" in history and history["val_loss"].notna().any():
        best = int(np.nanargmin(history["val_loss"].to_numpy(dtype=float)))
        lowest = float(history["val_loss"].iloc[best])
        text += f" The validation loss is lowest after {best + 1} of them, at {lowest:.3f}."
    return Finding("Training", text, picture=png(figure), alt=f"Loss against epoch. {text}")


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
    _need(table, ("id", answer), f"table of task '{name}'")
    if table.empty:
        raise CatalogueError(f"the table of task '{name}' has no galaxy; give at least one")
    probability = table[answer].to_numpy(dtype=float)
    truth = table["truth"].to_numpy(dtype=float) if "truth" in table else np.full(len(table), np.nan)
    known = np.isfinite(truth)
    galaxies = int(metrics.get("galaxies", known.sum()))
    picture, alt = None, ""
    if known.any():
        figure = paper(5.2, 3.2, layout="constrained")
        probability_histogram(figure.subplots(), probability[known], truth[known] > 0.5)
        picture = png(figure)
        alt = f"Histogram of the probability of {answer}, for the galaxies labelled so and for the others."
    each = min(6, max(1, len(table) // 3))
    surest = np.argsort(-probability, kind="stable")
    unsure = np.argsort(np.abs(probability - 0.5), kind="stable")
    order = ((f"Surest of {answer}", surest), (f"Surest of the contrary of {answer}", surest[::-1]), ("Least sure", unsure))
    ids = table["id"].astype(str).tolist()
    galleries = tuple(
        Gallery(heading, tuple(_task_tile(ids[i], probability[i], truth[i], pixels) for i in rows[:each]))
        for heading, rows in order
    )
    return Finding(f"Task: {name}", _in_words(metrics, galaxies), picture=picture, alt=alt, galleries=galleries)


def number_finding(name: str, metrics: Mapping[str, float]) -> Finding:
    """Show how well a number was learnt: what `zooactive.evaluation.numbers.number_metrics` measured, with 95% intervals."""
    return Finding(f"Task: {name}, a number", _in_words(metrics, int(metrics["galaxies"])))


def questions_finding(question_table: pd.DataFrame) -> Finding:
    """Show the table of merit, one row a question.

    Parameters
    ----------
    question_table : DataFrame
        Columns question, galaxies, accuracy, baseline, mean_deviation, as `zooactive.evaluation.question_table` returns it.
    """
    _need(question_table, ("question", "galaxies", "accuracy", "baseline"), "table of questions")
    measured = question_table[question_table["galaxies"] > 0]
    better = int((measured["accuracy"] > measured["baseline"]).sum())
    shown = question_table[["question", "galaxies", "accuracy"]].copy()
    if {"accuracy_low", "accuracy_high"} <= set(question_table.columns):
        ends = zip(question_table["accuracy_low"], question_table["accuracy_high"], strict=True)
        shown["95% interval"] = [f"{low:.3f} to {high:.3f}" if low == low else "–" for low, high in ends]
    names = {"baseline": "commonest", "mean_deviation": "deviation", "macro_f1": "F1", "auc": "AUC"}
    for column, name in names.items():
        if column in question_table:
            shown[name] = question_table[column]
    return Finding(
        "Accuracy of each question",
        f"A galaxy counts as right where the answer expected to be the commonest is the volunteers' commonest. The model is "
        f"better than always giving the question's commonest answer on {better} of {len(measured)} questions.",
        table=shown,
        table_caption="For each question: the galaxies of which it was really asked, the share of them that the model gets "
        "right, the share that always giving the commonest answer gets right, the mean absolute deviation of the vote "
        "fractions, and the mean F1 and area under the ROC curve of its answers, where these were measured.",
    )


_MEASURES = {
    "auc": "the area under the ROC curve",
    "macro_f1": "the mean F1 of the answers",
    "mean_error": "the mean error of the fraction",
    "baseline_error": "the mean error of always predicting the mean",
}


# Inside -----------------------------------------------------------------------------------------------------------------


def _thumbnail(pixels: NDArray[np.uint8] | None) -> bytes | None:
    if pixels is None:
        return None
    from PIL import Image

    grey = pixels.ndim == 3 and pixels.shape[-1] == 1
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    image.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
    return encode_png(np.asarray(image))


def _selected_tile(
    row: Mapping[str, Any], pixels: Mapping[str, NDArray[np.uint8]], links: Mapping[str, Mapping[str, str]]
) -> Tile:
    score, chance = float(row["score"]), float(row["inclusion_probability"])
    lines = [f"rank {row['rank']}"]
    lines += [f"score {score:.3f}"] if math.isfinite(score) else []
    lines += [f"inclusion {chance:.2g}"] if math.isfinite(chance) else []
    if isinstance(row.get("question"), str) and row["question"]:
        share = float(row.get("question_share", math.nan))
        lines += [f"{row['question']}: {share:.0%} of its information" if math.isfinite(share) else f"for {row['question']}"]
    return replace(_tile(str(row["id"]), lines, pixels), links=tuple(links.get(str(row["id"]), {}).items()))


def _task_tile(galaxy_id: str, probability: float, truth: float, pixels: Mapping[str, NDArray[np.uint8]]) -> Tile:
    lines = [f"probability {probability:.3f}"]
    if math.isfinite(truth):
        lines += [f"labelled {'yes' if truth else 'no'}" if truth in (0, 1) else f"volunteers {truth:.2f}"]
    return _tile(galaxy_id, lines, pixels)


def _tile(galaxy_id: str, lines: list[str], pixels: Mapping[str, NDArray[np.uint8]]) -> Tile:
    return Tile(galaxy_id, f"Cutout of galaxy {galaxy_id}", _thumbnail(pixels.get(galaxy_id)), tuple(lines))


def _in_words(metrics: Mapping[str, float], galaxies: int) -> str:
    if not galaxies:
        return "No galaxy with a known answer was held out, so nothing is measured here."
    known = {key: float(value) for key, value in metrics.items() if math.isfinite(value) and key != "galaxies"}
    ends = {f"{key}{end}" for key in known for end in ("_low", "_high")}
    said = [_measure_in_words(key, value, known) for key, value in known.items() if key not in ends]
    measured = "; ".join(said) or "nothing can be measured"
    return f"On {_galaxies(galaxies)} that the model was not trained on: {measured}."


def _measure_in_words(name: str, value: float, known: Mapping[str, float]) -> str:
    """Return one measure in words, with its 95% interval where that is known."""
    shares = {
        "accuracy": "{} of the answers are right",
        "baseline": "always giving the commonest answer would make it {}",
        "purity": "of galaxies that are called so at that prevalence, {} would be",
        "completeness": "{} of those that are would be found",
    }
    shown = shares.get(name, f"{_MEASURES.get(name, name.replace('_', ' '))} is {{}}")
    number = f"{100 * value:.1f}%" if name in shares else f"{value:.3f}"
    low, high = known.get(f"{name}_low"), known.get(f"{name}_high")
    if low is None or high is None:
        return shown.format(number)
    ends = f"{100 * low:.1f} to {100 * high:.1f}" if name in shares else f"{low:.3f} to {high:.3f}"
    return f"{shown.format(number)} (95% interval {ends})"


def _galaxies(count: int) -> str:
    return f"{count:,} galax{'y' if count == 1 else 'ies'}"


def _first(shown: int, whole: int) -> str:
    return _galaxies(whole) if shown == whole else f"the first {shown} of {_galaxies(whole)}"


def _rows(table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    return ({str(key): value for key, value in record.items()} for record in table.to_dict("records"))


def _need(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    for column in columns:
        if column not in table:
            raise CatalogueError(f"the {what} has no column '{column}'; it needs {', '.join(columns)}")
