"""The weight of each galaxy in a fit: its votes, and a factor for rare labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.tree import DecisionTree


def label_weights(
    votes: NDArray[np.float32], train: NDArray[np.float32], tree: DecisionTree, balance: float
) -> NDArray[np.float32]:
    """Return weights of galaxies by the rarity of their labels in the training set; with several questions, the rarest
    counts.

    `train` has the votes of the training galaxies, which define how rare an answer is. The weight of a label is its
    frequency to the power of minus `balance`: with 0 all galaxies count equally, with 1 all answers do. The weights, float32
    (galaxy,), have a mean of 1 over the training galaxies.
    """

    def raw(of: NDArray[np.float32]) -> NDArray[np.float64]:
        weights = np.zeros(len(of))
        for where in tree.slices:
            counts = train[:, where].sum(0, dtype=float)
            rarity = (counts.sum() / np.maximum(counts, 1)) ** balance  # no galaxies count as one
            shares = of[:, where] / np.maximum(of[:, where].sum(1, keepdims=True), 1e-12)
            weights = np.maximum(weights, shares @ rarity)
        return weights

    if not balance:
        return np.ones(len(votes), dtype=np.float32)
    return np.asarray(raw(votes) / raw(train).mean(), dtype=np.float32)


def votes_of(catalogue: Catalogue) -> NDArray[np.float32]:
    """Return the votes of a catalogue, which must have some, as float32 (galaxy, answer)."""
    return catalogue.require_votes().votes.astype(np.float32)
