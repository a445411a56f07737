"""The second look at a pool: the scores of the shortlist, and why each galaxy is informative."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.config import AcquisitionConfig
from zooactive.acquisition.eligible import Eligible
from zooactive.acquisition.pool import Pool, PosteriorPool, gather
from zooactive.acquisition.scores.clicks import expected_clicks
from zooactive.acquisition.scores.tree_information import information_by_question
from zooactive.acquisition.scorings import scoring_of
from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior

_TARGET_SAMPLE, _TARGET_SAMPLE_OF_ALL = 500, 100
"""The number of target galaxies for `epig`: for one answer, and for all answers of the tree, where each answer costs as
much."""

_KEPT = 1 << 28
"""The largest shortlist kept in memory for the reasons, in bytes of concentrations. A larger one is read again."""


class Reason(NamedTuple):
    """Why a galaxy is chosen: the question whose votes are most informative, its share, and the expected clicks."""

    question: str
    share: float
    clicks: float


def look_closer(
    pool: Pool,
    eligible: Eligible,
    wanted: NDArray[np.bool_],
    config: AcquisitionConfig,
) -> tuple[NDArray[np.float64], Pool]:
    """Score the wanted galaxies, and return the scores and a pool that holds their posteriors.

    The scores have shape (eligible galaxy,), with NaN for galaxies that are not wanted.
    """
    scoring = scoring_of(config)
    look = scoring.closely
    if scoring.about_others is not None:
        look = partial(scoring.about_others, _target_sample(pool, eligible, config))
    if look is None and config.per_clicks == 0:
        return eligible.screened, pool
    rows = np.flatnonzero(wanted)
    row = dict(zip(eligible.names(rows), rows.tolist(), strict=True))
    scores = np.full(len(eligible), np.nan)
    kept: list[Posterior] = []
    for part in pool.posteriors(row.keys()):
        here = [row[galaxy_id] for galaxy_id in part.ids]
        found = eligible.screened[here] if look is None else look(part, config)
        scores[here] = found / expected_clicks(part, config.votes) ** config.per_clicks if config.per_clicks else found
        if len(rows) * part.concentrations[:, :1].nbytes <= _KEPT:
            kept.append(part)
    lost = wanted & np.isnan(scores)
    if lost.any():
        raise AcquisitionError(
            f"galaxy '{eligible.names(np.flatnonzero(lost)[:1])[0]}' was in the pool the first time, but not the second; "
            "give an iterable that holds the same galaxies each time"
        )
    return scores, PosteriorPool(kept) if kept else pool


def reasons_of(near: Pool, names: Iterable[str], *, votes: int, seed: int) -> dict[str, Reason]:
    """Return, for each galaxy, the question whose votes are most informative (or blank), its share, and the clicks."""
    reasons: dict[str, Reason] = {}
    for part in near.posteriors(frozenset(names)):
        shares = information_by_question(part, votes, seed=seed)
        best = shares.argmax(1)
        tells = [part.tree.questions[q].name if shares[g, q] > 0 else "" for g, q in enumerate(best)]
        positive = np.clip(shares, 0, None)  # estimates near 0 may be negative
        most, whole = positive.max(1), positive.sum(1)
        part_of_it = np.divide(most, whole, out=np.full(len(whole), np.nan), where=whole > 0).tolist()
        clicks = expected_clicks(part, votes).tolist()
        reasons |= {name: Reason(*why) for name, *why in zip(part.ids.tolist(), tells, part_of_it, clicks, strict=True)}
    return reasons


def _target_sample(pool: Pool, eligible: Eligible, config: AcquisitionConfig) -> Posterior:
    """Return the posterior of galaxies drawn from the eligible pool by their own hash, in the order of their ids."""
    from zooactive.acquisition.compiled.id_hashes import hash_arrow_ids

    hashes = hash_arrow_ids(eligible.ids, purpose="target", seed=config.seed)
    size = min(_TARGET_SAMPLE_OF_ALL if config.target is None else _TARGET_SAMPLE, len(eligible))
    drawn = np.argpartition(hashes, size - 1)[:size]
    return gather(pool, sorted(eligible.names(drawn)))
