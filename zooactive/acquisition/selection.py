"""Choose n galaxies from a pool of any size: a random share, a screening, a score, and noise that belongs to the id."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.entropy import predictive_entropy
from zooactive.acquisition.one_vote import one_vote_information
from zooactive.acquisition.tree_information import mutual_information
from zooactive.errors import AcquisitionError, did_you_mean
from zooactive.hashing import gumbel_from_ids, hash_ids, uniform_from_ids
from zooactive.posterior import Posterior

if TYPE_CHECKING:
    import pandas as pd

Score: TypeAlias = Literal["mutual_information", "entropy", "random"]

_SCREENS: dict[str, Callable[[Posterior], NDArray[np.float64]]] = {
    "mutual_information": one_vote_information,
    "entropy": predictive_entropy,
    "random": lambda posterior: np.full(len(posterior), np.nan),
}
_SHORTLIST_PER_GALAXY = 20
_SHORTLIST_SHARE = 0.005


def acquire(
    posterior: Posterior | Iterable[Posterior],
    n: int = 500,
    *,
    votes: int = 40,
    seed: int = 0,
    score: Score = "mutual_information",
    exclude: Collection[str] = (),
    random_share: float = 0.1,
    beta: float = 4.0,
) -> pd.DataFrame:
    """Choose the galaxies that volunteers should be shown next.

    1. The random arm: ``round(random_share * n)`` galaxies, drawn uniformly from the whole eligible pool by a hash of their
       own. Keep them out of training: metrics on them stay unbiased.
    2. Screening of the rest by `one_vote_information`; the best ``max(20 n, 0.5% of the pool)`` go on the shortlist.
    3. The shortlist is scored by `mutual_information`, and the galaxies with the largest ``beta * ln(score) + Gumbel
       noise`` are acquired; a galaxy whose score is not positive never is.

    All noise is hashed from ids, so that the choice does not depend on the order or the chunks of the pool.

    Parameters
    ----------
    posterior : Posterior or iterable of Posterior
        The pool, whole or in chunks. An iterable is read twice (once to screen, once to score the shortlist), and no
        more of it is kept than ids and screening scores: give a list, or an object whose ``__iter__`` reads from
        disk.
    n : int
        How many to choose, both arms together.
    votes : int
        Volunteers who will be shown each galaxy.
    seed : int
    score : {"mutual_information", "entropy", "random"}
        "entropy" screens and chooses by `predictive_entropy`. "random" chooses all by the hash of the random arm, whose
        galaxies are then the same as with any other score; it is a baseline, and its scores are NaN.
    exclude : collection of str
        Ids that are not eligible (those already labelled); ids that are not in the pool do no harm.
    random_share : float
        Between 0 and 1.
    beta : float
        How strongly high scores are preferred: 0 ignores them within the shortlist, infinity would take the top.

    Returns
    -------
    pandas.DataFrame
        Sorted by ``rank`` (1 to n): the acquired by perturbed score, then the random arm. Columns ``id``, ``score`` (nats),
        ``rank``, ``arm`` ("acquired" or "random"), ``inclusion_probability``.

    Raises
    ------
    AcquisitionError
        When an argument is impossible, an id occurs twice, chunks are of different trees or numbers of draws, `n`
        exceeds the eligible pool, or no galaxy has a positive score.

    Notes
    -----
    "Power" sampling of Kirsch et al. 2023 (TMLR, arXiv:2106.12059). The inclusion probability is r + (1 - r) q, with
    r = n_random / pool and q = 1 - exp(-exp(beta ln s - kappa)), where kappa is the perturbed score that the galaxy had
    to pass. For an acquired galaxy that is the first rejected one. A galaxy of the random arm would have pushed the last
    acquired one out, so that for it kappa is that one's perturbed score (among those that would then have been left,
    the next galaxy by hash having taken its place in the random arm); its q is 0 when it would not have been on the
    shortlist. q is 1 where nothing is rejected. With a random arm every galaxy of the pool can be chosen, and sums
    over the selection weighted by 1 / inclusion_probability estimate sums over the whole pool; without one they
    speak of the shortlist alone.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> posterior = Posterior([[[9, 1], [5, 5]], [[1, 9], [5, 5]]], ["doubtful", "ambiguous"], tree)
    >>> acquire(posterior, n=1).id.tolist()
    ['doubtful']
    """
    _check(n, votes=votes, score=score, exclude=exclude, random_share=random_share, beta=beta)
    chunks = _chunks(posterior)
    pool = _screen(chunks, score, frozenset(exclude))
    if n > len(pool.ids):
        raise AcquisitionError(
            f"{n} galaxies were asked for and {len(pool.ids)} are eligible ({pool.excluded} of the pool are excluded); "
            "ask for fewer, or predict more galaxies"
        )
    n_random = round(random_share * n)
    shuffled = np.argsort(uniform_from_ids(pool.ids, purpose="random-arm", seed=seed), kind="stable")
    if score == "random":
        chosen = np.concatenate([shuffled[n_random:n], shuffled[:n_random]])
        return _table(pool, chosen, n_random, pool.screened, np.full(len(pool.ids), n / len(pool.ids)))

    stays = np.ones(len(pool.ids), dtype=bool)
    stays[shuffled[:n_random]] = False
    size = max(_SHORTLIST_PER_GALAXY * n, ceil(_SHORTLIST_SHARE * len(pool.ids)))
    shortlisted = _shortlist(pool, stays, size, seed)
    scores = pool.screened
    if score == "mutual_information":
        scores = _score(chunks, pool, shortlisted | ~stays, votes, seed)
    perturbed = _perturb(pool, scores, shortlisted, beta, seed)
    acquired = _top(perturbed, stays, n - n_random)
    _report_shortfall(len(acquired), n - n_random, pool.draws)
    substitute = shuffled[n_random : n_random + 1]
    q = _acquisition_probability(scores, perturbed, stays, substitute, n - n_random, beta)
    q[~shortlisted] = 0
    r = n_random / len(pool.ids)
    return _table(pool, np.concatenate([acquired, shuffled[:n_random]]), n_random, scores, r + (1 - r) * q)


# The pool -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Pool:
    """The eligible galaxies, sorted by id, so that nothing depends on the order in which they came."""

    ids: NDArray[np.object_]
    screened: NDArray[np.float64]
    excluded: int
    draws: int


def _chunks(posterior: Posterior | Iterable[Posterior]) -> Iterable[Posterior]:
    if isinstance(posterior, Posterior):
        return [posterior]
    if isinstance(posterior, Iterator):
        raise AcquisitionError(
            f"the pool is a {type(posterior).__name__}, which can be read only once, and it is read twice; "
            "give a list of Posteriors, or an object whose __iter__ starts anew"
        )
    return posterior


def _screen(chunks: Iterable[Posterior], score: Score, exclude: frozenset[str]) -> _Pool:
    """Read the pool once: ids and screening scores of the eligible galaxies."""
    seen: set[str] = set()
    ids: list[str] = []
    screened = [np.empty(0)]
    first: Posterior | None = None
    for chunk in chunks:
        first = chunk if first is None else first
        if chunk.tree != first.tree or chunk.draws != first.draws:
            raise AcquisitionError(
                f"the pool's chunks disagree: tree '{first.tree.name}' with {first.draws} draws, and tree "
                f"'{chunk.tree.name}' with {chunk.draws}; predict all of them with one model and one number of draws"
            )
        for galaxy_id in chunk.ids:
            if galaxy_id in seen:
                raise AcquisitionError(f"the id '{galaxy_id}' occurs in two chunks of the pool; give each galaxy once")
            seen.add(galaxy_id)
        eligible = np.array([galaxy_id not in exclude for galaxy_id in chunk.ids], dtype=bool)
        ids += chunk.ids[eligible].tolist()
        screened.append(_SCREENS[score](chunk)[eligible])
    if first is None:
        raise AcquisitionError("the pool holds no chunk of predictions; predict some galaxies first")
    names = np.array([*ids, ""], dtype=object)[:-1]
    order = np.argsort(names, kind="stable")
    return _Pool(names[order], np.concatenate(screened)[order], len(seen) - len(ids), first.draws)


def _score(
    chunks: Iterable[Posterior], pool: _Pool, wanted: NDArray[np.bool_], votes: int, seed: int
) -> NDArray[np.float64]:
    """Read the pool again: the mutual information of the wanted galaxies, NaN elsewhere, shape (galaxy of the pool,)."""
    row = dict(zip(pool.ids[wanted].tolist(), np.flatnonzero(wanted).tolist(), strict=True))
    scores = np.full(len(pool.ids), np.nan)
    for chunk in chunks:
        here = [i for i, galaxy_id in enumerate(chunk.ids) if galaxy_id in row]
        if here:
            part = Posterior(chunk.concentrations[:, here], chunk.ids[here], chunk.tree)
            scores[[row[galaxy_id] for galaxy_id in part.ids]] = mutual_information(part, votes, seed=seed)
    lost = wanted & np.isnan(scores)
    if lost.any():
        raise AcquisitionError(
            f"galaxy '{pool.ids[lost][0]}' was in the pool when it was screened and not when it was read again; "
            "give an iterable that holds the same galaxies each time"
        )
    return scores


# The choice ---------------------------------------------------------------------------------------------------------


def _shortlist(pool: _Pool, stays: NDArray[np.bool_], size: int, seed: int) -> NDArray[np.bool_]:
    """Whether each galaxy passes the `size`-th best screening score of those that stay, shape (galaxy,).

    For a galaxy of the random arm: whether it would have been on the shortlist, had it stayed. Ties at the threshold
    are cut by a hash that is not the selection's noise, which must stay independent of who is on the shortlist.
    """
    candidates = pool.screened[stays]
    if len(candidates) < size:
        return np.ones(len(pool.ids), dtype=bool)
    threshold = np.partition(candidates, -size)[-size]
    inside = np.asarray(pool.screened > threshold)
    tied = np.flatnonzero(pool.screened == threshold)
    lots = hash_ids(pool.ids[tied], purpose="trees", seed=seed)
    places = size - int((inside & stays).sum())
    last = np.sort(lots[stays[tied]])[places - 1]
    inside[tied[lots <= last]] = True
    return inside


def _perturb(
    pool: _Pool, scores: NDArray[np.float64], shortlisted: NDArray[np.bool_], beta: float, seed: int
) -> NDArray[np.float64]:
    """Scores as beta ln(score) plus Gumbel noise; -inf where a galaxy is never chosen."""
    able = np.flatnonzero(shortlisted & (scores > 0))
    perturbed = np.full(len(scores), -inf)
    perturbed[able] = beta * np.log(scores[able]) + gumbel_from_ids(pool.ids[able], seed=seed)
    return perturbed


def _top(perturbed: NDArray[np.float64], stays: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """Rows of the n largest perturbed scores, largest first."""
    able = np.flatnonzero(stays & (perturbed > -inf))
    return able[np.argsort(-perturbed[able], kind="stable")][:n]


def _acquisition_probability(
    scores: NDArray[np.float64],
    perturbed: NDArray[np.float64],
    stays: NDArray[np.bool_],
    substitute: NDArray[np.int64],
    n: int,
    beta: float,
) -> NDArray[np.float64]:
    """Probability that a galaxy passes the n-th largest perturbed score among the *others*, shape (galaxy,).

    For an acquired galaxy the others are all that stay, and the score to pass is the first rejected one. Were a galaxy
    of the random arm not in it, `substitute` (the next by hash, at most one row) would be, and the others are all that
    stay but that.
    """
    if n == 0:
        return np.zeros(len(scores))
    others = stays.copy()
    others[substitute] = False
    kappa = np.where(stays, _nth_largest(perturbed[stays], n + 1), _nth_largest(perturbed[others], n))
    q = np.zeros(len(scores))
    able = scores > 0
    with np.errstate(over="ignore"):  # exp overflows to infinity where nothing is rejected: q is then 1
        q[able] = -np.expm1(-np.exp(beta * np.log(scores[able]) - kappa[able]))
    return q


def _nth_largest(values: NDArray[np.float64], n: int) -> float:
    """Return the n-th largest value, or -inf when there are fewer."""
    return float(np.partition(values, -n)[-n]) if n <= len(values) else -inf


def _report_shortfall(acquired: int, wanted: int, draws: int) -> None:
    if acquired == 0 and wanted > 0:
        mend = "predict with more draws" if draws == 1 else "predict with a model that has dropout"
        raise AcquisitionError(
            f"no galaxy has a positive score: with {draws} draw{'s' * (draws > 1)} the posterior does not "
            f"disagree with itself; {mend}, or choose by score='entropy'"
        )
    if acquired < wanted:
        warnings.warn(
            f"{acquired} galaxies were acquired instead of {wanted}: the others on the shortlist have no positive score",
            UserWarning,
            stacklevel=3,
        )


def _table(
    pool: _Pool, chosen: NDArray[np.int64], n_random: int, scores: NDArray[np.float64], inclusion: NDArray[np.float64]
) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "id": pool.ids[chosen],
            "score": scores[chosen],
            "rank": np.arange(1, len(chosen) + 1),
            "arm": ["acquired"] * (len(chosen) - n_random) + ["random"] * n_random,
            "inclusion_probability": inclusion[chosen],
        }
    )


# The arguments ------------------------------------------------------------------------------------------------------


def _check(n: int, *, votes: int, score: str, exclude: object, random_share: float, beta: float) -> None:
    for name, value in (("n", n), ("votes", votes)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise AcquisitionError(f"{name} = {value!r}: give a whole number, 1 or more")
    if score not in _SCREENS:
        known = ", ".join(get_args(Score))
        raise AcquisitionError(f"there is no score '{score}'.{did_you_mean(str(score), _SCREENS)} Scores are {known}")
    if isinstance(exclude, str):
        raise AcquisitionError(f"exclude is the text '{exclude}'; give a collection of ids")
    if not 0 <= random_share <= 1:
        raise AcquisitionError(f"random_share = {random_share}: give a number between 0 and 1")
    if not (isfinite(beta) and beta >= 0):
        raise AcquisitionError(f"beta = {beta}: give a finite number, 0 or more")
