"""Volunteers who answer at once: votes of a catalogue that is labelled throughout, or drawn from its vote fractions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zooactive.catalogue import Catalogue

if TYPE_CHECKING:
    import pandas as pd


def vote_table(catalogue: Catalogue) -> pd.DataFrame:
    """Return the galaxies that have votes as `Loop.tell` takes them: ``id``, and one column an answer of the tree.

    Raises
    ------
    CatalogueError
        When the catalogue has no votes.
    """
    import pandas as pd

    voted = catalogue.require_votes(to="to tell")
    some = voted.some
    return pd.DataFrame(voted.votes[some], columns=list(voted.tree.columns)).assign(id=catalogue.ids[some])


def draw_votes(catalogue: Catalogue, *, volunteers: int = 40, seed: int = 0) -> Catalogue:
    """Let simulated volunteers answer down the tree, each answer with the probability of its recorded vote fraction.

    Parameters
    ----------
    catalogue : Catalogue
        With votes; those of single labels are given back as they are.
    volunteers : int
        Who are shown each galaxy.
    seed : int
        A galaxy's votes depend on it and on the galaxies with smaller ids.

    Returns
    -------
    Catalogue
        With whole counts. A question without recorded votes gets none, however many would have reached it. Pseudo-counts
        such as half a vote are next to impossible to a model that has learnt from whole ones: draw the votes of the galaxies
        that are measured on too. With fewer volunteers than `min_votes` a galaxy is labelled all the same.

    Raises
    ------
    CatalogueError
        When the catalogue has no votes.
    """
    tree, known = catalogue.require_votes(to="to draw from")
    if tree.votes == "class":
        return catalogue
    rng = np.random.default_rng(seed)
    order = np.argsort(catalogue.ids.astype(str))
    recorded, drawn = known[order], np.zeros_like(known)
    for q in tree.order:
        where = tree.slices[q]
        total = recorded[:, where].sum(1)
        asked = np.full(len(order), volunteers) if tree.parents[q] < 0 else drawn[:, tree.leads_to[q]].sum(1).astype(int)
        some = total > 0
        fractions = recorded[some, where] / total[some, None]
        drawn[some, where] = rng.multinomial(asked[some], fractions / fractions.sum(1, keepdims=True))
    votes = np.empty_like(drawn)
    votes[order] = drawn
    return replace(catalogue, votes=votes, min_votes=min(catalogue.min_votes, volunteers))
