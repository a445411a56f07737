"""The choice of galaxies whose numbers, such as masses, are together most informative about a linear model."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil
from typing import TYPE_CHECKING, NamedTuple, Protocol, Unpack

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.config import AcquisitionConfig, AcquisitionOptions, check_count
from zooactive.acquisition.eligible import Eligible, screen
from zooactive.acquisition.pool import Screened
from zooactive.foundation.errors import AcquisitionError

if TYPE_CHECKING:
    import pandas as pd

_SHORTLIST_PER_GALAXY = 20
_SHORTLIST_LEAST = 5000
_SHORTLIST_SHARE = 0.005


class NumberPool(Screened, Protocol):
    """A pool for `acquire_numbers`, such as stored predictions of numbers.

    Its screening scores are the information that the label of each galaxy alone would give, in nats.
    """

    def directions(self, ids: Collection[str]) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
        """Return the ids that the pool has, their directions z (galaxy, weight) and noise variances (galaxy,).

        Along these directions, the weights have the covariance 1: the variance of a galaxy's mean is ``|z|^2``.
        """


class JointChoice(NamedTuple):
    """Rows in the order of their choice, and the information in nats that each adds to the earlier ones.

    ``passed_over`` (galaxy,) says which galaxies that could not be chosen were more informative than a chosen one.
    """

    rows: NDArray[np.int64]
    gains: NDArray[np.float64]
    passed_over: NDArray[np.bool_]


def greedy_information(
    directions: NDArray[np.float64], noise: NDArray[np.float64], n: int, *, able: NDArray[np.bool_] | None = None
) -> JointChoice:
    """Choose galaxies one by one, each time the one whose label is most informative given the earlier labels.

    The information is about the weights of a linear model.

    Parameters
    ----------
    directions : ndarray of float64, shape (galaxy, weight)
        The directions along which the weights have the covariance S = 1.
    noise : ndarray of float64, shape (galaxy,)
        The noise variance of each label.
    n : int
        The number of galaxies to choose. If fewer can be chosen, all of them are.
    able : ndarray of bool, shape (galaxy,), optional
        The galaxies that can be chosen. The default is all.

    Returns
    -------
    JointChoice

    Notes
    -----
    A label y = z . w + N(0, v) gives 1/2 log(1 + z' S z / v) nats about w ~ N(m, S), and leaves the covariance
    S - S z z' S / (v + z' S z) (Sherman & Morrison). By the chain rule, the gains of a batch add up to the joint information
    of all its labels, 1/2 log det(1 + Z S Z' / v). With u = S z / sqrt(v + z' S z) for each choice, the variance of every
    galaxy's mean falls by (z . u)^2. This takes one product per choice, and S is never computed in full. The information of
    a set is submodular; the greedy batch therefore has at least 1 - 1/e of the best batch's information (Nemhauser, Wolsey &
    Fisher 1978, Math. Prog. 14, 265).

    Examples
    --------
    >>> same = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    >>> greedy_information(same, np.ones(3), 2).rows.tolist()
    [0, 2]
    """
    able = np.ones(len(noise), dtype=bool) if able is None else able.copy()
    others = ~able
    passed_over = np.zeros(len(noise), dtype=bool)
    variance = (directions**2).sum(1)
    n = min(n, int(able.sum()))
    rows, gains, used = np.empty(n, dtype=np.int64), np.empty(n), np.empty((n, directions.shape[1]))
    for k in range(n):
        ratio = variance / noise
        row = int(np.argmax(np.where(able, ratio, -np.inf)))
        passed_over |= others & (ratio > ratio[row])
        rows[k], gains[k], able[row] = row, 0.5 * np.log1p(max(ratio[row], 0.0)), False
        left = directions[row] - used[:k].T @ (used[:k] @ directions[row])
        used[k] = left / np.sqrt(noise[row] + max(variance[row], 0.0))
        variance = np.maximum(variance - (directions @ used[k]) ** 2, 0.0)
    return JointChoice(rows, gains, passed_over)


def acquire_numbers(
    pool: NumberPool,
    n: int = 500,
    *,
    exclude: Collection[str] = (),
    config: AcquisitionConfig | None = None,
    **options: Unpack[AcquisitionOptions],
) -> pd.DataFrame:
    """Choose the galaxies whose labels would together be most informative about the weights of a model of a number.

    The random arm is drawn first, as in `zooactive.acquire`. The shortlist is the most informative part of the other
    galaxies: ``max(20 n, 5000, 0.5% of the pool)`` of them. `greedy_information` chooses jointly from the shortlist.

    Parameters
    ----------
    pool : NumberPool
    n : int
        The number of galaxies to choose, in both arms together.
    exclude : collection of str
        Ids that are not eligible, such as galaxies that are already labelled.
    config : AcquisitionConfig, optional
        The settings. Only random_share, seed and score ("mutual_information" or "random") have an effect.
    **options
        Options of `AcquisitionConfig`, which replace those of `config`.

    Returns
    -------
    DataFrame
        Sorted by ``rank``: the acquired galaxies in the order of their choice, then the random arm. Columns are ``id``,
        ``score`` (the nats that a label adds to the earlier labels, or gives alone in the random arm), ``rank``, ``arm``
        and ``inclusion_probability``. The choice has no noise: the probability is 1 for acquired galaxies, 1 for galaxies
        of the random arm that would have been chosen anyway, and the random arm's share of the pool for the others.

    Raises
    ------
    AcquisitionError
        When an option does not apply to numbers, or `n` exceeds the eligible pool.
    """
    check_count("n", n)
    config = (config or AcquisitionConfig()).acquisition(**options)
    if config.score not in ("mutual_information", "random") or config.target is not None or config.max_artifact is not None:
        raise AcquisitionError(
            f"score = '{config.score}', target = {config.target}, max_artifact = {config.max_artifact}: for numbers, give "
            "the score mutual_information or random, and leave out target and max_artifact"
        )
    eligible = screen(pool, frozenset(exclude), config)
    if n > len(eligible):
        raise AcquisitionError(
            f"{n} galaxies were asked for, but {len(eligible)} are eligible ({eligible.excluded} of the pool are excluded); "
            "ask for fewer, or predict more galaxies"
        )
    n_random = round(config.random_share * n)
    drawn = eligible.first_by_hash(n if config.score == "random" else n_random)
    inclusion = np.full(len(eligible), (n if config.score == "random" else n_random) / len(eligible))
    if config.score == "random":
        chosen = np.concatenate([drawn[n_random:], drawn[:n_random]])
        return _table(eligible, chosen, n_random, eligible.screened[chosen], inclusion)
    shortlisted = _shortlist(eligible, drawn, max(_SHORTLIST_PER_GALAXY * n, _SHORTLIST_LEAST))
    names = eligible.names(shortlisted)
    row_of = dict(zip(names, shortlisted.tolist(), strict=True))
    ids, directions, noise = pool.directions(frozenset(names))
    rows = np.array([row_of[name] for name in ids], dtype=np.int64)
    order = np.argsort(eligible.hashes[rows])  # ties are broken by hash, whatever the order of the pool
    rows, directions, noise = rows[order], directions[order], noise[order]
    joint = greedy_information(directions, noise, n - n_random, able=~np.isin(rows, drawn))
    inclusion[rows[joint.rows]] = 1.0
    inclusion[rows[joint.passed_over]] = 1.0
    scores = np.concatenate([joint.gains, eligible.screened[drawn]])
    return _table(eligible, np.concatenate([rows[joint.rows], drawn]), n_random, scores, inclusion)


def _shortlist(eligible: Eligible, drawn: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the rows of the most informative galaxies, and those of the random arm."""
    size = max(size, ceil(_SHORTLIST_SHARE * len(eligible)))
    if size >= len(eligible):
        return np.arange(len(eligible))
    best = np.lexsort((eligible.hashes, -eligible.screened))[:size]
    return np.union1d(best, drawn)


def _table(
    eligible: Eligible,
    chosen: NDArray[np.int64],
    n_random: int,
    scores: NDArray[np.float64],
    inclusion: NDArray[np.float64],
) -> pd.DataFrame:
    import pandas as pd

    selection = pd.DataFrame(
        {
            "id": np.array(eligible.names(chosen), dtype=object),
            "score": scores,
            "rank": np.arange(1, len(chosen) + 1),
            "arm": ["acquired"] * (len(chosen) - n_random) + ["random"] * n_random,
            "inclusion_probability": inclusion[chosen],
        }
    )
    selection.attrs = {"eligible": len(eligible), "excluded": eligible.excluded, "artifacts": 0}
    return selection
