"""Which galaxies to show to volunteers next: scores of a posterior, and the choice made by them.

A `zooactive.posterior.Posterior` is the only thing that these functions see. One idea a file: `tree_information` (the
estimator used in earnest), `enumeration` (its exact reference), `one_vote` (the screening bound), `entropy` (a baseline) and
`selection` (the choice).
"""

from __future__ import annotations

from zooactive.acquisition.entropy import predictive_entropy
from zooactive.acquisition.enumeration import exact_mutual_information
from zooactive.acquisition.one_vote import one_vote_information
from zooactive.acquisition.selection import acquire
from zooactive.acquisition.tree_information import mutual_information

__all__ = ["acquire", "exact_mutual_information", "mutual_information", "one_vote_information", "predictive_entropy"]
