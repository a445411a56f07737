"""Find the galaxies most likely to get an answer, most uncertain about it, or most informative to ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooactive.foundation.errors import PosteriorError, did_you_mean
from zooactive.foundation.vocabulary import MOST

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.prediction.stored import Predictions


def best(stored: Predictions, column: str, n: int, *, lowest: bool = False, most: str = "certain") -> pd.DataFrame:
    """Return the n galaxies with the largest expected share of all volunteers for an answer, or the most uncertain ones.

    Returns
    -------
    DataFrame
        The columns rank, id, ``share`` of all volunteers, and, among those who are asked, ``fraction``, ``low`` and ``high``
        (NaN if no interval is kept). For the most uncertain galaxies also ``deviation``, the standard deviation of the
        fraction. For the most informative ones also ``information``, the expected information in nats of one vote on the
        question about the network. Both are multiplied by the share of volunteers who are asked. Equal galaxies are in the
        order of ids.

    Raises
    ------
    PosteriorError
        If the order is unknown, or it needs embeddings or concentrations that the predictions do not keep.
    """
    if most not in MOST:
        raise PosteriorError(f"most = '{most}' is unknown.{did_you_mean(most, MOST)} Use one of {', '.join(MOST)}")
    table = stored.table()
    question = stored.tree.question_of(column).name
    found = table[["id"]].assign(
        share=table[column].astype(float) * table[f"asked_{question}"].astype(float),
        fraction=table[column],
        low=table.get(f"{column}_low", float("nan")),
        high=table.get(f"{column}_high", float("nan")),
    )
    by = "share"
    if most != "certain":
        by = "deviation" if most == "uncertain" else "information"
        found[by] = found["id"].map(_doubts(stored, column, most))
    found = found.sort_values([by, "id"], ascending=[lowest, True], kind="stable").head(n).reset_index(drop=True)
    found.insert(0, "rank", found.index + 1)
    return found


def _doubts(stored: Predictions, column: str, most: str) -> dict[str, float]:
    """Return the uncertainty of each galaxy's answer, or the information in one vote on its question, part by part."""
    tree = stored.tree
    question, answer = tree.questions.index(tree.question_of(column)), tree.columns.index(column)
    doubts: dict[str, float] = {}
    for part in stored:
        asked = part.asked()[:, question]
        if most == "uncertain":
            doubt = part.variance()[:, answer] ** 0.5
        else:
            doubt = part.vote_entropy().epistemic[:, question]
        doubts |= dict(zip(part.ids.tolist(), (doubt * asked).tolist(), strict=True))
    return doubts
