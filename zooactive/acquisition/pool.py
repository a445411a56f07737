"""The galaxies to choose from: a stream of screening scores of all, and the posteriors of the shortlist."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.scorings import SCORINGS
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.vocabulary import Score
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Screening:
    """The result of screening some galaxies of a pool.

    Parameters
    ----------
    ids : pyarrow.Array of strings, length galaxy
    scores : ndarray of float64, shape (galaxy,)
        The closed-form screening score that belongs to the requested score.
    artifacts : ndarray of float64, shape (galaxy,), optional
        The expected share of volunteers who would call this an artifact. Only present on request.
    """

    ids: pa.Array
    scores: NDArray[np.float64]
    artifacts: NDArray[np.float64] | None = None


class Screened(Protocol):
    """A pool that can be screened."""

    def screenings(self, score: Score, *, artifacts: bool) -> Iterator[Screening]:
        """Screen all galaxies, in pieces of any size and order."""


@runtime_checkable
class Pool(Screened, Protocol):
    """A pool for `zooactive.acquire`, such as stored predictions."""

    def posteriors(self, ids: Collection[str]) -> Iterator[Posterior]:
        """Yield the posteriors of these galaxies, all by one model, in pieces of any size and order."""


@dataclass(frozen=True, eq=False)
class PosteriorPool:
    """A pool of posteriors: one posterior, or an iterable of chunks that can be read repeatedly."""

    chunks: Iterable[Posterior]

    def screenings(self, score: Score, *, artifacts: bool) -> Iterator[Screening]:
        """Screen the pool chunk by chunk."""
        import pyarrow as pa

        first: Posterior | None = None
        for chunk in self.chunks:
            first = chunk if first is None else first
            if chunk.tree != first.tree or chunk.draws != first.draws:
                raise AcquisitionError(
                    f"the pool's chunks disagree: tree '{first.tree.name}' with {first.draws} draws, and tree "
                    f"'{chunk.tree.name}' with {chunk.draws}; predict all of them with one model and one number of draws"
                )
            share = artifact_share(chunk) if artifacts else None
            yield Screening(pa.array(chunk.ids, pa.string()), SCORINGS[score].screen(chunk), share)

    def posteriors(self, ids: Collection[str]) -> Iterator[Posterior]:
        """Yield the requested galaxies of each chunk."""
        for chunk in self.chunks:
            rows = [i for i, galaxy_id in enumerate(chunk.ids) if galaxy_id in ids]
            if rows:
                yield chunk.take(rows)


@dataclass(frozen=True, eq=False)
class VotedPool:
    """A pool conditioned on the votes so far, without new training: `Posterior.given_votes`.

    Parameters
    ----------
    pool : Posterior, iterable of Posterior, or Pool
        A pool in any form that `zooactive.acquire` takes.
    votes : mapping of str to ndarray of shape (answer,)
        Votes by galaxy, in the order of the tree's columns. Galaxies that are not in the pool are ignored.
    """

    pool: Posterior | Iterable[Posterior] | Pool
    votes: Mapping[str, NDArray[np.float64]]

    def screenings(self, score: Score, *, artifacts: bool) -> Iterator[Screening]:
        """Screen the pool, with new scores for galaxies that have votes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        scores_of: dict[str, float] = {}
        shares_of: dict[str, float] = {}
        for chunk in self.posteriors(set(self.votes)):
            scores_of |= dict(zip(chunk.ids, SCORINGS[score].screen(chunk), strict=True))
            if artifacts:
                shares_of |= dict(zip(chunk.ids, artifact_share(chunk), strict=True))
        asked = pa.array(sorted(scores_of), pa.string())
        for piece in as_pool(self.pool).screenings(score, artifacts=artifacts):
            rows = np.flatnonzero(pc.is_in(piece.ids.cast(pa.string()), asked).to_numpy(zero_copy_only=False))
            names = piece.ids.take(pa.array(rows)).to_pylist()
            scores = np.array(piece.scores, dtype=np.float64)
            scores[rows] = [scores_of[name] for name in names]
            if piece.artifacts is None:
                yield Screening(piece.ids, scores)
                continue
            shares = np.array(piece.artifacts, dtype=np.float64)
            shares[rows] = [shares_of[name] for name in names]
            yield Screening(piece.ids, scores, shares)

    def posteriors(self, ids: Collection[str]) -> Iterator[Posterior]:
        """Yield posteriors conditioned on the votes."""
        for chunk in as_pool(self.pool).posteriors(ids):
            nobody = np.zeros(len(chunk.tree.columns))
            yield chunk.given_votes([self.votes.get(str(galaxy_id), nobody) for galaxy_id in chunk.ids])


def gather(pool: Pool, ids: Sequence[str]) -> Posterior:
    """Return the posterior of some galaxies of a pool, in the order of the ids.

    Raises
    ------
    AcquisitionError, PosteriorError
        When the pool has none of the galaxies, or lacks one.
    """
    parts = list(pool.posteriors(frozenset(ids)))
    if not parts:
        raise AcquisitionError(f"the pool has none of the {len(ids)} galaxies asked for; give ids that are in the pool")
    whole = Posterior(
        np.concatenate([part.concentrations for part in parts], axis=1),
        [galaxy_id for part in parts for galaxy_id in part.ids],
        parts[0].tree,
        weights=np.concatenate([part.weights for part in parts], axis=1),
    )
    return whole.select(ids)


def artifact_share(posterior: Posterior) -> NDArray[np.float64]:
    """Return the expected share of volunteers who would call each galaxy an artifact, shape (galaxy,)."""
    columns = [posterior.tree.columns.index(column) for column in artifact_columns(posterior.tree)]
    return np.asarray(posterior.mean()[:, columns].sum(1))


def artifact_columns(tree: DecisionTree) -> tuple[str, ...]:
    """Return the answers for artifacts to questions that everybody is asked; raise an AcquisitionError if there are none."""
    columns = tree.artifacts
    if not columns:
        raise AcquisitionError(
            f"tree '{tree.name}' has no answer for artifacts, stars or problems on its first question; leave out "
            "max_artifact"
        )
    return columns


def as_pool(posterior: Posterior | Iterable[Posterior] | Pool) -> Pool:
    """Return the argument of `zooactive.acquire` as a pool."""
    if isinstance(posterior, Posterior):
        return PosteriorPool([posterior])
    if isinstance(posterior, Iterator):
        raise AcquisitionError(
            f"the pool is of type {type(posterior).__name__}, which can be read only once, but a pool is read twice; "
            "give a list of Posteriors, or an object whose __iter__ starts anew"
        )
    if not isinstance(posterior, Pool | Iterable):
        raise AcquisitionError(
            f"the pool is of type {type(posterior).__name__}, which does not predict votes; give the result of "
            "zooactive.predict(model, ...) for its galaxies"
        )
    return posterior if isinstance(posterior, Pool) else PosteriorPool(posterior)
