"""What is known of each galaxy before clicks are allocated: what more volunteers cost and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.allocation.config import LADDER, AllocationConfig
from zooactive.acquisition.pool import artifact_share
from zooactive.acquisition.scores.tree_information import checked_trees
from zooactive.acquisition.scores.vote_value import loss, values_on_ladder
from zooactive.posterior import Posterior

if TYPE_CHECKING:
    import pyarrow as pa

CLICK = 1_000_000
"""Clicks are counted in millionths, whole numbers, so that sums do not depend on their order."""


@dataclass(frozen=True, eq=False)
class Look:
    """Some galaxies.

    Parameters
    ----------
    ids : pyarrow.Array of strings, length galaxy
    received : ndarray of int64, shape (galaxy,)
        Volunteers who were shown the galaxy so far.
    missing : ndarray of float64, shape (galaxy,)
        From the goal, before any more vote.
    cost : ndarray of int64, shape (galaxy,)
        Millionths of a click that one more volunteer costs: sum_q P(asked q).
    artifact : ndarray of bool, shape (galaxy,)
        Whether it is likely to be no galaxy.
    done : ndarray of bool, shape (galaxy,)
        Whether nothing that counts is missing from the goal.
    points : ndarray of int64, shape (galaxy, point)
        Numbers of more volunteers, ascending; the first is what the floor asks for, the last what the ceiling allows.
    values : ndarray of float64, shape (galaxy, point)
        What they are worth.
    """

    ids: pa.Array
    received: NDArray[np.int64]
    missing: NDArray[np.float64]
    cost: NDArray[np.int64]
    artifact: NDArray[np.bool_]
    done: NDArray[np.bool_]
    points: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.received)


def look_at(
    prior: Posterior, votes: NDArray[np.float64], config: AllocationConfig, least: NDArray[np.int64] | None = None
) -> Look:
    """Look at some galaxies, whose votes so far are (galaxy, answer); `least` (galaxy,) more votes they get in any case."""
    import pyarrow as pa

    tree = prior.tree
    believed = prior.given_votes(votes) if votes.any() else prior
    received = np.rint(tree.question_sums(votes)[:, list(tree.roots)].max(1)).astype(np.int64)
    missing = loss(believed, config, votes)
    artifact = np.zeros(len(prior), dtype=bool)
    if config.max_artifact is not None:
        artifact = artifact_share(believed) > config.max_artifact
    done = np.zeros(len(prior), dtype=bool)
    if config.done is not None:
        done = (missing <= config.done) & (received >= config.floor)
    points = _points(received, artifact | done, config, least)
    return Look(
        pa.array(prior.ids, pa.string()),
        received,
        missing,
        np.maximum(np.rint(believed.asked().sum(1) * CLICK), 1).astype(np.int64),
        artifact,
        done,
        points,
        values_on_ladder(
            believed, points, config, received=votes, trees=checked_trees(config.trees, prior.draws), seed=config.seed
        ),
    )


def _points(
    received: NDArray[np.int64], closed: NDArray[np.bool_], config: AllocationConfig, least: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Numbers of more volunteers that are compared, shape (galaxy, point)."""
    first = np.maximum(config.floor - received, 0)
    if least is not None:
        first = np.maximum(first, least)
    last = np.maximum(config.ceiling - received, first)
    first[closed], last[closed] = 0, 0
    steps = np.array([step for step in LADDER if step < config.ceiling], dtype=np.int64)
    middle = np.clip(steps, first[:, None], last[:, None])
    return np.column_stack([first, middle, last])
