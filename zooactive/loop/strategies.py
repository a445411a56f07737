"""The choice of the next round's galaxies by the name of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition import acquire, k_centre
from zooactive.acquisition.pool import Pool
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop.config import LoopConfig

if TYPE_CHECKING:
    import pandas as pd

Embeddings: TypeAlias = Callable[[Collection[str]], tuple[list[str], NDArray[Any]]]
"""Takes ids and returns ids and embeddings (galaxy, feature), in any order."""

_CANDIDATES = 3
"""The number of informative candidates per galaxy that "diversity" keeps."""


def choose(
    pool: Pool, config: LoopConfig, *, eligible: int, exclude: Collection[str], embeddings: Embeddings, number: int = 0
) -> pd.DataFrame:
    """Choose the galaxies of a round, and return them in the form of `zooactive.acquire` and with its errors.

    `exclude` holds the ids that may not be chosen, and `eligible` is the number of galaxies left. `embeddings` serves the
    strategy "diversity", whose acquired galaxies have unknown inclusion probabilities, given as NaN. Each round has its own
    noise, by its `number`. "auto" must be resolved before this call.
    """
    several = _CANDIDATES if config.strategy == "diversity" else 1
    reserved = round(config.random_share * config.n)
    candidates = min(several * (config.n - reserved) + reserved, eligible)
    this_round = config.acquisition(seed=_seed(config, number), random_share=reserved / candidates)
    selection = acquire(pool, candidates, exclude=exclude, config=this_round)
    return selection if several == 1 else _unlike(selection, config.n - reserved, embeddings)


def choose_blindly(ids: Collection[str], config: LoopConfig) -> pd.DataFrame:
    """Choose the first galaxies of all by hashed id, before any model is trained; the result has the form of `choose`."""
    import pandas as pd

    names = np.array(sorted(ids), dtype=object)
    drawn = names[np.argsort(uniform_from_ids(names, purpose="random-arm", seed=config.seed))][: config.n]
    reserved = round(config.random_share * len(drawn))
    chosen = np.concatenate([drawn[reserved:], drawn[:reserved]])
    return pd.DataFrame(
        {
            "id": chosen,
            "score": np.nan,
            "rank": np.arange(1, len(chosen) + 1),
            "arm": ["acquired"] * (len(chosen) - reserved) + ["random"] * reserved,
            "inclusion_probability": len(drawn) / max(len(names), 1),
            "question": "",
            "question_share": np.nan,
            "clicks": np.nan,
        }
    )


def _seed(config: LoopConfig, number: int) -> int:
    """Return a seed for each round, so that noise does not pass over the same galaxy in every round."""
    return config.seed * 10_000 + number


def _unlike(selection: pd.DataFrame, n: int, embeddings: Embeddings) -> pd.DataFrame:
    """Keep n acquired galaxies that cover the others in embedding space, and keep the random arm."""
    import pandas as pd

    acquired = selection[selection["arm"] == "acquired"]
    if len(acquired) > n:
        ids, points = embeddings(frozenset(acquired["id"]))
        kept = k_centre(points, ids, n, first=str(acquired["id"].iloc[0]))
        acquired = acquired.set_index("id").loc[list(kept)].reset_index()[list(selection.columns)]
    acquired = acquired.assign(inclusion_probability=np.nan)
    whole = pd.concat([acquired, selection[selection["arm"] == "random"]], ignore_index=True)
    whole["rank"] = np.arange(1, len(whole) + 1)
    whole.attrs = selection.attrs
    return whole
