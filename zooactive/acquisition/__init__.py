"""Which galaxies to show next: scores of a posterior, and the choice made by them. Sees nothing but Posterior.

One idea a file:

- in `scores/`: `tree_information` (the estimator used in earnest, and its shares by question); `enumeration`, `bounds`
  and `conditional_entropy`, exact for small cases;
- `one_vote` (the screening bound);
- `epig` (what votes tell about other galaxies); `batch` (what several galaxies tell together);
- `binomial`, `entropy` and `variance` (baselines); `clicks` (the cost); `k_centre` (diversity);
- `selection` (the choice).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooactive.foundation.faces import names_on_demand

if TYPE_CHECKING:
    from zooactive.acquisition.config import AcquisitionConfig
    from zooactive.acquisition.scores.batch import greedy_batch, joint_information
    from zooactive.acquisition.scores.binomial import binomial_information
    from zooactive.acquisition.scores.bounds import information_bounds
    from zooactive.acquisition.scores.clicks import expected_clicks
    from zooactive.acquisition.scores.conditional_entropy import conditional_entropy
    from zooactive.acquisition.scores.entropy import predictive_entropy
    from zooactive.acquisition.scores.enumeration import exact_mutual_information
    from zooactive.acquisition.scores.epig import epig
    from zooactive.acquisition.scores.k_centre import k_centre
    from zooactive.acquisition.scores.one_vote import one_vote_information
    from zooactive.acquisition.scores.tree_information import information_by_question, mutual_information
    from zooactive.acquisition.scores.variance import draw_variance
    from zooactive.acquisition.selection import acquire

__all__ = [
    "AcquisitionConfig",
    "acquire",
    "binomial_information",
    "conditional_entropy",
    "draw_variance",
    "epig",
    "exact_mutual_information",
    "expected_clicks",
    "greedy_batch",
    "information_bounds",
    "information_by_question",
    "joint_information",
    "k_centre",
    "mutual_information",
    "one_vote_information",
    "predictive_entropy",
]

_HOMES = {
    "AcquisitionConfig": "zooactive.acquisition.config",
    "greedy_batch": "zooactive.acquisition.scores.batch",
    "joint_information": "zooactive.acquisition.scores.batch",
    "binomial_information": "zooactive.acquisition.scores.binomial",
    "information_bounds": "zooactive.acquisition.scores.bounds",
    "expected_clicks": "zooactive.acquisition.scores.clicks",
    "conditional_entropy": "zooactive.acquisition.scores.conditional_entropy",
    "predictive_entropy": "zooactive.acquisition.scores.entropy",
    "exact_mutual_information": "zooactive.acquisition.scores.enumeration",
    "epig": "zooactive.acquisition.scores.epig",
    "k_centre": "zooactive.acquisition.scores.k_centre",
    "one_vote_information": "zooactive.acquisition.scores.one_vote",
    "information_by_question": "zooactive.acquisition.scores.tree_information",
    "mutual_information": "zooactive.acquisition.scores.tree_information",
    "draw_variance": "zooactive.acquisition.scores.variance",
    "acquire": "zooactive.acquisition.selection",
}
__getattr__ = names_on_demand(__name__, _HOMES)
"""A workspace holds options of `acquire` and loads none of this until it chooses."""


def __dir__() -> list[str]:
    return sorted(__all__)
