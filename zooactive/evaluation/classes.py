"""Metrics of answers as classes: accuracy, precision, recall, F1, confusion matrix and ROC curves, with intervals.

The truth of a galaxy is the answer with the most votes. The prediction is the answer with the largest expected vote
fraction. In a tie, the first answer in the tree counts. The score of an answer is its expected fraction. A label is a single
vote, so that trees of classes and trees of votes are measured in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.evaluation.asked import each_asked
from zooactive.evaluation.asked import really_asked as really_asked  # programs import it from here
from zooactive.evaluation.bootstrap import resampled_areas, resampled_f1
from zooactive.foundation.errors import PosteriorError
from zooactive.foundation.faces import names_of_before
from zooactive.posterior import Posterior
from zooactive.tree import Question
from zooactive.tree.likelihood import checked_votes

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
"""The nominal coverage of every interval in this module."""


# Results ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A measured share with the two ends of its 95% interval, all NaN if the share is undefined."""

    value: float
    low: float
    high: float


class RocCurve(NamedTuple):
    """The shares of other galaxies and of the answer's own above each threshold, both of shape (threshold,)."""

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AnswerMetrics:
    """The metrics of one answer against the other answers of its question.

    Parameters
    ----------
    answer : str
    galaxies : int
        The number of galaxies with this true answer.
    predicted : int
        The number of galaxies with this predicted answer.
    precision : float
        The share of the predicted galaxies with this true answer. NaN if the answer was never predicted.
    recall : Estimate
        The share of galaxies with this true answer for which it was predicted, with Wilson's interval.
    f1 : Estimate
        The harmonic mean of precision and recall, with a bootstrap interval. NaN if the answer was neither given nor
        predicted.
    auc : Estimate
        The area under `roc`, with a bootstrap interval. NaN if `roc` is None.
    roc : RocCurve or None
        The ROC curve of this answer against the rest. None if all galaxies have this answer, or none has it.
    """

    answer: str
    galaxies: int
    predicted: int
    precision: float
    recall: Estimate
    f1: Estimate
    auc: Estimate
    roc: RocCurve | None

    def to_dict(self) -> dict[str, str | int | float | None]:
        """Return plain numbers for JSON, without the ROC curve; None stands for NaN."""
        return {key: _plain(value) for key, value in self._row().items()}

    def _row(self) -> dict[str, str | int | float]:
        counts: dict[str, str | int | float]
        counts = {"answer": self.answer, "galaxies": self.galaxies, "predicted": self.predicted, "precision": self.precision}
        return counts | _columns("recall", self.recall) | _columns("f1", self.f1) | _columns("auc", self.auc)


@dataclass(frozen=True, eq=False)
class QuestionMetrics:
    """The metrics of a question's answers.

    Parameters
    ----------
    question : str
    galaxies : int
        The number of galaxies measured. Without galaxies, all metrics are NaN.
    accuracy : Estimate
        The accuracy, with Wilson's interval.
    macro_f1, weighted_f1 : Estimate
        The mean F1 of the answers that were given or predicted, with equal weights or weighted by their galaxies, with
        bootstrap intervals.
    auc, weighted_auc : Estimate
        The mean one-vs-rest area of the answers that have a ROC curve, with equal weights or weighted by their galaxies,
        with bootstrap intervals.
    answers : tuple of AnswerMetrics
        The metrics of each answer, in the question's order.
    confusion : ndarray of int64, shape (answer, answer)
        The number of galaxies by the volunteers' answer (rows) and the model's answer (columns).
    """

    question: str
    galaxies: int
    accuracy: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate
    auc: Estimate
    weighted_auc: Estimate
    answers: tuple[AnswerMetrics, ...]
    confusion: NDArray[np.int64]

    def to_table(self) -> pd.DataFrame:
        """Return one row per answer: its numbers of galaxies, and each metric followed by its ``_low`` and ``_high`` end."""
        import pandas as pd

        return pd.DataFrame([answer._row() for answer in self.answers])

    def confusion_table(self) -> pd.DataFrame:
        """Return the confusion matrix with its names: index ``volunteers``, columns ``model``."""
        import pandas as pd

        names = [answer.answer for answer in self.answers]
        return pd.DataFrame(self.confusion, index=pd.Index(names, name="volunteers"), columns=pd.Index(names, name="model"))

    def to_dict(self) -> dict[str, object]:
        """Return plain numbers and lists for JSON, without the ROC curves; None stands for NaN."""
        out: dict[str, object] = {"question": self.question, "galaxies": self.galaxies}
        for name in ("accuracy", "macro_f1", "weighted_f1", "auc", "weighted_auc"):
            out |= {key: _plain(value) for key, value in _columns(name, getattr(self, name)).items()}
        out["answers"] = [answer.to_dict() for answer in self.answers]
        return out | {"confusion": self.confusion.tolist(), "confusion_rows": "volunteers", "confusion_columns": "model"}


