"""The head's metrics so far, the number of galaxies left to find, and the advice whether to continue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.evaluation.classes import Estimate, question_metrics
from zooactive.loop.labelling.answers import Said
from zooactive.loop.labelling.learning import Learnt, first_answers
from zooactive.loop.labelling.queues import Orders
from zooactive.tree import Question

_RESAMPLES = 300
_FEW = 20
"""The smallest number of galaxies of the random arm for which metrics are computed."""

_SETTLED = 0.2
"""You may stop once the information is below this share of its largest value: the same share as in the loop's rounds."""


@dataclass(frozen=True)
class Measures:
    """The metrics after a fit.

    Parameters
    ----------
    labels : int
        The number of galaxies with an answer.
    counts : dict of str to int
        The number of galaxies with each answer.
    expected : dict of str to float
        The expected number of galaxies with each answer among the unlabelled ones.
    merits : dict of str to Estimate
        ``accuracy`` and ``auc`` (the mean over answers if there are more than two), by five-fold cross-validation over all
        labelled galaxies. ``accuracy_random`` and ``auc_random`` are the same metrics over the random arm alone, which is a
        fair sample of the pool.
    information : float
        The mean information that labels of the ten most informative galaxies would give, in nats.
    curve : list of dict
        The number of labels, auc, accuracy and information after each fit so far.
    """

    labels: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    expected: dict[str, float] = field(default_factory=dict)
    merits: dict[str, Estimate] = field(default_factory=dict)
    information: float = math.nan
    curve: list[dict[str, float]] = field(default_factory=list)

    def advice(self) -> str:
        """Return advice in words whether to continue."""
        if not self.curve:
            return "Answer a few galaxies of each kind, so that the model can start to learn."
        most = max(point["information"] for point in self.curve)
        share = self.information / most if most > 0 else 0.0
        rare = min(self.counts, key=lambda name: self.counts[name] + self.expected.get(name, 0.0))
        left = self.expected.get(rare, 0.0)
        told = f"The next labels are {share:.0%} as informative as the best ones"
        if share < _SETTLED and self.labels >= 10 * _FEW:
            return f"{told}: the model has enough. About {left:.0f} more '{rare}' are expected in the pool."
        return f"{told}: continue. About {left:.0f} more '{rare}' are expected in the pool."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with None instead of NaN."""
        values = _plain(asdict(self))
        assert isinstance(values, dict)
        return values | {"advice": self.advice()}


def measures_of(learnt: Learnt, orders: Orders, said: Sequence[Said], *, before: Measures) -> Measures:
    """Measure a fit by the first question; `said` holds the labels that it was trained on."""
    tree = learnt.head.tree
    first = tree.order[0]
    question, labels = tree.questions[first], first_answers(learnt.votes, tree)
    all_told = learnt.told[:, tree.slices[first]]
    told = np.isfinite(all_told).all(1)
    random = told & np.array([one.events[0].chosen == "random" for one in said])
    merits = _merits(question, all_told[told], labels[told])
    if random.sum() >= _FEW:
        merits |= {f"{name}_random": merit for name, merit in _merits(question, all_told[random], labels[random]).items()}
    point = {"labels": float(len(said)), "information": orders.information}
    point |= {name: merit.value for name, merit in merits.items() if name in ("accuracy", "auc")}
    return Measures(
        labels=len(said),
        counts={name: int((labels == place).sum()) for place, name in enumerate(question.answers)},
        expected=dict(zip(question.answers, map(float, orders.expected), strict=True)),
        merits=merits,
        information=orders.information,
        curve=[*before.curve, point],
    )


def _merits(question: Question, told: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Estimate]:
    if not len(labels):
        return {}
    metrics = question_metrics(question, labels, told, resamples=_RESAMPLES)
    return {"accuracy": metrics.accuracy, "auc": metrics.auc}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
