"""The evaluation of a posterior: likelihood of the votes, and metrics per question on galaxies that reached it."""

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
    """Tabulate, for each question, how often the predicted answer is the volunteers' answer.

    A galaxy counts for a question if at least `min_share` of its volunteers (the votes on the root question above it)
    reached the question, and at least one did. The predicted answer has the largest expected vote fraction, and the true
    answer has the most votes. In a tie, the first answer in the tree counts.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Votes, with rows in the order of the posterior's galaxies.
    min_share : float
        The smallest share of volunteers, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row per question: ``question``; ``galaxies``, the number that count; ``accuracy``; ``baseline``, the accuracy of
        always giving the most common true answer; ``mean_deviation``, the mean of ``|predicted - observed fraction|`` over
        galaxies and answers. The last three are NaN if no galaxy counts.

    Raises
    ------
    PosteriorError
        When the shape does not match, or votes are negative or not finite.
    """
    import pandas as pd

    tree, mean = posterior.tree, posterior.mean()
    k = checked_votes(votes, tree, len(posterior))
    return pd.DataFrame([one.row() | _metrics(one, one.of(mean)) for one in each_asked(k, tree, min_share=min_share)])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The metrics of a posterior, next to those of a model that uses no image.

    Parameters
    ----------
    questions : DataFrame
        The result of `question_table`, with columns from `classification`: ``macro_f1``, ``weighted_f1``, ``auc`` (macro,
        one against the rest), and the ends of the accuracy's 95% interval, ``accuracy_low`` and ``accuracy_high``.
    galaxies : int
    likelihood : float
        The mean negative log-likelihood, in nats per galaxy.
    constant_likelihood : float
        The mean negative log-likelihood of the best constant concentrations.
    classification : tuple of QuestionMetrics
        Precision, recall, F1 and ROC curve of each answer, confusion matrices and intervals, in the order of `questions`.
    coverage : DataFrame
        The result of `zooactive.evaluation.calibration.coverage`. For single labels it has no rows, because they cover any
        interval equally.
    pit : DataFrame
        The result of `zooactive.evaluation.calibration.pit_histogram`. For single labels it has no rows.
    worth, confident, reliability, by_column : DataFrame
        The results of `worth_in_volunteers`, `confident_table`, `reliability` and `metrics_by_column` in
        `zooactive.evaluation.fractions`. Without columns, the last one has no rows.
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
        """The relative fall of the negative log-likelihood from the constant model to this one."""
        return 1 - self.likelihood / self.constant_likelihood

    def to_dict(self) -> dict[str, object]:
        """Return everything except the table `questions` as plain numbers and lists for JSON."""
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
    """Measure a posterior on test galaxies.

    Parameters
    ----------
    posterior : Posterior
        The posterior of the test galaxies.
    votes : array_like, shape (galaxy, answer)
        Their votes, with rows in the order of the posterior's galaxies.
    seen : array_like, shape (other galaxy, answer)
        The votes of the training galaxies, to which the constant concentrations are fitted.
    columns : mapping of str to array_like, shape (galaxy,), optional
        Redshifts, magnitudes and the like. The metrics are also tabulated in bins of these.
    resamples, seed : int
        The number of resamples and the seed of the bootstrap, as in `question_metrics`. It gives the intervals of F1, AUC
        and the equivalent number of volunteers.

    Raises
    ------
    PosteriorError
        When a shape does not match, votes are negative or not finite, or `resamples` is negative.
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
    """Return rows for JSON, with None for values that are not finite."""
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
