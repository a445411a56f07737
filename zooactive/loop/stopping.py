"""When is enough enough: clicks that tell next to nothing are better spent on another survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def stops_at(history: pd.DataFrame, *, share: float = 0.2, rounds: int = 2) -> int | None:
    """Return the round after which the rule says stop, or None while it does not.

    The acquired galaxies of a round have told r nats a click, with a standard error: `Loop.tell`. The rule says stop once,
    for so many rounds in a row, r and its standard error on top, was below `share` of the largest r of the rounds before.

    Parameters
    ----------
    history : DataFrame
        Of `Loop.history`.
    share : float
    rounds : int

    Returns
    -------
    int or None

    Notes
    -----
    What votes tell is counted by how they decide between the draws of the model of their own round; draws that differ as
    much after many votes as before, as those of dropout may, never let it fall. docs/loop.md shows how it ran on real
    galaxies.

    Examples
    --------
    >>> import pandas as pd
    >>> rates = pd.DataFrame({"round": range(4), "told_acquired": [1.0, 0.5, 0.1, 0.1], "told_acquired_error": 0.01})
    >>> stops_at(rates, share=0.2, rounds=2)
    3
    """
    if "told_acquired" not in history:
        return None
    told = history.dropna(subset=["told_acquired"])
    upper = (told["told_acquired"] + told["told_acquired_error"].fillna(0)).to_numpy(dtype=float)
    best = np.maximum.accumulate(told["told_acquired"].to_numpy(dtype=float))
    row = 0
    for i in range(1, len(told)):
        row = row + 1 if upper[i] < share * best[i - 1] else 0
        if row == rounds:
            return int(told["round"].iloc[i])
    return None
