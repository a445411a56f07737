"""The scores that a pool can be chosen by: how each looks at all galaxies, and how at those on the shortlist."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.config import AcquisitionConfig
from zooactive.acquisition.scores.entropy import predictive_entropy
from zooactive.acquisition.scores.epig import epig
from zooactive.acquisition.scores.one_vote import one_vote_information
from zooactive.acquisition.scores.tree_information import mutual_information
from zooactive.acquisition.scores.variance import draw_variance
from zooactive.foundation.vocabulary import Score
from zooactive.posterior import Posterior


class Scoring(NamedTuple):
    """How one score is computed."""

    screen: Callable[[Posterior], NDArray[np.float64]]
    """Of the whole pool, in closed form."""

    closely: Callable[[Posterior, AcquisitionConfig], NDArray[np.float64]] | None = None
    """Of the shortlist; by default the screening score stays."""

    about_others: Callable[[Posterior, Posterior, AcquisitionConfig], NDArray[np.float64]] | None = None
    """In place of `closely`, where what votes tell about others counts: first comes a sample of the pool."""


SCORINGS: dict[Score, Scoring] = {
    "mutual_information": Scoring(
        one_vote_information,
        closely=lambda posterior, config: mutual_information(posterior, config.votes, seed=config.seed),
    ),
    "one_vote": Scoring(one_vote_information),
    "entropy": Scoring(predictive_entropy),
    "variance": Scoring(draw_variance),
    "epig": Scoring(
        one_vote_information,
        about_others=lambda sample, posterior, config: epig(
            posterior, sample, column=config.target, votes=config.votes, seed=config.seed
        ),
    ),
    "random": Scoring(lambda posterior: np.full(len(posterior), np.nan)),
}


def scoring_of(config: AcquisitionConfig) -> Scoring:
    """Return how galaxies are scored: with a target by what their votes tell about that."""
    return SCORINGS["epig" if config.target is not None else config.score]
