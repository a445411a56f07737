"""The facts about each galaxy before clicks are allocated: the cost and the value of further volunteers."""

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
"""The numbers of further volunteers that are compared, in addition to the number left to the ceiling."""

CLICK = 1_000_000
"""Clicks are counted in whole millionths, so that sums do not depend on their order."""


@dataclass(frozen=True, eq=False)
class Look:
    """The costs and values of further volunteers for some galaxies.

    Parameters
    ----------
    ids : pyarrow.Array of strings, length galaxy
    received : ndarray of int64, shape (galaxy,)
        The number of volunteers who were shown the galaxy so far.
    missing : ndarray of float64, shape (galaxy,)
        What is missing from the goal, before any further vote.
    cost : ndarray of int64, shape (galaxy,)
        The cost of one more volunteer in millionths of a click: sum_q P(asked q), over the counted questions.
    artifact : ndarray of bool, shape (galaxy,)
        Whether the galaxy is probably an artifact.
    done : ndarray of bool, shape (galaxy,)
        Whether no more than the allowed amount is missing from the goal.
    floor : ndarray of int32, shape (galaxy,)
        The number of further volunteers that the floor requires.
    points : ndarray of int32, shape (galaxy, point)
        Numbers of further volunteers, ascending from 0 to the number that the ceiling allows. The floor is one of them.
    values : ndarray of float64, shape (galaxy, point)
        The value of each number of further volunteers.
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
    """Return the look at some galaxies, whose votes so far are (galaxy, answer)."""
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
    """Return the numbers of further volunteers to compare, shape (galaxy, point), with as many points for all chunks."""
    steps = np.array([0, *(more for more in LADDER if more < config.ceiling)])
    columns = [np.minimum(steps, most[:, None]), most]
    return np.sort(np.column_stack([*columns, floor] if config.floor else columns), axis=1)
