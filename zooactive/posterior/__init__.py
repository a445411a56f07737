"""A model's expectation of the answers: posterior draws of concentrations, and everything that follows from them."""

from __future__ import annotations

from zooactive.posterior.combined_draws import combine_draws
from zooactive.posterior.files import read_posterior, write_posterior
from zooactive.posterior.posterior import Posterior, VoteEntropy

__all__ = ["Posterior", "VoteEntropy", "combine_draws", "read_posterior", "write_posterior"]
