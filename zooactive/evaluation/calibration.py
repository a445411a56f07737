"""The calibration of a posterior: coverage of predicted votes, and predicted against realised information."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.acquisition import mutual_information
from zooactive.evaluation.asked import Asked, each_asked
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.tree.likelihood import checked_votes

if TYPE_CHECKING:
    import pandas as pd


# Coverage -----------------------------------------------------------------------------------------------------------


def coverage(posterior: Posterior, votes: ArrayLike, levels: Sequence[float] = (0.5, 0.8, 0.95)) -> pd.DataFrame:
    """Measure how often the observed count of an answer lies in its predictive credible interval.

    The interval is equal-tailed, from the mixture of beta-binomials for the question's number of votes. Counts are whole
    numbers, so that no interval holds exactly the nominal probability. A count at an end therefore counts by the share of
    its probability that is needed to reach the level. On average, a correct posterior then covers each level exactly.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Votes, with rows in the order of the posterior's galaxies. Pseudo-counts are rounded. A galaxy counts for each
        question on which it has votes.
    levels : sequence of float
        Nominal probabilities, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row per question: ``question``, ``galaxies``, and for each level a column such as ``0.95``, the mean over
        galaxies and answers. It is NaN for a question without votes.

    Raises
    ------
    PosteriorError
        When a level is not between 0 and 1, the shape does not match, or votes are negative or not finite.

    Notes
    -----
    This is the randomised probability integral transform of Czado, Gneiting & Held 2009 (Biometrics 65, 1254), with its
    average instead of a random number.
    """
    import pandas as pd

    _check_levels(levels)
    rows = []
    for one, below, above in _transforms(posterior, votes):
        shares = {f"{level:g}": _shares_inside(below, above, level) for level in levels}
        rows.append(one.row() | {name: float(found.mean()) if len(one) else float("nan") for name, found in shares.items()})
    return pd.DataFrame(rows)


def coverage_by_galaxy(posterior: Posterior, votes: ArrayLike, level: float = 0.95) -> NDArray[np.float64]:
    """Return each galaxy's contribution to the mean of `coverage`, for intervals over galaxies.

    Parameters
    ----------
    posterior, votes
        As in `coverage`.
    level : float
        The nominal probability, between 0 and 1.

    Returns
    -------
    ndarray of float64, shape (galaxy, question)
        The mean over a question's answers, between 0 and 1. It is NaN if a galaxy has no votes on the question.

    Raises
    ------
    PosteriorError
        As in `coverage`.
    """
    _check_levels([level])
    found = np.full((len(posterior), len(posterior.tree.questions)), np.nan)
    for q, (one, below, above) in enumerate(_transforms(posterior, votes)):
        found[one.rows, q] = _shares_inside(below, above, level).reshape(len(one.question.columns), len(one)).mean(0)
    return found


def pit_histogram(posterior: Posterior, votes: ArrayLike, *, bins: int = 10) -> pd.DataFrame:
    """Return the histogram of the randomised probability integral transform of the observed counts.

    The histogram is flat if the densities are correct. A hump in the middle means that densities are too wide, high ends
    mean that they are too narrow, and a slope means that the expected fractions are biased.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Votes, with rows in the order of the posterior's galaxies. Pseudo-counts are rounded. A galaxy counts for each
        question on which it has votes.
    bins : int
        The number of bins of equal width from 0 to 1.

    Returns
    -------
    pandas.DataFrame
        One row per question and bin: ``question``, ``galaxies``, ``from``, ``to``, and ``share`` of galaxies and answers,
        which sums to 1 over a question's bins. A question without votes has no rows.

    Raises
    ------
    PosteriorError
        When there are no bins, the shape does not match, or votes are negative or not finite.

    Notes
    -----
    The transform of a count k is uniform between P(count < k) and P(count <= k) (Czado, Gneiting & Held 2009, Biometrics 65,
    1254). Each count is spread evenly over that interval, which is the mean over all random numbers. For a question with two
    answers, only the first counts, because the second is its mirror image and would make the histogram symmetric.
    """
    import pandas as pd

    if bins < 1:
        raise PosteriorError(f"{bins} bins were asked for; give 1 or more")
    edges = np.linspace(0, 1, bins + 1)
    rows = list[dict[str, object]]()
    for one, below, above in _transforms(posterior, votes, mirrored=False):
        if len(one) == 0:
            continue
        cumulative = [_share_below(below, above, edge) for edge in edges]
        for i, share in enumerate(np.diff(cumulative)):
            rows.append(one.row() | {"from": edges[i], "to": edges[i + 1], "share": share})
    return pd.DataFrame(rows, columns=["question", "galaxies", "from", "to", "share"])


def fraction_coverage(
    posterior: Posterior,
    fractions: ArrayLike,
    levels: Sequence[float] = (0.5, 0.8, 0.95),
    *,
    counted: ArrayLike | None = None,
) -> pd.DataFrame:
    """Measure how often the true vote fraction of an answer, if it is known, lies in its credible interval.

    Parameters
    ----------
    posterior : Posterior
    fractions : array_like, shape (galaxy, answer)
        The probability of each answer by a volunteer who is asked its question, with rows in the order of the posterior's
        galaxies.
    levels : sequence of float
        Nominal probabilities, between 0 and 1.
    counted : array_like of bool, shape (galaxy, question), optional
        The galaxies that count for each question, for example those where enough volunteers reach it. The default is all.

    Returns
    -------
    pandas.DataFrame
        One row per question: ``question``, ``galaxies``, and for each level a column such as ``0.95``, the mean over
        galaxies and answers. It is NaN for a question without counted galaxies.

    Raises
    ------
    PosteriorError
        When a level is not between 0 and 1, or a shape does not match.
    """
    import pandas as pd

    tree, truth = posterior.tree, np.asarray(fractions, dtype=np.float64)
    chosen = np.ones((len(posterior), len(tree.questions)), dtype=bool) if counted is None else np.asarray(counted)
    if truth.shape != (len(posterior), len(tree.columns)) or chosen.shape != (len(posterior), len(tree.questions)):
        raise PosteriorError(
            f"fractions have the shape {truth.shape} and counted {chosen.shape}; give (galaxy, answer) and (galaxy, "
            f"question), here {(len(posterior), len(tree.columns))} and {(len(posterior), len(tree.questions))}"
        )
    inside = {}
    for level in levels:
        ends = posterior.interval(level)
        inside[f"{level:g}"] = (truth >= ends[..., 0]) & (truth <= ends[..., 1])
    rows = []
    for q, where in enumerate(tree.slices):
        row: dict[str, object] = {"question": tree.questions[q].name, "galaxies": int(chosen[:, q].sum())}
        row |= {
            name: float(hits[chosen[:, q], where].mean()) if chosen[:, q].any() else float("nan")
            for name, hits in inside.items()
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _transforms(
    posterior: Posterior, votes: ArrayLike, *, mirrored: bool = True
) -> Iterator[tuple[Asked, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield each question with its galaxies, and P(count < k), P(count <= k) of its answers one after another."""
    tree = posterior.tree
    for one in each_asked(np.rint(checked_votes(votes, tree, len(posterior))), tree, min_share=0):
        counts, totals, part = one.votes.astype(np.int64), one.totals.astype(np.int64), posterior.take(one.rows)
        columns = one.question.columns if mirrored or len(one.question.columns) != 2 else one.question.columns[:1]
        below, above = np.concatenate([_pit(part, counts[:, i], totals, c) for i, c in enumerate(columns)], axis=1)
        yield one, below, above


