"""Totals of votes per galaxy, in the form of the table that a ledger makes from classifications."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.labels.classifications import Dropped
from zooactive.tree import DecisionTree

_ROUNDING = 1 + 1e-6  # votes; the same rounding as in `zooactive.catalogue.votes`


def drop_unreachable(counts: NDArray[np.float64], galaxies: Sequence[str], tree: DecisionTree, dropped: Dropped) -> None:
    """Remove, in place, all votes (galaxy, answer) on questions that more people answered than reached them.

    Totals do not say which of these people should not have been asked, so all votes of that galaxy on the question are
    removed. An excess of up to one vote counts as rounding and is kept with a warning.
    """
    rounded = np.zeros(len(counts), dtype=bool)
    for question in tree.order:  # parents first, because votes removed there no longer lead to children
        if tree.parents[question] < 0:
            continue
        given = counts[:, tree.slices[question]].sum(axis=1)
        excess = given - counts[:, tree.leads_to[question]].sum(axis=1)
        over = np.flatnonzero(excess > _ROUNDING)
        if len(over):
            reason = f"more votes on {tree.questions[question].name} than people who reached it"
            dropped.vote(reason, f"galaxy {galaxies[over[0]]}", float(given[over].sum()))
            counts[over, tree.slices[question]] = 0
        rounded |= (excess > 0) & (excess <= _ROUNDING)
    if rounded.any():
        warnings.warn(
            f"{int(rounded.sum())} of {len(counts)} galaxies have up to one vote more on a question than people who reached "
            "it; taken for rounding and kept",
            stacklevel=3,
        )


def as_votes(counts: NDArray[np.float64], galaxies: Sequence[str], tree: DecisionTree) -> pd.DataFrame:
    """Return the galaxies that have votes, from counts (galaxy, answer), in the form of `Ledger.votes`.

    The columns are ``id``, one per answer of the tree, and ``volunteers``: the votes on the root question, or on the root
    with the most votes. Rows are sorted by id.
    """
    volunteers = tree.question_sums(counts)[:, list(tree.roots)].max(axis=1)
    votes = pd.DataFrame(counts, columns=list(tree.columns))
    votes.insert(0, "id", np.array(galaxies, dtype=object))
    votes["volunteers"] = volunteers
    votes = votes.iloc[np.flatnonzero(counts.any(axis=1))].sort_values("id", ignore_index=True)
    whole = {name: np.int64 for name in votes.columns[1:] if not (votes[name] % 1).any()}
    return votes.astype(whole)
