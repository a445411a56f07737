"""The choice of n galaxies from a pool of any size: a random share, a screening, a score, and noise hashed from ids."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from math import ceil, inf
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.config import AcquisitionConfig, AcquisitionOptions, check_count
from zooactive.acquisition.eligible import Eligible, screen
from zooactive.acquisition.pool import Pool, as_pool
from zooactive.acquisition.second_look import Reason, look_closer, reasons_of
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.hashing import gumbel_from_ids
from zooactive.posterior import Posterior

if TYPE_CHECKING:
    import pandas as pd

_SHORTLIST_PER_GALAXY = 20
_SHORTLIST_SHARE = 0.005


def acquire(
    posterior: Posterior | Iterable[Posterior] | Pool,
    n: int = 500,
    *,
    exclude: Collection[str] = (),
    config: AcquisitionConfig | None = None,
    **options: Unpack[AcquisitionOptions],
) -> pd.DataFrame:
    """Choose the galaxies to show volunteers next.

    1. The random arm: ``round(random_share * n)`` galaxies are drawn uniformly from the whole eligible pool by a separate
       hash. Keep them out of training, so that metrics on them stay unbiased.
    2. Screening: the rest is scored by `one_vote_information`; the best ``max(20 n, 0.5% of the pool)`` galaxies are the
       shortlist.
    3. The shortlist is scored by `mutual_information`. The galaxies with the largest ``beta * ln(score) + Gumbel noise``
       are acquired, but never a galaxy whose score is not positive.

    All noise is hashed from ids. The choice therefore does not depend on the order or the chunks of the pool.

    Parameters
    ----------
    posterior : Posterior, iterable of Posterior, or Pool
        The pool: whole, in chunks, or stored (`zooactive.prediction.Predictions`). It is read twice, once for the screening
        and once for the shortlist, and only ids and screening scores are kept. Give a list, or an object whose ``__iter__``
        reads from disk.
    n : int
        The number of galaxies to choose, in both arms together.
    exclude : collection of str
        Ids that are not eligible, such as galaxies that are already labelled. Ids that are not in the pool are ignored.
    config : AcquisitionConfig, optional
        The settings.
    **options
        Options of `AcquisitionConfig`, which replace those of `config`: votes, seed, score, random_share, beta, per_clicks,
        max_artifact, target.

    Returns
    -------
    pandas.DataFrame
        Sorted by ``rank`` (1 to n): the acquired galaxies by perturbed score, then the random arm. Columns are ``id``,
        ``score`` (in nats if it is an information), ``rank``, ``arm`` ("acquired" or "random"), ``inclusion_probability``,
        ``question`` (the one whose votes are most informative, by the chain rule), ``question_share`` (its share of the
        galaxy's information) and ``clicks`` (the expected number of answers). Its ``attrs`` hold the sizes of the pool and
        the shortlist, and the lowest screening score on the shortlist.

    Raises
    ------
    AcquisitionError
        When an argument is impossible, an id occurs twice, chunks have different trees or numbers of draws, `n` exceeds the
        eligible pool, or no galaxy has a positive score.

    Notes
    -----
    This is the "power" sampling of Kirsch et al. 2023 (TMLR, arXiv:2106.12059). The inclusion probability is r + (1 - r) q,
    with r = n_random / pool and q = 1 - exp(-exp(beta ln s - kappa)). Here kappa is the perturbed score that the galaxy had
    to pass. For an acquired galaxy, it is the score of the first rejected galaxy. A galaxy of the random arm would have
    displaced the last acquired galaxy, so that kappa is the perturbed score of that one (among the galaxies that would then
    remain, after the next galaxy by hash has taken its place in the random arm). Its q is 0 if it would not have been on the
    shortlist. If no galaxy is rejected, q is 1. With a random arm, every galaxy of the pool can be chosen, and sums over the
    selection weighted by 1 / inclusion_probability estimate sums over the whole pool. Without a random arm, they estimate
    sums over the shortlist alone.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> posterior = Posterior([[[9, 1], [5, 5]], [[1, 9], [5, 5]]], ["doubtful", "ambiguous"], tree)
    >>> acquire(posterior, n=1).id.tolist()
    ['doubtful']
    """
    check_count("n", n)
    if isinstance(exclude, str):
        raise AcquisitionError(f"exclude is the text '{exclude}'; give a collection of ids")
    config = (config or AcquisitionConfig()).acquisition(**options)
    pool = as_pool(posterior)
    eligible = screen(pool, frozenset(exclude), config)
    if n > len(eligible):
        raise AcquisitionError(
            f"{n} galaxies were asked for, but {len(eligible)} are eligible ({eligible.excluded} of the pool are excluded, "
            f"{eligible.artifacts} look like artifacts); ask for fewer, or predict more galaxies"
        )
    n_random = round(config.random_share * n)
    drawn = eligible.first_by_hash(max(n if config.score == "random" else 0, n_random + 1))
    if config.score == "random":
        chosen = np.concatenate([drawn[n_random:n], drawn[:n_random]])
        reasons = reasons_of(pool, eligible.names(chosen), votes=config.votes, seed=config.seed)
        return _table(eligible, chosen, n_random, eligible.screened, np.full(len(eligible), n / len(eligible)), reasons)

    stays = np.ones(len(eligible), dtype=bool)
    stays[drawn[:n_random]] = False
    size = max(_SHORTLIST_PER_GALAXY * n, ceil(_SHORTLIST_SHARE * len(eligible)))
    shortlisted = _shortlist(eligible, stays, size, config.seed)
    scores, near = look_closer(pool, eligible, shortlisted | ~stays, config)
    perturbed = _perturb(eligible, scores, shortlisted, config.beta, config.seed)
    acquired = _top(perturbed, stays, n - n_random, eligible.hashes)
    _report_shortfall(len(acquired), n - n_random)
    q = _acquisition_probability(scores, perturbed, stays, drawn[n_random : n_random + 1], n - n_random, config.beta)
    q[~shortlisted] = 0
    r = n_random / len(eligible)
    chosen = np.concatenate([acquired, drawn[:n_random]])
    reasons = reasons_of(near, eligible.names(chosen), votes=config.votes, seed=config.seed)
    selection = _table(eligible, chosen, n_random, scores, r + (1 - r) * q, reasons)
    selection.attrs |= {
        "shortlist": int((shortlisted & stays).sum()),
        "threshold": float(eligible.screened[shortlisted & stays].min(initial=inf)),
    }
    return selection


# The choice ---------------------------------------------------------------------------------------------------------


def _shortlist(eligible: Eligible, stays: NDArray[np.bool_], size: int, seed: int) -> NDArray[np.bool_]:
    """Return whether each galaxy passes the `size`-th best screening score of those that stay, shape (galaxy,).

    For a galaxy of the random arm, return whether it would have been on the shortlist had it stayed. Ties at the threshold
    are broken by a hash other than the selection's noise, because that noise must stay independent of the shortlist.
    """
    from zooactive.acquisition.compiled.id_hashes import hash_arrow_ids

    candidates = eligible.screened[stays]
    if len(candidates) < size:
        return np.ones(len(eligible), dtype=bool)
    threshold = np.partition(candidates, -size)[-size]
    inside = np.asarray(eligible.screened > threshold)
    tied = np.flatnonzero(eligible.screened == threshold)
    lots = hash_arrow_ids(eligible.ids.take(tied), purpose="trees", seed=seed)
    places = size - int((inside & stays).sum())
    last = np.sort(lots[stays[tied]])[places - 1]
    inside[tied[lots <= last]] = True
    return inside


def _perturb(
    eligible: Eligible, scores: NDArray[np.float64], shortlisted: NDArray[np.bool_], beta: float, seed: int
) -> NDArray[np.float64]:
    """Return beta ln(score) plus Gumbel noise for each galaxy, or -inf for a galaxy that is never chosen."""
    able = np.flatnonzero(shortlisted & (scores > 0))
    perturbed = np.full(len(scores), -inf)
    perturbed[able] = beta * np.log(scores[able]) + gumbel_from_ids(eligible.names(able), seed=seed)
    return perturbed


def _top(perturbed: NDArray[np.float64], stays: NDArray[np.bool_], n: int, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the rows of the n largest perturbed scores, largest first; ties are broken by hash."""
    able = np.flatnonzero(stays & (perturbed > -inf))
    return np.asarray(able[np.lexsort((hashes[able], -perturbed[able]))][:n])


def _acquisition_probability(
    scores: NDArray[np.float64],
    perturbed: NDArray[np.float64],
    stays: NDArray[np.bool_],
    substitute: NDArray[np.int64],
    n: int,
    beta: float,
) -> NDArray[np.float64]:
    """Return the probability that a galaxy passes the n-th largest perturbed score of the *others*, shape (galaxy,).

    For an acquired galaxy, the others are all that stay, and the score to pass is that of the first rejected galaxy. If a
    galaxy of the random arm were not in it, `substitute` (the next galaxy by hash, at most one row) would be; the others are
    then all that stay except the substitute.
    """
    if n == 0:
        return np.zeros(len(scores))
    others = stays.copy()
    others[substitute] = False
    kappa = np.where(stays, _nth_largest(perturbed[stays], n + 1), _nth_largest(perturbed[others], n))
    q = np.zeros(len(scores))
    able = scores > 0
    with np.errstate(over="ignore"):  # if nothing is rejected, exp overflows to infinity and q is 1
        q[able] = -np.expm1(-np.exp(beta * np.log(scores[able]) - kappa[able]))
    return q


def _nth_largest(values: NDArray[np.float64], n: int) -> float:
    """Return the n-th largest value, or -inf if there are fewer."""
    return float(np.partition(values, -n)[-n]) if n <= len(values) else -inf


def _report_shortfall(acquired: int, wanted: int) -> None:
    if acquired == 0 and wanted > 0:
        raise AcquisitionError(
            "no galaxy has a positive score, because the posterior draws all agree; predict with more draws and with a "
            "model that has dropout, or choose by score='entropy'"
        )
    if acquired < wanted:
        warnings.warn(
            f"{acquired} galaxies were acquired instead of {wanted}: the others on the shortlist have no positive score",
            UserWarning,
            stacklevel=3,
        )


def _table(
    eligible: Eligible,
    chosen: NDArray[np.int64],
    n_random: int,
    scores: NDArray[np.float64],
    inclusion: NDArray[np.float64],
    reasons: dict[str, Reason],
) -> pd.DataFrame:
    import pandas as pd

    names = eligible.names(chosen)
    selection = pd.DataFrame(
        {
            "id": np.array(names, dtype=object),
            "score": scores[chosen],
            "rank": np.arange(1, len(chosen) + 1),
            "arm": ["acquired"] * (len(chosen) - n_random) + ["random"] * n_random,
            "inclusion_probability": inclusion[chosen],
            "question": [reasons[name].question for name in names],
            "question_share": [reasons[name].share for name in names],
            "clicks": [reasons[name].clicks for name in names],
        }
    )
    selection.attrs = {"eligible": len(eligible), "excluded": eligible.excluded, "artifacts": eligible.artifacts}
    return selection
