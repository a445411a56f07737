"""Metrics of expected vote fractions: their equivalent number of volunteers, their reliability, and where they fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.evaluation.asked import each_asked
from zooactive.evaluation.bootstrap import resampled_means
from zooactive.evaluation.classes import LEVEL
from zooactive.foundation.errors import PosteriorError
from zooactive.foundation.faces import names_of_before
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import checked_votes

if TYPE_CHECKING:
    import pandas as pd

CONFIDENT = 0.8
"""The share of a question's votes above which its volunteers agree (Walmsley et al. 2022, MNRAS 509, 3966, after Dominguez
Sanchez et al. 2018)."""


def worth_in_volunteers(
    posterior: Posterior, votes: ArrayLike, *, min_share: float = 0.5, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Find the number of volunteers whose vote fractions have the same error as the expected fractions, for each question.

    A galaxy counts for a question as in `zooactive.evaluation.really_asked`, if the question has at least two votes. The
    table has one row per question: ``question``; ``galaxies``; ``error``, the root mean square distance of the expected
    fractions from those of infinitely many volunteers; ``noise``, the same distance for the observed fractions;
    ``volunteers``, the number whose fractions have the same error as the expected ones, with ``volunteers_low`` and
    ``volunteers_high``, its 95% interval by the bootstrap over galaxies. The number is infinite if the votes cannot
    distinguish the expected fractions from perfect ones. It is NaN without galaxies; with one galaxy, the interval is NaN.

    For n votes with fractions f, f (1 - f) n / (n - 1) is an unbiased estimate of the variance p (1 - p) of one vote.
    Divided by n, it is the part of (mean - f)^2 that is due to the chance of who voted. The rest is the model's own squared
    error, the mean over galaxies of sum_a (mean_a - p_a)^2. The number of volunteers is sum_a p_a (1 - p_a) divided by this
    error, both averaged over galaxies. Pseudo-counts are treated as numbers of people who voted.
    """
    import pandas as pd

    tree, mean = posterior.tree, posterior.mean()
    k = checked_votes(votes, tree, len(posterior))
    rng = np.random.default_rng(seed)
    rows = []
    for asked in each_asked(k, tree, min_share=min_share):
        one = asked.take(asked.totals > 1)
        n, fractions = one.totals, one.fractions
        one_vote = (fractions * (1 - fractions)).sum(1) * n / (n - 1)
        noise = one_vote / n
        squared = ((one.of(mean) - fractions) ** 2).sum(1) - noise
        row = one.row()
        if len(one) == 0:
            nothing = dict.fromkeys(("error", "noise", "volunteers", "volunteers_low", "volunteers_high"), float("nan"))
            rows.append(row | nothing)
            continue
        again = resampled_means(np.stack([one_vote, squared], axis=1), resamples, rng)
        ratios = _ratio(again[:, 0], again[:, 1]) if resamples and len(one) > 1 else np.array([np.nan])
        ends = np.quantile(ratios, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), method="inverted_cdf")  # some ratios may be infinite
        row |= {"error": float(np.sqrt(max(squared.mean(), 0))), "noise": float(np.sqrt(noise.mean()))}
        row |= {"volunteers": float(_ratio(one_vote.mean(), squared.mean()))}
        rows.append(row | {"volunteers_low": float(ends[0]), "volunteers_high": float(ends[1])})
    return pd.DataFrame(rows)


def confident_table(
    posterior: Posterior, votes: ArrayLike, *, min_share: float = 0.5, agreement: float = CONFIDENT
) -> pd.DataFrame:
    """Tabulate accuracy on all galaxies that count for a question, and on those where volunteers agree on the answer.

    This is the table of Walmsley et al. 2022 (MNRAS 509, 3966): if volunteers themselves disagree, no answer can be right.
    Volunteers agree if the most common answer has more than the share `agreement` of a question's votes. The table has one
    row per question: ``question``, ``galaxies``, ``accuracy``, ``confident`` (galaxies) and ``confident_accuracy``.
    Accuracies are NaN without galaxies.
    """
    import pandas as pd

    tree, mean = posterior.tree, posterior.mean()
    k = checked_votes(votes, tree, len(posterior))
    rows = []
    for one in each_asked(k, tree, min_share=min_share):
        right, agreed = one.of(mean).argmax(1) == one.truth, one.fractions.max(1) > agreement
        row = one.row() | {"accuracy": _share(right), "confident": int(agreed.sum())}
        rows.append(row | {"confident_accuracy": _share(right[agreed])})
    return pd.DataFrame(rows)


