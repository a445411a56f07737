"""How good a posterior is: likelihood of the votes, and merits on the galaxies of which a question was really asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from zooactive.calibration import coverage, pit_histogram
from zooactive.classification import QuestionMerits, tree_merits
from zooactive.classification import really_asked as really_asked
from zooactive.errors import PosteriorError
from zooactive.fraction_merits import confident_table, merits_by_column, reliability, worth_in_volunteers
from zooactive.likelihood import checked_votes, dirichlet_multinomial_log_prob
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd

_SMALLEST, _LARGEST = 1e-3, 1e5
"""Bounds of fitted concentrations: beyond them the likelihood hardly changes."""


# Likelihood ---------------------------------------------------------------------------------------------------------


def negative_log_likelihood(posterior: Posterior, votes: ArrayLike) -> NDArray[np.float64]:
    """Negative log likelihood of each galaxy's whole tree of votes, -ln sum_t w_t p(k | t).

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Row-aligned with the posterior.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats; exactly 0 for a galaxy without votes.

    Raises
    ------
    PosteriorError
        When the shape does not fit, or votes are negative or not finite.
    """
    log_p = posterior.log_likelihood(votes)
    peak = log_p.max(0)
    total = (posterior.weights * np.exp(log_p - peak)).sum(0) / posterior.weights.sum(
        0
    )  # the divisor is 1, but for rounding
    return np.asarray(0.0 - peak - np.log(total))


def constant_concentrations(votes: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    """Fit the concentrations that give all galaxies the same distribution of votes: the model that has seen no image.

    Maximum likelihood for each question by itself, within [0.001, 100000]. A question without votes gets concentrations
    of 1; where a galaxy has at most one vote, only the ratios mean something.

    Parameters
    ----------
    votes : array_like, shape (galaxy, answer)
    tree : DecisionTree

    Returns
    -------
    ndarray of float64, shape (answer,)

    Raises
    ------
    PosteriorError
        When the shape does not fit the tree, or votes are negative or not finite.

    Notes
    -----
    The gradient is that of Minka 2000, "Estimating a Dirichlet distribution", section 3.
    """
    k = checked_votes(votes, tree).reshape(-1, len(tree.columns))
    fitted = np.ones(len(tree.columns))
    for where in tree.slices:
        asked = k[:, where][k[:, where].sum(1) > 0]
        if len(asked):
            fitted[where] = _fit_question(asked)
    return fitted


def constant_negative_log_likelihood(concentrations: ArrayLike, votes: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    """Negative log likelihood of each galaxy's votes under the same concentrations for all, shape (galaxy,), in nats.

    Parameters
    ----------
    concentrations : array_like, shape (answer,)
        As from `constant_concentrations`.
    votes : array_like, shape (galaxy, answer)
    tree : DecisionTree

    Raises
    ------
    PosteriorError
        As `dirichlet_multinomial_log_prob`.
    """
    return np.asarray(0.0 - dirichlet_multinomial_log_prob(votes, concentrations, tree).sum(-1))


# Tables of merit ----------------------------------------------------------------------------------------------------


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

    tree = posterior.tree
    k = checked_votes(votes, posterior.tree, len(posterior))
    mean = posterior.mean()
    asked = really_asked(k, tree, min_share=min_share)
    rows = []
    for q, where in enumerate(tree.slices):
        row: dict[str, object] = {"question": tree.questions[q].name, "galaxies": int(asked[:, q].sum())}
        row |= _merits(mean[asked[:, q], where], k[asked[:, q], where])
        rows.append(row)
    return pd.DataFrame(rows)


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
    classification : tuple of QuestionMerits
        Row-aligned with `questions`: precision, recall, F1 and ROC curve of each answer, confusion matrices, intervals.
    coverage : DataFrame
        Of `zooactive.calibration.coverage`; of single labels, which cover any interval alike, it has no rows.
    pit : DataFrame
        Of `zooactive.calibration.pit_histogram`, which has no rows of single labels either.
    worth, confident, reliability, by_column : DataFrame
        Of `worth_in_volunteers`, `confident_table`, `reliability` and `merits_by_column` in `zooactive.fraction_merits`; the
        last has no rows without columns.
    """

    questions: pd.DataFrame
    galaxies: int
    likelihood: float
    constant_likelihood: float
    classification: tuple[QuestionMerits, ...]
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
            "classification": [merits.to_dict() for merits in self.classification],
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
        Redshifts, magnitudes and the like, in bins of which the merits are told too.
    resamples, seed : int
        Of the bootstrap behind the intervals of F1, AUC and what the fractions are worth, as `question_merits`.

    Raises
    ------
    PosteriorError
        When a shape does not fit, votes are negative or not finite, or `resamples` is negative.
    """
    constant = constant_concentrations(seen, posterior.tree)
    classification = tree_merits(posterior, votes, resamples=resamples, seed=seed)
    several = posterior.tree.votes != "class"
    covered, transforms = coverage(posterior, votes), pit_histogram(posterior, votes)
    return Evaluation(
        questions=question_table(posterior, votes).assign(
            macro_f1=[merits.macro_f1.value for merits in classification],
            weighted_f1=[merits.weighted_f1.value for merits in classification],
            auc=[merits.auc.value for merits in classification],
            accuracy_low=[merits.accuracy.low for merits in classification],
            accuracy_high=[merits.accuracy.high for merits in classification],
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
        by_column=merits_by_column(posterior, votes, columns or {}),
    )


_TABLES = ("coverage", "pit", "worth", "confident", "reliability", "by_column")


def binary_metrics(probability: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """Accuracy and area under the ROC curve of a yes/no prediction.

    Parameters
    ----------
    probability : array_like, shape (galaxy,)
        Of yes; above one half counts as yes.
    truth : array_like of bool, shape (galaxy,)

    Returns
    -------
    dict
        ``accuracy`` and ``auc``; ``auc`` is NaN when only one class is there, both are NaN without galaxies.

    Raises
    ------
    PosteriorError
        When the two are not of one length, or a probability is not between 0 and 1.

    Examples
    --------
    >>> binary_metrics([0.9, 0.2, 0.6, 0.4], [True, False, False, True])
    {'accuracy': 0.5, 'auc': 0.75}
    """
    from sklearn import metrics

    p, yes = np.asarray(probability, dtype=float), np.asarray(truth).astype(bool)
    if p.ndim != 1 or p.shape != yes.shape:
        raise PosteriorError(f"probabilities have the shape {p.shape} and truths {yes.shape}; give one of each for a galaxy")
    if not np.all((p >= 0) & (p <= 1)):
        raise PosteriorError(f"a probability of {p[~((p >= 0) & (p <= 1))][0]} was given; give numbers between 0 and 1")
    both = bool(yes.any() and not yes.all())
    return {
        "accuracy": float(metrics.accuracy_score(yes, p > 0.5)) if len(p) else float("nan"),
        "auc": float(metrics.roc_auc_score(yes, p)) if both else float("nan"),
    }


# Inside -------------------------------------------------------------------------------------------------------------


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows for JSON, in which None stands for what is not finite."""
    return [
        {str(key): None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _fit_question(k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maximum-likelihood concentrations (answer,) of one question's votes (galaxy, answer), over ln alpha."""
    distinct = [np.unique(column, return_counts=True) for column in k.T]  # few, whatever the number of galaxies
    totals, repeats = np.unique(k.sum(1), return_counts=True)

    def loss(log_alpha: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        alpha = np.exp(log_alpha)
        alpha0 = alpha.sum()
        value = repeats @ (special.gammaln(totals + alpha0) - special.gammaln(alpha0))
        slope = np.full(len(alpha), repeats @ (special.digamma(totals + alpha0) - special.digamma(alpha0)))
        for i, (votes, times) in enumerate(distinct):
            value -= times @ (special.gammaln(votes + alpha[i]) - special.gammaln(alpha[i]))
            slope[i] -= times @ (special.digamma(votes + alpha[i]) - special.digamma(alpha[i]))
        return float(value) / len(k), slope * alpha / len(k)

    bounds = [(np.log(_SMALLEST), np.log(_LARGEST))] * k.shape[1]
    start = np.log(np.clip(10 * k.sum(0) / k.sum(), 0.1, None))
    found = optimize.minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-8})
    return np.asarray(np.exp(found.x))


def _merits(predicted: NDArray[np.float64], votes: NDArray[np.float64]) -> dict[str, float]:
    """Merits of one question's predicted fractions, (galaxy, answer), against its votes."""
    if len(votes) == 0:
        return {"accuracy": float("nan"), "baseline": float("nan"), "mean_deviation": float("nan")}
    truth = votes.argmax(1)
    observed = votes / votes.sum(1, keepdims=True)
    return {
        "accuracy": float((predicted.argmax(1) == truth).mean()),
        "baseline": float(np.bincount(truth).max() / len(truth)),
        "mean_deviation": float(np.abs(predicted - observed).mean()),
    }
