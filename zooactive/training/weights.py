"""What each galaxy counts in a fit: its votes, and a weight where labels are rare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.tree import DecisionTree


def label_weights(
    votes: NDArray[np.float32], train: NDArray[np.float32], tree: DecisionTree, balance: float
) -> NDArray[np.float32]:
    """Weigh each galaxy by how rare its label is among those learnt from; of several questions, the rarest counts.

    `train` has the votes of the galaxies that are learnt from: they say how rare an answer is. The weight of a label is its
    frequency to the power of minus `balance`: 0 for all galaxies alike, 1 for all answers alike. The weights, float32
    (galaxy,), have a mean of 1 over the galaxies that are learnt from.
    """

    def raw(of: NDArray[np.float32]) -> NDArray[np.float64]:
        weights = np.zeros(len(of))
        for where in tree.slices:
            counts = train[:, where].sum(0, dtype=float)
            rarity = (counts.sum() / np.maximum(counts, 1)) ** balance  # one that was not learnt is as rare as a single one
            shares = of[:, where] / np.maximum(of[:, where].sum(1, keepdims=True), 1e-12)
            weights = np.maximum(weights, shares @ rarity)
        return weights

    if not balance:
        return np.ones(len(votes), dtype=np.float32)
    return np.asarray(raw(votes) / raw(train).mean(), dtype=np.float32)


def votes_of(catalogue: Catalogue) -> NDArray[np.float32]:
    """Return the votes of a catalogue that has some, float32 (galaxy, answer)."""
    return catalogue.require_votes().votes.astype(np.float32)