# Measuring ----------------------------------------------------------------------------------------------------------


def tree_metrics(
    posterior: Posterior, votes: ArrayLike, *, min_share: float = 0.5, resamples: int = 1000, seed: int = 0
) -> tuple[QuestionMetrics, ...]:
    """Measure each question of a tree on the galaxies where enough volunteers reached it.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Votes, with rows in the order of the posterior's galaxies. For a tree of classes, 1 for the galaxy's label.
    min_share : float
        As in `really_asked`.
    resamples, seed : int
        As in `question_metrics`. Each question's intervals do not depend on the other questions.

    Returns
    -------
    tuple of QuestionMetrics
        The metrics of each question, in the tree's order.

    Raises
    ------
    PosteriorError
        When the shape does not match, votes are negative or not finite, or `resamples` is negative.
    """
    tree = posterior.tree
    k = checked_votes(votes, tree, len(posterior))
    mean = posterior.mean()
    return tuple(
        question_metrics(one.question, one.truth, one.of(mean), resamples=resamples, seed=seed)
        for one in each_asked(k, tree, min_share=min_share)
    )


def question_metrics(
    question: Question, truth: ArrayLike, scores: ArrayLike, *, resamples: int = 1000, seed: int = 0
) -> QuestionMetrics:
    """Measure how well the scores of a question's answers identify the true answer.

    Parameters
    ----------
    question : Question
    truth : array_like of int, shape (galaxy,)
        The index of the true answer in the question, from 0.
    scores : array_like, shape (galaxy, answer)
        Expected vote fractions, or other finite scores. The answer with the largest score is the prediction.
    resamples : int
        The number of bootstrap resamples of the galaxies for the intervals of F1 and AUC. With 0, these intervals are NaN.
    seed : int
        The seed of the resamples.

    Returns
    -------
    QuestionMetrics

    Raises
    ------
    PosteriorError
        When the shapes do not match, a truth is not an answer's index, a score is not finite, or `resamples` is negative.

    Notes
    -----
    The intervals are by the percentile bootstrap of Efron & Tibshirani 1993, chapter 13. A resample in which a
    metric is undefined, such as the AUC of an answer that it lacks, is left out. If a metric is 1 for the galaxies
    themselves, it is 1 in every resample, and its interval has no width. Only Wilson's intervals, of accuracy and recall,
    then show how uncertain the result of a few galaxies is.

    Examples
    --------
    >>> bar = Question("bar", ["strong", "weak", "no"])
    >>> metrics = question_metrics(bar, [0, 1, 1, 2], [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [0, 0.2, 0.8]])
    >>> metrics.accuracy.value, round(metrics.macro_f1.value, 3)
    (0.75, 0.778)
    >>> metrics.confusion.tolist()
    [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    """
    true, score = _checked(question, truth, scores, resamples)
    if len(true) == 0:
        return _of_no_galaxy(question)
    from sklearn import metrics

    labels = np.arange(len(question.answers))
    confusion = np.asarray(metrics.confusion_matrix(true, score.argmax(1), labels=labels), dtype=np.int64)
    precision, recall, f1, own = metrics.precision_recall_fscore_support(
        true, score.argmax(1), labels=labels, zero_division=math.nan
    )
    curves = [_roc(true == a, score[:, a]) for a in labels]
    areas = np.array([math.nan if curve is None else metrics.auc(*curve) for curve in curves])
    rng = np.random.default_rng(seed)
    f1_again, own_again = resampled_f1(confusion, resamples, rng)
    areas_again, had_again = resampled_areas(true, score, [curve is not None for curve in curves], resamples, rng)
    answers = tuple(
        AnswerMetrics(
            answer,
            galaxies=int(own[a]),
            predicted=int(confusion[:, a].sum()),
            precision=float(precision[a]),
            recall=_with_wilson(float(recall[a]), int(confusion[a, a]), int(own[a])),
            f1=_with_percentiles(f1[a], f1_again[:, a]),
            auc=_with_percentiles(areas[a], areas_again[:, a]),
            roc=curves[a],
        )
        for a, answer in enumerate(question.answers)
    )
    right, alike = int(np.trace(confusion)), np.ones(len(labels))
    return QuestionMetrics(
        question.name,
        galaxies=len(true),
        accuracy=_with_wilson(right / len(true), right, len(true)),
        macro_f1=_with_percentiles(_mean(f1, alike), _mean(f1_again, alike)),
        weighted_f1=_with_percentiles(_mean(f1, own), _mean(f1_again, own_again)),
        auc=_with_percentiles(_mean(areas, alike), _mean(areas_again, alike)),
        weighted_auc=_with_percentiles(_mean(areas, own), _mean(areas_again, had_again)),
        answers=answers,
        confusion=confusion,
    )


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share, (low, high), valid for few galaxies and near 0 and 1; NaN without trials.

    Raises
    ------
    PosteriorError
        When the number of successes is negative or exceeds the number of trials.

    Notes
    -----
    Wilson 1927 (JASA 22, 209); the formula is method 3 of Newcombe 1998 (Statistics in Medicine 17, 857).

    Examples
    --------
    >>> [round(end, 4) for end in wilson_interval(81, 263)]
    [0.2553, 0.3662]
    """
    if not 0 <= successes <= trials:
        raise PosteriorError(f"{successes} successes of {trials} trials were given; give 0 to {trials} successes")
    if trials == 0:
        return math.nan, math.nan
    z2 = float(special.ndtri((1 + LEVEL) / 2)) ** 2
    centre = successes + z2 / 2
    half = math.sqrt(z2 * (successes * (trials - successes) / trials + z2 / 4))
    low = 0.0 if successes == 0 else (centre - half) / (trials + z2)  # exactly 0 and 1, without rounding
    return low, 1.0 if successes == trials else (centre + half) / (trials + z2)


# Inside -------------------------------------------------------------------------------------------------------------


def _checked(
    question: Question, truth: ArrayLike, scores: ArrayLike, resamples: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    true, score = np.asarray(truth), np.asarray(scores, dtype=np.float64)
    needed = (true.size, len(question.answers))
    if true.ndim != 1 or score.shape != needed:
        raise PosteriorError(
            f"question '{question.name}': truths have the shape {true.shape} and scores {score.shape}; give one truth per "
            f"galaxy, and scores of its {needed[1]} answers"
        )
    wrong = ~np.isin(true, np.arange(needed[1]))
    if wrong.any():
        raise PosteriorError(
            f"question '{question.name}': the truth of row {np.argmax(wrong)} is {true[wrong][0]}; give the answer's index, "
            f"from 0 to {needed[1] - 1}"
        )
    if not np.isfinite(score).all():
        row, answer = np.argwhere(~np.isfinite(score))[0]
        raise PosteriorError(
            f"question '{question.name}': the score of '{question.answers[answer]}' in row {row} is {score[row, answer]}; "
            "give finite scores"
        )
    if resamples < 0:
        raise PosteriorError(f"{resamples} resamples were asked for; give 0 or more")
    return true.astype(np.int64), score


def _of_no_galaxy(question: Question) -> QuestionMetrics:
    none = Estimate(math.nan, math.nan, math.nan)
    answers = tuple(AnswerMetrics(answer, 0, 0, math.nan, none, none, none, None) for answer in question.answers)
    confusion = np.zeros((len(answers), len(answers)), dtype=np.int64)
    return QuestionMetrics(question.name, 0, none, none, none, none, none, answers, confusion)


def _roc(own: NDArray[np.bool_], score: NDArray[np.float64]) -> RocCurve | None:
    """Return the ROC curve of one answer against the rest, or None if all galaxies have the same truth."""
    from sklearn import metrics

    if own.all() or not own.any():
        return None
    false_positives, true_positives, _ = metrics.roc_curve(own, score)
    return RocCurve(false_positives, true_positives)


def _mean(values: NDArray[np.float64], weights: NDArray[np.number]) -> NDArray[np.float64]:
    """Return the weighted mean over the last axis of the values that are not NaN, or NaN if nothing has weight."""
    there = ~np.isnan(values)
    weight = np.where(there, weights, 0.0)
    summed, total = (np.where(there, values, 0.0) * weight).sum(-1), weight.sum(-1)
    return np.asarray(np.divide(summed, total, out=np.full(total.shape, math.nan), where=total > 0))


def _with_wilson(value: float, successes: int, trials: int) -> Estimate:
    return Estimate(value, *wilson_interval(successes, trials))


def _with_percentiles(value: NDArray[np.float64], resampled: NDArray[np.float64]) -> Estimate:
    known = resampled[~np.isnan(resampled)]
    if np.isnan(value) or len(known) == 0:
        return Estimate(float(value), math.nan, math.nan)
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(float(value), float(low), float(high))


def _columns(name: str, estimate: Estimate) -> dict[str, str | int | float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _plain(value: str | int | float) -> str | int | float | None:
    return None if isinstance(value, float) and math.isnan(value) else value


__getattr__ = names_of_before(
    __name__,
    {
        "AnswerMerits": "AnswerMetrics",
        "QuestionMerits": "QuestionMetrics",
        "question_merits": "question_metrics",
        "tree_merits": "tree_metrics",
    },
)
