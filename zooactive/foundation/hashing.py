"""Random numbers that belong to a galaxy's id: the same in any order, in any chunk and on any machine.

Every random decision about a galaxy comes from ``u = BLAKE2b("purpose|seed|id") / 2**64``: its side of a split, its
selection noise, its place in the random arm or in a target sample, its vote trees, and for a simulated galaxy what it is and
who votes on it. The purposes are independent of each other, so that a split cannot bias the noise of a selection.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Purpose: TypeAlias = Literal[
    "split", "noise", "random-arm", "folds", "trees", "target", "judges", "sky", "crowd", "clicks", "trial", "sheet"
]


def hash_ids(ids: Iterable[str], *, purpose: Purpose, seed: int) -> NDArray[np.uint64]:
    """Hash each id to 64 bits.

    Parameters
    ----------
    ids : iterable of str, length G
    purpose : {"split", "noise", "random-arm", "folds", "trees", "target", "judges", "sky", "crowd", "clicks", "trial",
        "sheet"}
        The purpose of the number; numbers for different purposes are independent.
    seed : int

    Returns
    -------
    ndarray of uint64, shape (G,)

    Examples
    --------
    >>> bool(hash_ids(["a"], purpose="split", seed=0)[0] == hash_ids(["b", "a"], purpose="split", seed=0)[1])
    True
    """
    prefix = f"{purpose}|{seed}|"
    digests = b"".join(blake2b((prefix + galaxy_id).encode(), digest_size=8).digest() for galaxy_id in ids)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def uniform_from_ids(ids: Iterable[str], *, purpose: Purpose, seed: int) -> NDArray[np.float64]:
    """Hash each id to a number strictly between 0 and 1.

    The 52 leading bits are kept, and the number is the middle of its cell. So neither 0 nor 1 occurs, and logarithms of it
    are finite.

    Parameters
    ----------
    ids : iterable of str, length G
    purpose : {"split", "noise", "random-arm", "folds", "trees", "target", "judges", "sky", "crowd", "clicks", "trial",
        "sheet"}
    seed : int

    Returns
    -------
    ndarray of float64, shape (G,)
    """
    bits = hash_ids(ids, purpose=purpose, seed=seed) >> np.uint64(12)
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def gumbel_from_ids(ids: Iterable[str], *, seed: int) -> NDArray[np.float64]:
    """Return standard Gumbel noise for each id, shape (G,), with the purpose "noise" (Kirsch et al. 2023)."""
    return -np.log(-np.log(uniform_from_ids(ids, purpose="noise", seed=seed)))
