"""The order in which volunteers are shown the subjects of a prioritized workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def priorities(selection: pd.DataFrame) -> list[int]:
    """Return a priority for each galaxy of a selection: 1, 2, ..., and the lowest is shown first.

    Acquired galaxies come in the order of their ranks. Random galaxies are spread evenly between them: if they came last, a
    set that is not shown to its end would have a random arm without votes. Every galaxy gets a number above 0, because one
    of the Zooniverse's two selectors puts a subject without a number first, and the other puts it last.
    """
    rank = selection["rank"].to_numpy(dtype=float)
    at_random = (selection["arm"] == "random").to_numpy()
    place = np.empty(len(selection))
    for arm in (at_random, ~at_random):
        rows = np.flatnonzero(arm)
        place[rows[np.argsort(rank[rows], kind="stable")]] = (np.arange(len(rows)) + 0.5) / max(len(rows), 1)
    order = np.argsort(place, kind="stable")
    numbers = np.empty(len(selection), dtype=int)
    numbers[order] = np.arange(1, len(selection) + 1)
    return [int(number) for number in numbers]
