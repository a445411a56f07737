"""An ensemble: stored predictions of several networks, read as one pool in which each network counts equally."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from zooactive.acquisition.pool import PosteriorPool, Screening
from zooactive.foundation.errors import PosteriorError
from zooactive.foundation.vocabulary import Score
from zooactive.posterior import Posterior, combine_draws
from zooactive.prediction.stored import Predictions, open_predictions
from zooactive.tree import DecisionTree


@dataclass(frozen=True, eq=False)
class EnsemblePredictions:
    """Predictions of the same catalogue by several networks; iterating yields `Posterior` chunks with all their draws.

    Parameters
    ----------
    members : sequence of Predictions
        The predictions, whose draws come one network after another. Trees and galaxies must agree; this is checked on
        reading.
    """

    members: Sequence[Predictions]

    @cached_property
    def tree(self) -> DecisionTree:
        """The tree whose questions are predicted."""
        return self.members[0].tree

    @property
    def folder(self) -> Path:
        """The folder of the first network's predictions."""
        return self.members[0].folder

    def __iter__(self) -> Iterator[Posterior]:
        for chunks in self._side_by_side(*(iter(member) for member in self.members)):
            yield combine_draws(chunks)

    def __len__(self) -> int:
        return len(self.members[0])

    def known(self, ids: Collection[str]) -> list[str]:
        """Return which of the ids are in these predictions, in the order of the catalogue."""
        return self.members[0].known(ids)

    def screenings(self, score: Score, *, artifacts: bool) -> Iterator[Screening]:
        """Screen the pool for `zooactive.acquire`, by the draws of all networks."""
        return PosteriorPool(self).screenings(score, artifacts=artifacts)

    def posteriors(self, ids: Collection[str]) -> Iterator[Posterior]:
        """Yield the posteriors of some galaxies, part by part."""
        for chunks in self._side_by_side(*(member.posteriors(ids) for member in self.members)):
            yield combine_draws(chunks)

    def _side_by_side(self, *streams: Iterator[Posterior]) -> Iterator[tuple[Posterior, ...]]:
        try:
            yield from zip(*streams, strict=True)
        except ValueError as error:
            folders = ", ".join(str(member.folder) for member in self.members)
            raise PosteriorError(
                f"{folders} hold different galaxies; predict the same catalogue with each network"
            ) from error


def open_ensemble(folders: Sequence[str | Path]) -> Predictions | EnsemblePredictions:
    """Open one folder of predictions, or several of the same galaxies as an ensemble.

    Parameters
    ----------
    folders : sequence of path
        Folders that `zooactive.predict` finished, one per network.

    Raises
    ------
    PosteriorError
        If a folder holds no finished predictions.
    """
    members = [open_predictions(folder) for folder in folders]
    return members[0] if len(members) == 1 else EnsemblePredictions(members)
