"""The stopping rule: stop when a click gives so little information that it is better spent on another survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def stops_at(history: pd.DataFrame, *, share: float = 0.2, rounds: int = 2) -> int | None:
    """Return the round after which the stopping rule says to stop, or None if it has not said so yet.

    The acquired galaxies of a round gave r nats per click, with a standard error (`Loop.tell`). The rule says stop once, for
    `rounds` rounds in a row, r plus its standard error was below `share` times the largest r of the earlier rounds.

    Parameters
    ----------
    history : DataFrame
        The result of `Loop.history`.
    share : float
    rounds : int

    Returns
    -------
    int or None

    Notes
    -----
    Information is measured by how much the votes discriminate between the posterior draws of their own round's model. Draws
    by dropout may differ as much after many votes as before; with such draws the information never falls. docs/loop.md shows
    the rule on real galaxies.

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
