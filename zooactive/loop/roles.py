"""Which galaxies of a loop train, which validate, and which are kept apart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.selection_files import read_selection
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop.round_files import Round


def kept_apart(rounds: Iterable[Round]) -> set[str]:
    """Return the galaxies of the random arms of some rounds, which are never trained on."""
    selections = (read_selection(entry.selection) for entry in rounds)
    return {name for selection in selections for name in selection.loc[selection["arm"] == "random", "id"]}


def drawn_at_random(rounds: Iterable[Round]) -> set[str]:
    """Return all galaxies that some rounds drew with equal probability, in either arm."""
    drawn = set[str]()
    for entry in rounds:
        selection = read_selection(entry.selection)
        equal = selection["inclusion_probability"].notna().all() and selection["inclusion_probability"].nunique() == 1
        drawn |= set(selection["id"] if equal else selection.loc[selection["arm"] == "random", "id"])
    return drawn


def train_and_validation(
    ids: NDArray[np.object_], usable: NDArray[np.bool_], at_random: NDArray[np.bool_], *, share: float, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of the usable galaxies train and which validate; the latter are a share of them by hashed id.

    Only galaxies drawn `at_random` validate, because a prior or an epoch that suits chosen galaxies suits the survey less.
    Where all were chosen, these validate.
    """
    judges = usable & (uniform_from_ids(ids, purpose="judges", seed=seed) < share)
    validation = judges & at_random if (judges & at_random).any() else judges
    return usable & ~validation, validation
