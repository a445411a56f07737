"""The second look at a pool: how the galaxies of the shortlist are scored, and why each would tell something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.clicks import expected_clicks
from zooactive.acquisition.eligible import Eligible
from zooactive.acquisition.epig import epig
from zooactive.acquisition.pool import Pool
from zooactive.acquisition.tree_information import information_by_question
from zooactive.errors import AcquisitionError
from zooactive.posterior import Posterior

_TARGET_SAMPLE = 500


class Reason(NamedTuple):
    """Why a galaxy, and what it costs: the question whose votes would tell most, and the expected clicks."""

    question: str
    clicks: float


def look_closer(
    pool: Pool,
    eligible: Eligible,
    wanted: NDArray[np.bool_],
    *,
    score: str,
    votes: int,
    seed: int,
    per_clicks: float,
    target: str | None,
) -> tuple[NDArray[np.float64], dict[str, Reason]]:
    """Score the wanted galaxies.

    Returns
    -------
    scores : ndarray of float64, shape (eligible galaxy,)
        NaN for those that are not wanted.
    reasons : dict of str to Reason
        Of the wanted galaxies by id; empty where the score does not come by way of them.
    """
    reasons: dict[str, Reason] = {}
    if score != "mutual_information" and per_clicks == 0:
        return eligible.screened, reasons
    rows = np.flatnonzero(wanted)
    row = dict(zip(eligible.names(rows), rows.tolist(), strict=True))
    sample = None if target is None else _target_sample(pool, eligible, seed)
    scores = np.full(len(eligible), np.nan)
    for part in pool.posteriors(row.keys()):
        here = [row[galaxy_id] for galaxy_id in part.ids]
        if sample is not None:
            found = epig(part, sample, column=target, votes=votes, seed=seed)
        elif score == "mutual_information":
            # By question: that costs half as much again, and a third reading of a pool on disk would cost more.
            shares = information_by_question(part, votes, seed=seed)
            reasons |= _reasons(part, shares, votes)
            found = np.maximum(shares.sum(1), 0)
        else:
            found = eligible.screened[here]
        scores[here] = found / expected_clicks(part, votes) ** per_clicks if per_clicks else found
    lost = wanted & np.isnan(scores)
    if lost.any():
        raise AcquisitionError(
            f"galaxy '{eligible.names(np.flatnonzero(lost)[:1])[0]}' was in the pool when it was screened and not when it "
            "was read again; give an iterable that holds the same galaxies each time"
        )
    return scores, reasons


def reasons_of(pool: Pool, names: Iterable[str], *, votes: int, seed: int) -> dict[str, Reason]:
    """Read the pool for the reasons of some galaxies."""
    reasons: dict[str, Reason] = {}
    for part in pool.posteriors(frozenset(names)):
        reasons |= _reasons(part, information_by_question(part, votes, seed=seed), votes)
    return reasons


def _reasons(part: Posterior, shares: NDArray[np.float64], votes: int) -> dict[str, Reason]:
    """Name the question of the largest share, blank where no question tells anything."""
    best = shares.argmax(1)
    tells = [part.tree.questions[q].name if shares[g, q] > 0 else "" for g, q in enumerate(best)]
    clicks = expected_clicks(part, votes).tolist()
    return {name: Reason(*why) for name, *why in zip(part.ids.tolist(), tells, clicks, strict=True)}


def _target_sample(pool: Pool, eligible: Eligible, seed: int) -> Posterior:
    """Posterior of galaxies drawn from the eligible pool by a hash of their own, in the order of their ids."""
    from zooactive.acquisition.id_hashes import hash_arrow_ids

    hashes = hash_arrow_ids(eligible.ids, purpose="target", seed=seed)
    size = min(_TARGET_SAMPLE, len(eligible))
    drawn = np.argpartition(hashes, size - 1)[:size]
    names = sorted(eligible.names(drawn))
    parts = list(pool.posteriors(frozenset(names)))
    whole = Posterior(
        np.concatenate([part.concentrations for part in parts], axis=1),
        [galaxy_id for part in parts for galaxy_id in part.ids],
        parts[0].tree,
        weights=np.concatenate([part.weights for part in parts], axis=1),
    )
    return whole.select(names)
