"""Simulated volunteers who answer at once, with a labelled catalogue's votes or with draws from its vote fractions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zooactive.catalogue import Catalogue

if TYPE_CHECKING:
    import pandas as pd


def vote_table(catalogue: Catalogue) -> pd.DataFrame:
    """Return the galaxies that have votes in the form that `Loop.tell` takes: ``id``, and one column per answer of the tree.

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
    """Draw votes of simulated volunteers down the tree, with the recorded vote fractions as probabilities.

    Parameters
    ----------
    catalogue : Catalogue
        A catalogue with votes. A catalogue of single labels is returned unchanged.
    volunteers : int
        The number of volunteers who are shown each galaxy.
    seed : int
        A galaxy's votes depend on the seed and on the galaxies with smaller ids.

    Returns
    -------
    Catalogue
        The same galaxies with whole-number counts. A question without recorded votes gets none, however many volunteers
        would have reached it. A model trained on whole counts gives fractional counts, such as half a vote, almost no
        probability: draw the votes of the test galaxies as well. A galaxy counts as labelled even if `volunteers` is below
        `min_votes`.

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