def reliability(posterior: Posterior, votes: ArrayLike, *, bins: int = 10, min_share: float = 0.5) -> pd.DataFrame:
    """Tabulate observed against expected fractions, to show whether an expected 0.3 is 0.3 on average.

    The bins of the expected fraction have equal width, and empty bins have no row. The table has one row per answer and bin:
    ``question``, ``answer``, ``galaxies``, the means ``expected`` and ``observed``, and ``error``, the standard error of
    their difference (NaN for one galaxy).
    """
    import pandas as pd

    if bins < 1:
        raise PosteriorError(f"{bins} bins were asked for; give 1 or more")
    tree, mean = posterior.tree, posterior.mean()
    k = checked_votes(votes, tree, len(posterior))
    rows = []
    for one in each_asked(k, tree, min_share=min_share):
        for answer, expected, observed in zip(one.question.answers, one.of(mean).T, one.fractions.T, strict=True):
            places = np.minimum((expected * bins).astype(np.int64), bins - 1)
            for place in np.unique(places):
                inside = places == place
                off, count = observed[inside] - expected[inside], int(inside.sum())
                row: dict[str, object] = {"question": one.question.name, "answer": answer, "galaxies": count}
                row |= {"expected": float(expected[inside].mean()), "observed": float(observed[inside].mean())}
                rows.append(row | {"error": float(off.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")})
    return pd.DataFrame(rows, columns=["question", "answer", "galaxies", "expected", "observed", "error"])


def metrics_by_column(
    posterior: Posterior, votes: ArrayLike, columns: Mapping[str, ArrayLike], *, bins: int = 4, min_share: float = 0.5
) -> pd.DataFrame:
    """Tabulate metrics in bins of redshift, magnitude or any other number of the galaxies, each of shape (galaxy,).

    The bins of a column hold about equally many galaxies. Galaxies whose value is not finite are left out. The table has one
    row per column, bin and question: ``column``, ``from``, ``to`` (the values at the bin's ends, the upper one included),
    ``question``, ``galaxies`` that count, ``accuracy``, ``baseline`` (of the most common answer within the bin) and
    ``deviation``, the mean of ``|expected - observed fraction|``.
    """
    import pandas as pd

    if bins < 1:
        raise PosteriorError(f"{bins} bins were asked for; give 1 or more")
    tree, mean = posterior.tree, posterior.mean()
    questions = list(each_asked(checked_votes(votes, tree, len(posterior)), tree, min_share=min_share))
    rows = []
    for name, given in columns.items():
        values = np.asarray(given, dtype=np.float64)
        if values.shape != (len(posterior),):
            raise PosteriorError(
                f"column '{name}' has the shape {values.shape}; give one number for each of the {len(posterior)} galaxies"
            )
        known = np.isfinite(values)
        if not known.any():
            continue
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)))
        edges = np.repeat(edges, 2) if len(edges) == 1 else edges  # all galaxies have the same value
        places = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(edges) - 2)
        for place in range(len(edges) - 1):
            inside = known & (places == place)
            for asked in questions:
                one = asked.take(inside[asked.rows])
                expected, truth = one.of(mean), one.truth
                row: dict[str, object] = {"column": name, "from": float(edges[place]), "to": float(edges[place + 1])}
                row |= one.row() | {"accuracy": _share(expected.argmax(1) == truth)}
                row |= {"baseline": float(np.bincount(truth).max() / len(truth)) if len(truth) else float("nan")}
                off = np.abs(expected - one.fractions)
                rows.append(row | {"deviation": float(off.mean()) if len(truth) else float("nan")})
    names = ["column", "from", "to", "question", "galaxies", "accuracy", "baseline", "deviation"]
    return pd.DataFrame(rows, columns=names)


def bin_names(table: pd.DataFrame) -> list[str]:
    """Return the name of the bin of each row of `metrics_by_column`, such as "mag_r 14 to 15.2"."""
    ends = zip(table["column"], table["from"], table["to"], strict=True)
    return [f"{name} {low:.4g} to {high:.4g}" for name, low, high in ends]


def vote_fractions(votes: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
    """Return the fractions of each question's votes, (galaxy, answer) -> (galaxy, answer), or NaN if nobody was asked."""
    counts = np.asarray(votes, dtype=np.float64)
    total = tree.question_sums(counts)[..., tree.question_index]
    return np.asarray(np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0))


# Inside -------------------------------------------------------------------------------------------------------------


def _ratio(above: ArrayLike, below: ArrayLike) -> NDArray[np.float64]:
    """Return quotients, infinite if the divisor is not positive."""
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.inf), where=bottom > 0))


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


__getattr__ = names_of_before(__name__, {"merits_by_column": "metrics_by_column"})
