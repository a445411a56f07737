"""The scores by which galaxies are chosen: how each score screens the pool, and how it scores the shortlist."""

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
    """The functions that compute one score."""

    screen: Callable[[Posterior], NDArray[np.float64]]
    """Screens the whole pool, in closed form."""

    closely: Callable[[Posterior, AcquisitionConfig], NDArray[np.float64]] | None = None
    """Scores the shortlist. Without it, the screening score is kept."""

    about_others: Callable[[Posterior, Posterior, AcquisitionConfig], NDArray[np.float64]] | None = None
    """Replaces `closely` for information about other galaxies; its first argument is a sample of the pool."""


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
    """Return how galaxies are scored; with a target, by the information about the target."""
    return SCORINGS["epig" if config.target is not None else config.score]
