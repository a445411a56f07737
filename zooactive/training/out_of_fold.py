"""Out-of-fold predictions: one head per fold, so that no head has been fitted to the votes of a galaxy it predicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import PosteriorError
from zooactive.foundation.hashing import hash_ids
from zooactive.foundation.telling import Tell, silent
from zooactive.models import LinearDraws, find_axes, fit_bayesian_head
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    from zooactive.prediction import Predictions

_FEWEST = 20
"""The least number of galaxies with votes to which a head can be fitted."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Stored embeddings and heads that were not fitted to the galaxies they predict; iterating yields `Posterior` chunks.

    Galaxies with votes are dealt into folds in the order of their hashed ids. The head of a fold is fitted to the votes of
    all other galaxies (`fit_bayesian_head`), which choose its prior in turn, and predicts the galaxies of that fold.
    Galaxies without votes are predicted by a head that was fitted to all. **Limitation**: an encoder that was trained on
    these votes remembers them whatever the head does.

    Parameters
    ----------
    stored : Predictions
        Predictions with embeddings.
    fold_of : mapping of str to int
        The fold of each galaxy with votes.
    heads : tuple of LinearDraws
        One head per fold, and last the head that was fitted to all galaxies.
    """

    stored: Predictions
    fold_of: Mapping[str, int]
    heads: tuple[LinearDraws, ...]

    @classmethod
    def fit(
        cls, stored: Predictions, galaxies: Catalogue, *, folds: int = 5, components: int = 128, tell: Tell = silent
    ) -> OutOfFold:
        """Fit a head for each fold of the galaxies with votes.

        Parameters
        ----------
        stored : Predictions
            Predictions that include these galaxies.
        galaxies : Catalogue
            Galaxies with votes. Galaxies that are not in the predictions are ignored.
        folds : int
            The number of folds, at least 2.
        components : int
            The number of principal components of the embeddings that a head uses.
        tell : callable

        Raises
        ------
        PosteriorError
            If there are fewer than two folds, fewer than twenty galaxies with votes, other questions, or no embeddings.
        """
        if folds < 2:
            raise PosteriorError(f"you asked for {folds} folds; give 2 or more")
        voted = galaxies.require_votes()
        if voted.tree.columns != stored.tree.columns:
            raise PosteriorError(
                f"{galaxies.source} has votes on tree '{voted.tree.name}', but tree '{stored.tree.name}' was predicted; "
                "give the votes on that tree"
            )
        votes_of = {str(name): row for name, row in zip(galaxies.ids[voted.some], voted.votes[voted.some], strict=True)}
        names, features = stored.embeddings_of(votes_of)
        if len(names) < _FEWEST:
            raise PosteriorError(
                f"{len(names)} galaxies with votes are predicted; a head for each fold needs at least {_FEWEST}"
            )
        votes = np.stack([votes_of[name] for name in names])
        fold = _dealt(names, folds, stored.seed)
        axes = find_axes((chunk for _, chunk in stored.embeddings()), components=components)
        kind, heads = getattr(stored.head, "concentrations", "softplus"), list[LinearDraws]()
        for number in range(folds + 1):
            learnt = fold != number
            tell(f"fitting a head to {int(learnt.sum())} of {len(names)} galaxies with votes")
            known = features[learnt], votes[learnt]
            heads.append(fit_bayesian_head(None, known, voted.tree, axes, concentrations=kind, in_turn=True).head)
        return cls(stored, dict(zip(names, fold.tolist(), strict=True)), tuple(heads))

    @property
    def tree(self) -> DecisionTree:
        """The tree whose questions are predicted."""
        return self.stored.tree

    def __iter__(self) -> Iterator[Posterior]:
        for ids, features in self.stored.embeddings():
            fold = np.array([self.fold_of.get(name, len(self.heads) - 1) for name in ids])
            yield Posterior(self._concentrations(features, fold), ids, self.tree)

    def _concentrations(self, features: NDArray[np.float16], fold: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] | None = None
        for number in np.unique(fold):
            rows = np.flatnonzero(fold == number)
            part = self.heads[number].posterior_concentrations(
                features[rows], draws=self.stored.draws, seed=self.stored.seed
            )
            if found is None:
                found = np.empty((len(part), len(fold), part.shape[2]), dtype=np.float32)
            found[:, rows] = part
        assert found is not None
        return found


def _dealt(names: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each galaxy, by a new hash, because galaxies with votes may have been chosen by an old one."""
    fold = np.empty(len(names), dtype=np.int64)
    fold[np.argsort(hash_ids(names, purpose="folds", seed=seed), kind="stable")] = np.arange(len(names)) % folds
    return fold
