"""The choice of the galaxies to show next, by scores of a posterior. This package sees only Posterior.

Each file holds one idea:

- in `scores/`: `tree_information` (the main estimator of mutual information, and its shares by question); `enumeration`
  (exact, for small cases);
- `one_vote` (the screening bound);
- `epig` (information about other galaxies); `batch` (joint information from several galaxies);
- `binomial`, `entropy` and `variance` (baselines); `clicks` (the cost); `k_centre` (diversity);
- `selection` (the choice);
- `catalogue_error` and `vote_value` (the value of votes for the catalogue), `allocation` (the number of votes per galaxy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooactive.foundation.faces import names_on_demand

if TYPE_CHECKING:
    from zooactive.acquisition.allocation.allocate import allocate
    from zooactive.acquisition.allocation.config import AllocationConfig
    from zooactive.acquisition.config import AcquisitionConfig
    from zooactive.acquisition.scores.aim import Aim
    from zooactive.acquisition.scores.batch import greedy_batch
    from zooactive.acquisition.scores.binomial import binomial_information
    from zooactive.acquisition.scores.catalogue_error import catalogue_error
    from zooactive.acquisition.scores.clicks import expected_clicks
    from zooactive.acquisition.scores.entropy import predictive_entropy
    from zooactive.acquisition.scores.enumeration import exact_mutual_information
    from zooactive.acquisition.scores.epig import epig
    from zooactive.acquisition.scores.k_centre import k_centre
    from zooactive.acquisition.scores.one_vote import one_vote_information
    from zooactive.acquisition.scores.tree_information import information_by_question, mutual_information
    from zooactive.acquisition.scores.variance import draw_variance
    from zooactive.acquisition.scores.vote_value import value_of_votes
    from zooactive.acquisition.selection import acquire

__all__ = [
    "AcquisitionConfig",
    "Aim",
    "AllocationConfig",
    "acquire",
    "allocate",
    "binomial_information",
    "catalogue_error",
    "draw_variance",
    "epig",
    "exact_mutual_information",
    "expected_clicks",
    "greedy_batch",
    "information_by_question",
    "k_centre",
    "mutual_information",
    "one_vote_information",
    "predictive_entropy",
    "value_of_votes",
]

_HOMES = {
    "AcquisitionConfig": "config",
    "Aim": "scores.aim",
    "AllocationConfig": "allocation.config",
    "allocate": "allocation.allocate",
    "catalogue_error": "scores.catalogue_error",
    "value_of_votes": "scores.vote_value",
    "greedy_batch": "scores.batch",
    "binomial_information": "scores.binomial",
    "expected_clicks": "scores.clicks",
    "predictive_entropy": "scores.entropy",
    "exact_mutual_information": "scores.enumeration",
    "epig": "scores.epig",
    "k_centre": "scores.k_centre",
    "one_vote_information": "scores.one_vote",
    "information_by_question": "scores.tree_information",
    "mutual_information": "scores.tree_information",
    "draw_variance": "scores.variance",
    "acquire": "selection",
}
_GONE = {
    "conditional_entropy": "use exact_mutual_information for small cases, Posterior.vote_entropy for one vote",
    "joint_information": "use greedy_batch of as many galaxies as there are, and the last of its information",
    "information_bounds": "use exact_mutual_information for small cases, mutual_information for others",
}
__getattr__ = names_on_demand(__name__, _HOMES, _GONE)
"""A workspace holds options of `acquire`; these modules are loaded only when it chooses galaxies."""


def __dir__() -> list[str]:
    return sorted(__all__)
