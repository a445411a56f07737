"""The eligible galaxies: a pool read once, without excluded galaxies, artifacts and duplicate ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.config import AcquisitionConfig
from zooactive.acquisition.pool import Screened
from zooactive.foundation.errors import AcquisitionError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Eligible:
    """The eligible galaxies in any order; later steps use hashes of their ids, never positions."""

    ids: pa.Array
    screened: NDArray[np.float64]
    hashes: NDArray[np.uint64]
    excluded: int
    artifacts: int

    def __len__(self) -> int:
        return len(self.screened)

    def names(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the ids of some rows, as text."""
        return list(self.ids.take(rows).to_pylist())

    def first_by_hash(self, n: int) -> NDArray[np.int64]:
        """Return the rows of the n smallest hashes of the random arm, smallest first."""
        n = min(n, len(self))
        smallest = np.argpartition(self.hashes, n - 1)[:n] if n < len(self) else np.arange(len(self))
        return np.asarray(smallest[np.argsort(self.hashes[smallest], kind="stable")])


def screen(pool: Screened, exclude: frozenset[str], config: AcquisitionConfig) -> Eligible:
    """Read the pool once, and return the ids and screening scores of the eligible galaxies."""
    import pyarrow as pa
    import pyarrow.compute as pc

    never = pa.array(sorted(exclude), pa.large_string())
    ids, screened, excluded, artifacts = [], [np.empty(0)], 0, 0
    for piece in pool.screenings(config.score, artifacts=config.max_artifact is not None):
        names = piece.ids.cast(pa.large_string())
        wanted = ~pc.is_in(names, never).to_numpy(zero_copy_only=False) if len(never) else np.ones(len(names), dtype=bool)
        excluded += len(wanted) - int(wanted.sum())
        if config.max_artifact is not None and piece.artifacts is not None:
            clean = piece.artifacts <= config.max_artifact
            artifacts += int((wanted & ~clean).sum())
            wanted &= clean
        ids.append(names.filter(pa.array(wanted)) if not wanted.all() else names)
        screened.append(piece.scores[wanted])
    if not ids:
        raise AcquisitionError("the pool holds no predictions; predict some galaxies first")
    every = pa.concat_arrays(ids)
    return Eligible(every, np.concatenate(screened), _distinct_hashes(every, config.seed), excluded, artifacts)


def _distinct_hashes(ids: pa.Array, seed: int) -> NDArray[np.uint64]:
    """Return the ids' hashes for the random arm; raise an AcquisitionError if an id occurs twice."""
    from zooactive.acquisition.compiled.id_hashes import hash_arrow_ids

    hashes = hash_arrow_ids(ids, purpose="random-arm", seed=seed)
    ordered = np.sort(hashes)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]  # different ids may share a hash, so compare the ids themselves
    if len(shared):
        names = ids.take(np.flatnonzero(np.isin(hashes, shared))).to_pylist()
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise AcquisitionError(f"the id '{twice}' occurs twice in the pool; give each galaxy once")
    return hashes
