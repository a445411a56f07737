"""The metrics of a task's answers on held-out galaxies, with the uncertainty of so few galaxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.evaluation.asked import each_asked
from zooactive.evaluation.classes import question_metrics
from zooactive.foundation.faces import names_of_before
from zooactive.posterior.corrections import prior_shift
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd

_LEVEL = (0.025, 0.975)


def task_metrics(means: ArrayLike, votes: ArrayLike, tree: DecisionTree, *, resamples: int = 1000) -> dict[str, float]:
    """Measure the first question's answers with the metrics that suit its labels.

    Parameters
    ----------
    means : array_like, shape (galaxy, answer)
        Expected vote fractions.
    votes : array_like, shape (galaxy, answer)
        Votes, or 1 for a label.
    tree : DecisionTree
    resamples : int
        The number of bootstrap resamples of the galaxies.

    Returns
    -------
    dict of str to float
        ``galaxies``, the number of galaxies. For labels and for trees of votes: ``accuracy``, ``baseline`` (the accuracy of
        always giving the most common answer), ``auc`` and, with more than two answers, ``macro_f1``; for labels also
        ``log_loss`` (nats per galaxy). For fractions of two answers: ``correlation`` (Pearson's), ``mean_error`` (mean
        absolute error) and ``baseline_error``, the error of always predicting the mean fraction. Metrics are followed by
        their 95% intervals, ``_low`` and ``_high``.
    """
    first = next(each_asked(votes, tree))
    k, mean = first.votes, first.of(np.asarray(means, dtype=float))
    if tree.votes == "fractions" and k.shape[1] == 2:
        return _fraction_metrics(mean[:, 0], first.fractions[:, 0], resamples)
    found = question_metrics(first.question, first.truth, mean, resamples=resamples)
    metrics = {"galaxies": float(found.galaxies)}
    metrics |= {"accuracy": found.accuracy.value, "accuracy_low": found.accuracy.low, "accuracy_high": found.accuracy.high}
    metrics["baseline"] = float(k.sum(0).max() / k.sum()) if tree.votes == "class" and len(k) else _commonest(k)
    auc = found.answers[0].auc if k.shape[1] == 2 else found.auc
    metrics |= {"auc": auc.value, "auc_low": auc.low, "auc_high": auc.high}
    if k.shape[1] > 2:
        f1 = found.macro_f1
        metrics |= {"macro_f1": f1.value, "macro_f1_low": f1.low, "macro_f1_high": f1.high}
    if tree.votes == "class" and len(k):
        metrics["log_loss"] = float(-np.log(np.maximum(mean[np.arange(len(k)), first.truth], 1e-12)).mean())
    return metrics


def question_accuracies(means: ArrayLike, votes: ArrayLike, tree: DecisionTree) -> pd.DataFrame:
    """Tabulate, for every question of a task's tree, the galaxies that reached it and the accuracy with its interval."""
    import pandas as pd

    mean, rows = np.asarray(means, dtype=float), []
    for one in each_asked(votes, tree):
        found = question_metrics(one.question, one.truth, one.of(mean), resamples=0)
        accuracy = {"accuracy": found.accuracy.value, "low": found.accuracy.low, "high": found.accuracy.high}
        rows.append(one.row() | accuracy | {"baseline": _commonest(one.votes)})
    return pd.DataFrame(rows)


def purity(probability: ArrayLike, truth: ArrayLike, *, prior: float, prevalence: float) -> dict[str, float]:
    """Return the purity and completeness of a sample above one half, if the label is as rare as on the sky.

    Parameters
    ----------
    probability : array_like, shape (galaxy,)
        The probability of the label, valid for a sample in which a share of `prior` has the label.
    truth : array_like of bool, shape (galaxy,)
        Whether each held-out galaxy has the label.
    prior, prevalence : float
        The share of the label in that sample and on the sky, between 0 and 1. The odds are shifted by `prior_shift`.

    Returns
    -------
    dict
        ``purity``, the share of the chosen sample that has the label, and ``completeness``, the share of galaxies with the
        label that are chosen. Purity is NaN if no galaxy is chosen.

    Raises
    ------
    PosteriorError
        When a share is not between 0 and 1.
    """
    p, yes = np.asarray(probability, dtype=float), np.asarray(truth, dtype=bool)
    for_yes, for_no = prior_shift((prior, 1 - prior), (prevalence, 1 - prevalence))
    chosen = p * np.exp(for_yes - for_no) > 1 - p
    hit = float(chosen[yes].mean()) if yes.any() else float("nan")
    false = float(chosen[~yes].mean()) if (~yes).any() else float("nan")
    selected = prevalence * hit + (1 - prevalence) * false
    return {"purity": prevalence * hit / selected if selected > 0 else float("nan"), "completeness": hit}


def _commonest(k: NDArray[np.float64]) -> float:
    return float(np.bincount(k.argmax(1)).max() / len(k)) if len(k) else float("nan")


def _fraction_metrics(predicted: NDArray[np.float64], observed: NDArray[np.float64], resamples: int) -> dict[str, float]:
    """Return correlation and mean absolute error, with percentile intervals of the bootstrap over galaxies."""
    n = len(observed)
    metrics = {"galaxies": float(n)}
    if n < 2:
        return metrics | {"correlation": float("nan"), "mean_error": float("nan"), "baseline_error": float("nan")}
    rows = np.random.default_rng(0).integers(0, n, (resamples, n))
    for name, measure in (("correlation", _correlation), ("mean_error", _mean_error)):
        again = measure(predicted[rows], observed[rows])
        known = again[np.isfinite(again)]  # the correlation is undefined if all fractions are the same
        low, high = np.quantile(known, _LEVEL) if len(known) else (np.nan, np.nan)
        metrics |= {name: float(measure(predicted, observed)), f"{name}_low": float(low), f"{name}_high": float(high)}
    return metrics | {"baseline_error": float(np.abs(observed - observed.mean()).mean())}


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's correlation along the last axis, or NaN if one side does not vary."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    both = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return np.asarray(np.divide((a * b).sum(-1), both, out=np.full(both.shape, np.nan), where=both > 0))


def _mean_error(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.abs(a - b).mean(-1))


__getattr__ = names_of_before(__name__, {"task_merits": "task_metrics"})
