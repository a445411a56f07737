"""What is known of each galaxy before clicks are allocated: what more volunteers cost and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.allocation.config import AllocationConfig
from zooactive.acquisition.pool import artifact_share
from zooactive.acquisition.scores.tree_information import checked_trees
from zooactive.acquisition.scores.vote_value import loss, values_on_ladder
from zooactive.posterior import Posterior

if TYPE_CHECKING:
    import pyarrow as pa

LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of more volunteers that are compared; what is left to the ceiling is another."""

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
        Millionths of a click that one more volunteer costs: sum_q P(asked q), over the questions that are counted.
    artifact : ndarray of bool, shape (galaxy,)
        Whether it is likely to be no galaxy.
    done : ndarray of bool, shape (galaxy,)
        Whether nothing that counts is missing from the goal.
    floor : ndarray of int32, shape (galaxy,)
        More volunteers that the floor asks for.
    points : ndarray of int32, shape (galaxy, point)
        Numbers of more volunteers, ascending from 0 to what the ceiling allows; the floor is one of them.
    values : ndarray of float64, shape (galaxy, point)
        What they are worth.
    """

    ids: pa.Array
    received: NDArray[np.int64]
    missing: NDArray[np.float64]
    cost: NDArray[np.int64]
    artifact: NDArray[np.bool_]
    done: NDArray[np.bool_]
    floor: NDArray[np.int32]
    points: NDArray[np.int32]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.received)


def look_at(prior: Posterior, votes: NDArray[np.float64], config: AllocationConfig) -> Look:
    """Look at some galaxies, whose votes so far are (galaxy, answer)."""
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
    floor = np.where(artifact, 0, np.maximum(config.floor - received, 0))
    points = _points(floor, np.where(artifact, 0, np.maximum(config.ceiling - received, 0)), config)
    trees = checked_trees(config.trees, prior.draws)
    values = values_on_ladder(believed, points, config, received=votes, trees=trees, seed=config.seed)
    asked = believed.asked()[:, config.counted_questions(tree)]
    cost = np.maximum(np.rint(asked.sum(1) * CLICK), 1).astype(np.int64)
    ids = pa.array(prior.ids, pa.string())
    return Look(ids, received, missing, cost, artifact, done, floor.astype(np.int32), points.astype(np.int32), values)


def _points(floor: NDArray[np.int64], most: NDArray[np.int64], config: AllocationConfig) -> NDArray[np.int64]:
    """Numbers of more volunteers that are compared, shape (galaxy, point); as many points for all chunks."""
    steps = np.array([0, *(more for more in LADDER if more < config.ceiling)])
    columns = [np.minimum(steps, most[:, None]), most]
    return np.sort(np.column_stack([*columns, floor] if config.floor else columns), axis=1)
