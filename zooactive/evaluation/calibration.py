"""Does the posterior keep its word? Coverage of predicted votes, and predicted against realised information."""

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

    The interval is equal-tailed, of the mixture of beta-binomials for as many votes as the question had. Counts are whole,
    so that no interval holds exactly the nominal probability: a count at an end counts by the share of its probability that
    is needed to reach the level, and a posterior that is right covers each level exactly, on average.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Row-aligned with the posterior; pseudo-counts are rounded. Galaxies count for the questions that they have votes on.
    levels : sequence of float
        Nominal probabilities, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a question: ``question``, ``galaxies``, and for each level a column such as ``0.95``, the mean over galaxies
        and answers; NaN for a question without votes.

    Raises
    ------
    PosteriorError
        When a level is not between 0 and 1, the shape does not fit, or votes are negative or not finite.

    Notes
    -----
    The randomised probability integral transform of Czado, Gneiting & Held 2009 (Biometrics 65, 1254), with its average in
    place of a random number.
    """
    import pandas as pd

    _check_levels(levels)
    rows = []
    for one, below, above in _transforms(posterior, votes):
        shares = {f"{level:g}": _shares_inside(below, above, level) for level in levels}
        rows.append(one.row() | {name: float(found.mean()) if len(one) else float("nan") for name, found in shares.items()})
    return pd.DataFrame(rows)


def coverage_by_galaxy(posterior: Posterior, votes: ArrayLike, level: float = 0.95) -> NDArray[np.float64]:
    """Return what each galaxy adds to the mean that `coverage` takes, for intervals over galaxies.

    Parameters
    ----------
    posterior, votes
        As `coverage`.
    level : float
        Nominal probability, between 0 and 1.

    Returns
    -------
    ndarray of float64, shape (galaxy, question)
        The mean over a question's answers, between 0 and 1; NaN where a galaxy has no votes on the question.

    Raises
    ------
    PosteriorError
        As `coverage`.
    """
    _check_levels([level])
    found = np.full((len(posterior), len(posterior.tree.questions)), np.nan)
    for q, (one, below, above) in enumerate(_transforms(posterior, votes)):
        found[one.rows, q] = _shares_inside(below, above, level).reshape(len(one.question.columns), len(one)).mean(0)
    return found


def pit_histogram(posterior: Posterior, votes: ArrayLike, *, bins: int = 10) -> pd.DataFrame:
    """Histogram of the randomised probability integral transform of the observed counts: flat where densities are right.

    A hump in the middle says that densities are too wide, high ends that they are too narrow, a slope that expected
    fractions are off to one side.

    Parameters
    ----------
    posterior : Posterior
    votes : array_like, shape (galaxy, answer)
        Row-aligned with the posterior; pseudo-counts are rounded. Galaxies count for the questions that they have votes on.
    bins : int
        Of equal width, from 0 to 1.

    Returns
    -------
    pandas.DataFrame
        One row a question and bin: ``question``, ``galaxies``, ``from``, ``to``, and ``share`` of galaxies and answers,
        which sums to 1 over a question's bins; a question without votes has no rows.

    Raises
    ------
    PosteriorError
        When there are no bins, the shape does not fit, or votes are negative or not finite.

    Notes
    -----
    The transform of a count k is uniform between P(count < k) and P(count <= k) (Czado, Gneiting & Held 2009, Biometrics 65,
    1254): each count is spread evenly over that interval, which is the mean over all random numbers. Of a question's two
    answers the second is the first one's mirror image, so that the histogram is then symmetric: only the first counts.
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
    """Measure how often the true vote fraction of an answer, where it is known, lies in its credible interval.

    Parameters
    ----------
    posterior : Posterior
    fractions : array_like, shape (galaxy, answer)
        The probability of each answer, for a volunteer who was asked its question; row-aligned with the posterior.
    levels : sequence of float
        Nominal probabilities, between 0 and 1.
    counted : array_like of bool, shape (galaxy, question), optional
        Galaxies that count for each question: those that enough people are asked it of, say. By default all.

    Returns
    -------
    pandas.DataFrame
        One row a question: ``question``, ``galaxies``, and for each level a column such as ``0.95``, the mean over galaxies
        and answers; NaN for a question that no galaxy counts for.

    Raises
    ------
    PosteriorError
        When a level is not between 0 and 1, or a shape does not fit.
    """
    import pandas as pd

    tree, truth = posterior.tree, np.asarray(fractions, dtype=np.float64)
    chosen = np.ones((len(posterior), len(tree.questions)), dtype=bool) if counted is None else np.asarray(counted)
    if truth.shape != (len(posterior), len(tree.columns)) or chosen.shape != (len(posterior), len(tree.questions)):
        raise PosteriorError(
            f"fractions have the shape {truth.shape} and what counts {chosen.shape}; give (galaxy, answer) and (galaxy, "
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
    """Yield each question on its galaxies with votes, and P(count < k), P(count <= k) of its answers one after another."""
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
    point = (below >= low) & (below <= high)  # a count of no probability to speak of: by its place alone
    return np.asarray(np.where(width > 1e-12, inside / np.maximum(width, 1e-12), point))


def _share_below(below: NDArray[np.float64], above: NDArray[np.float64], edge: float) -> float:
    """Return the mean share of [below, above] that lies below an edge."""
    width = above - below
    inside = np.clip((edge - below) / np.maximum(width, 1e-12), 0, 1)
    return float(np.where(width > 1e-12, inside, (below <= edge) if edge >= 1 else (below < edge)).mean())


# Acquisition --------------------------------------------------------------------------------------------------------


def realised_information(posterior: Posterior, votes: ArrayLike) -> NDArray[np.float64]:
    """Measure how much the votes that came in have told about the network: H(pi) - H(w), w_t proportional to pi_t p(k | t).

    Parameters
    ----------
    posterior : Posterior
        From before the votes.
    votes : array_like, shape (galaxy, answer)
        Row-aligned with the posterior.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats, at most ln T; below 0 where a surprise has made the draws more equal. Its mean over trees of votes drawn
        from the posterior is the mutual information.

    Raises
    ------
    PosteriorError
        When the shape does not fit, or votes are negative or not finite.

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
    """Predicted against realised information of galaxies that got votes.

    ``table``: one row a galaxy: ``id``, ``votes`` (of the root question), ``predicted`` and ``realised``, nats.
    ``correlation`` between the two; ``slope`` of the realised on the predicted by least squares: 1 where scores keep their
    word.
    """

    table: pd.DataFrame
    correlation: float
    slope: float


def acquisition_calibration(
    posterior: Posterior, votes: ArrayLike, *, trees: int | None = None, seed: int = 0
) -> AcquisitionCalibration:
    """Compare what votes were predicted to tell with what they then told, galaxy by galaxy.

    Parameters
    ----------
    posterior : Posterior
        From before the votes.
    votes : array_like, shape (galaxy, answer)
        Row-aligned with the posterior; galaxies without votes are left out.
    trees, seed
        As in `zooactive.acquisition.mutual_information`, which predicts for as many volunteers as each galaxy then had.

    Raises
    ------
    PosteriorError
        When the shape does not fit, votes are negative or not finite, or fewer than two galaxies have votes.
    """
    import pandas as pd

    counts = checked_votes(votes, posterior.tree, len(posterior))
    volunteers = np.rint(posterior.tree.question_sums(counts)[:, list(posterior.tree.roots)].max(1)).astype(np.int64)
    voted = np.flatnonzero(volunteers > 0)
    if len(voted) < 2:
        raise PosteriorError(f"{len(voted)} galaxies have votes on a question that everybody is asked; give two or more")
    part = posterior.take(voted)
    predicted = mutual_information(part, volunteers[voted], trees=trees, seed=seed)
    realised = realised_information(part, counts[voted])
    table = pd.DataFrame({"id": part.ids, "votes": volunteers[voted], "predicted": predicted, "realised": realised})
    centred = predicted - predicted.mean()
    spread = float(centred @ centred)
    slope = float(centred @ realised) / spread if spread > 0 else float("nan")
    both = spread * float(((realised - realised.mean()) ** 2).sum())
    return AcquisitionCalibration(table, slope * spread / np.sqrt(both) if both > 0 else float("nan"), slope)
