"""How good a posterior is: likelihood of the votes, and metrics on the galaxies of which a question was really asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.evaluation.asked import Asked, each_asked
from zooactive.evaluation.calibration import coverage, pit_histogram
from zooactive.evaluation.classes import QuestionMetrics, tree_metrics
from zooactive.evaluation.fractions import confident_table, metrics_by_column, reliability, worth_in_volunteers
from zooactive.posterior import Posterior
from zooactive.posterior.loss import constant_concentrations, constant_negative_log_likelihood, negative_log_likelihood
from zooactive.tree.likelihood import checked_votes

if TYPE_CHECKING:
    import pandas as pd


def question_table(posterior: Posterior, votes: ArrayLike, *, min_share: float = 0.5) -> pd.DataFrame:
    """Tabulate for each question how often the predicted answer is the volunteers' answer.

    A galaxy counts for a question when at least `min_share` of its volunteers (the votes of the root question above) reached
    it, and at least one did. The predicted answer has the largest expected vote fraction, the true one the most
    votes (of equal ones, the first in the tree).

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Row-aligned with the posterior.
    min_share : float
        Between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a question: ``question``; ``galaxies`` that count; ``accuracy``; ``baseline``, the accuracy of always
        giving the commonest true answer; ``mean_deviation``, the mean of ``|predicted - observed fraction|`` over
        galaxies and answers. The last three are NaN where no galaxy counts.

    Raises
    ------
    PosteriorError
        When the shape does not fit, or votes are negative or not finite.
    """
    import pandas as pd

    tree, mean = posterior.tree, posterior.mean()
    k = checked_votes(votes, tree, len(posterior))
    return pd.DataFrame([one.row() | _metrics(one, one.of(mean)) for one in each_asked(k, tree, min_share=min_share)])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a posterior is, beside a model that has seen no image.

    Parameters
    ----------
    questions : DataFrame
        Of `question_table`, and from `classification` the columns ``macro_f1``, ``weighted_f1``, ``auc`` (macro, one against
        the rest), and the ends of the accuracy's 95% interval, ``accuracy_low`` and ``accuracy_high``.
    galaxies : int
    likelihood : float
        Mean negative log-likelihood, nats a galaxy.
    constant_likelihood : float
        The same of the best constant concentrations.
    classification : tuple of QuestionMetrics
        Row-aligned with `questions`: precision, recall, F1 and ROC curve of each answer, confusion matrices, intervals.
    coverage : DataFrame
        Of `zooactive.evaluation.calibration.coverage`; of single labels, which cover any interval alike, it has no rows.
    pit : DataFrame
        Of `zooactive.evaluation.calibration.pit_histogram`, which has no rows of single labels either.
    worth, confident, reliability, by_column : DataFrame
        Of `worth_in_volunteers`, `confident_table`, `reliability` and `metrics_by_column` in
        `zooactive.evaluation.fractions`; the last has no rows without columns.
    """

    questions: pd.DataFrame
    galaxies: int
    likelihood: float
    constant_likelihood: float
    classification: tuple[QuestionMetrics, ...]
    coverage: pd.DataFrame
    pit: pd.DataFrame
    worth: pd.DataFrame
    confident: pd.DataFrame
    reliability: pd.DataFrame
    by_column: pd.DataFrame

    @property
    def gain(self) -> float:
        """By how much of itself the constant model's negative log-likelihood is lowered."""
        return 1 - self.likelihood / self.constant_likelihood

    def to_dict(self) -> dict[str, object]:
        """Return everything but the table `questions` as plain numbers and lists for JSON."""
        return {
            "galaxies": self.galaxies,
            "likelihood": self.likelihood,
            "constant_likelihood": self.constant_likelihood,
            "classification": [metrics.to_dict() for metrics in self.classification],
            **{name: _records(getattr(self, name)) for name in _TABLES},
        }


def evaluate(
    posterior: Posterior,
    votes: ArrayLike,
    *,
    seen: ArrayLike,
    columns: Mapping[str, ArrayLike] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measure a posterior on galaxies that were not learnt from.

    Parameters
    ----------
    posterior : Posterior
        Of the galaxies held out.
    votes : array_like, shape (galaxy, answer)
        Theirs, row-aligned with the posterior.
    seen : array_like, shape (other galaxy, answer)
        Votes that the model learnt from; the constant concentrations are fitted to them.
    columns : mapping of str to array_like, shape (galaxy,), optional
        Redshifts, magnitudes and the like, in bins of which the metrics are told too.
    resamples, seed : int
        Of the bootstrap behind the intervals of F1, AUC and what the fractions are worth, as `question_metrics`.

    Raises
    ------
    PosteriorError
        When a shape does not fit, votes are negative or not finite, or `resamples` is negative.
    """
    constant = constant_concentrations(seen, posterior.tree)
    classification = tree_metrics(posterior, votes, resamples=resamples, seed=seed)
    several = posterior.tree.votes != "class"
    covered, transforms = coverage(posterior, votes), pit_histogram(posterior, votes)
    return Evaluation(
        questions=question_table(posterior, votes).assign(
            macro_f1=[metrics.macro_f1.value for metrics in classification],
            weighted_f1=[metrics.weighted_f1.value for metrics in classification],
            auc=[metrics.auc.value for metrics in classification],
            accuracy_low=[metrics.accuracy.low for metrics in classification],
            accuracy_high=[metrics.accuracy.high for metrics in classification],
        ),
        galaxies=len(posterior),
        likelihood=float(negative_log_likelihood(posterior, votes).mean()),
        constant_likelihood=float(constant_negative_log_likelihood(constant, votes, posterior.tree).mean()),
        classification=classification,
        coverage=covered if several else covered.iloc[:0],
        pit=transforms if several else transforms.iloc[:0],
        worth=worth_in_volunteers(posterior, votes, resamples=resamples, seed=seed),
        confident=confident_table(posterior, votes),
        reliability=reliability(posterior, votes),
        by_column=metrics_by_column(posterior, votes, columns or {}),
    )


_TABLES = ("coverage", "pit", "worth", "confident", "reliability", "by_column")


# Inside -------------------------------------------------------------------------------------------------------------


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Return rows for JSON, in which None stands for what is not finite."""
    return [
        {str(key): None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _metrics(asked: Asked, predicted: NDArray[np.float64]) -> dict[str, object]:
    """Return the metrics of one question's predicted fractions, (asked, answer), against its votes."""
    if len(asked) == 0:
        return {"accuracy": float("nan"), "baseline": float("nan"), "mean_deviation": float("nan")}
    observed = asked.votes / asked.votes.sum(1, keepdims=True)
    return {
        "accuracy": float((predicted.argmax(1) == asked.truth).mean()),
        "baseline": float(np.bincount(asked.truth).max() / len(asked)),
        "mean_deviation": float(np.abs(predicted - observed).mean()),
    }
