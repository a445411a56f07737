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