def _pit(posterior: Posterior, counts: NDArray[np.int64], asked: NDArray[np.int64], column: str) -> NDArray[np.float64]:
    """Return P(count < k) and P(count <= k) of each galaxy's count k of one answer, shape (2, galaxy)."""
    found = np.empty((2, len(counts)))
    for n in np.unique(asked):
        rows = np.flatnonzero(asked == n)
        cumulative = np.cumsum(posterior.take(rows).vote_probabilities(column, int(n)), axis=1)
        found[1, rows] = cumulative[np.arange(len(rows)), counts[rows]]
        found[0, rows] = np.where(counts[rows] > 0, cumulative[np.arange(len(rows)), counts[rows] - 1], 0)
    return np.clip(found, 0, 1)


def _check_levels(levels: Sequence[float]) -> None:
    wrong = [level for level in levels if not 0 < level < 1]
    if wrong:
        raise PosteriorError(f"a level of {wrong[0]} was asked for; give probabilities between 0 and 1")


def _shares_inside(below: NDArray[np.float64], above: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the share of each [below, above] within the central interval of probability `level`."""
    low, high = (1 - level) / 2, (1 + level) / 2
    inside = np.clip(np.minimum(above, high) - np.maximum(below, low), 0, None)
    width = above - below
    point = (below >= low) & (below <= high)  # a count with almost no probability counts by its position alone
    return np.asarray(np.where(width > 1e-12, inside / np.maximum(width, 1e-12), point))


def _share_below(below: NDArray[np.float64], above: NDArray[np.float64], edge: float) -> float:
    """Return the mean share of [below, above] that lies below an edge."""
    width = above - below
    inside = np.clip((edge - below) / np.maximum(width, 1e-12), 0, 1)
    return float(np.where(width > 1e-12, inside, (below <= edge) if edge >= 1 else (below < edge)).mean())


# Acquisition --------------------------------------------------------------------------------------------------------


def realised_information(posterior: Posterior, votes: ArrayLike) -> NDArray[np.float64]:
    """Measure the information that the received votes gave about the network.

    It is H(pi) - H(w), with w_t proportional to pi_t p(k | t).

    Parameters
    ----------
    posterior : Posterior
        The posterior before the votes.
    votes : array_like, shape (galaxy, answer)
        Votes, with rows in the order of the posterior's galaxies.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The information in nats, at most ln T. It is below 0 if surprising votes made the draws' weights more equal. Its mean
        over trees of votes drawn from the posterior is the mutual information.

    Raises
    ------
    PosteriorError
        When the shape does not match, or votes are negative or not finite.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> realised_information(Posterior([[[90, 10]], [[10, 90]]], ["g1"], tree), [[38, 2]]).round(3).tolist()
    [0.693]
    """
    after = posterior.given_votes(votes)
    return np.asarray(special.entr(posterior.weights).sum(0) - special.entr(after.weights).sum(0))


class AcquisitionCalibration(NamedTuple):
    """Predicted against realised information for galaxies that received votes.

    ``table`` has one row per galaxy: ``id``, ``votes`` (on the root question), ``predicted`` and ``realised``, in nats.
    ``correlation`` is between the two. ``slope`` is that of the realised on the predicted information by least squares,
    which is 1 for calibrated scores.
    """

    table: pd.DataFrame
    correlation: float
    slope: float


def acquisition_calibration(
    posterior: Posterior, votes: ArrayLike, *, trees: int | None = None, seed: int = 0
) -> AcquisitionCalibration:
    """Compare the predicted information of votes with the information that they gave, galaxy by galaxy.

    Parameters
    ----------
    posterior : Posterior
        The posterior before the votes.
    votes : array_like, shape (galaxy, answer)
        Votes, with rows in the order of the posterior's galaxies. Galaxies without votes are left out.
    trees, seed
        As in `zooactive.acquisition.mutual_information`, which predicts for the number of volunteers that each galaxy had.

    Raises
    ------
    PosteriorError
        When the shape does not match, votes are negative or not finite, or fewer than two galaxies have votes.
    """
    import pandas as pd

    counts = checked_votes(votes, posterior.tree, len(posterior))
    volunteers = np.rint(posterior.tree.question_sums(counts)[:, list(posterior.tree.roots)].max(1)).astype(np.int64)
    voted = np.flatnonzero(volunteers > 0)
    if len(voted) < 2:
        raise PosteriorError(f"{len(voted)} galaxies have votes on a root question; give votes of two or more galaxies")
    part = posterior.take(voted)
    predicted = mutual_information(part, volunteers[voted], trees=trees, seed=seed)
    realised = realised_information(part, counts[voted])
    table = pd.DataFrame({"id": part.ids, "votes": volunteers[voted], "predicted": predicted, "realised": realised})
    centred = predicted - predicted.mean()
    spread = float(centred @ centred)
    slope = float(centred @ realised) / spread if spread > 0 else float("nan")
    both = spread * float(((realised - realised.mean()) ** 2).sum())
    return AcquisitionCalibration(table, slope * spread / np.sqrt(both) if both > 0 else float("nan"), slope)
