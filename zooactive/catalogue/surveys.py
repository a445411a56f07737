"""Combine several surveys, and several kinds of labels, into one catalogue for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from zooactive.catalogue.catalogue import Catalogue
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.whole_numbers import under_each_other
from zooactive.tree import DecisionTree, Question, combine_trees


def combine_catalogues(
    catalogues: Sequence[Catalogue], *, name: str = "combined", crops: Sequence[float] | None = None
) -> Catalogue:
    """Combine the galaxies of several surveys into one catalogue, with one vote column for every answer of every survey.

    Each galaxy contributes the labels that it has. A question of a tree with ``votes = "class"`` is marked as one with
    single labels. If two catalogues have the same id, it is the same galaxy: it keeps the image of the first catalogue and
    the labels of both.

    Parameters
    ----------
    catalogues : sequence of Catalogue
        Each has votes of its own tree. A galaxy that is not labelled in a catalogue brings no votes from it.
    name : str
        The name of the combined tree.
    crops : sequence of float, optional
        For each catalogue, the central fraction of its images that shows as much sky, in units of the galaxy's size, as the
        other catalogues' images do. This crop is applied before all other steps.

    Returns
    -------
    Catalogue
        The table has only the column ``survey``: the name of the tree of the survey that the image comes from.

    Raises
    ------
    CatalogueError
        If a catalogue has no votes, a crop is out of range, or the same tree occurs twice.
    """
    crops = [1.0] * len(catalogues) if crops is None else list(crops)
    if not catalogues or len(crops) != len(catalogues) or not all(0 < crop <= 1 for crop in crops):
        raise CatalogueError(
            f"{len(catalogues)} catalogues with the crops {crops}; give one crop per catalogue, above 0 and up to 1"
        )
    tree = combine_trees(name, [_counted(catalogue) for catalogue in catalogues])
    row_of: dict[str, int] = {}
    for catalogue in catalogues:
        for galaxy_id in catalogue.ids:
            row_of.setdefault(galaxy_id, len(row_of))
    votes = np.zeros((len(row_of), len(tree.columns)))
    images: list[object] = [None] * len(row_of)
    fields = np.zeros(len(row_of))
    surveys: list[str] = [""] * len(row_of)
    for catalogue, crop in zip(catalogues, crops, strict=True):
        survey, given = catalogue.require_votes()
        own = np.ones(len(catalogue)) if catalogue.field_crops is None else catalogue.field_crops
        columns = np.array([tree.columns.index(column) for column in survey.columns])
        rows = np.array([row_of[galaxy_id] for galaxy_id in catalogue.ids], dtype=np.int64)
        votes[np.ix_(rows[catalogue.labelled], columns)] = given[catalogue.labelled]
        for row, image, field in zip(rows, catalogue.images, own, strict=True):
            if not surveys[row]:
                images[row], fields[row], surveys[row] = image, crop * field, survey.name
    return Catalogue(
        np.array(list(row_of), dtype=object),
        tuple(images),  # type: ignore[arg-type]
        votes,
        tree,
        pd.DataFrame({"survey": surveys}),
        source=" + ".join(catalogue.source for catalogue in catalogues),
        min_votes=tree.min_votes,
        field_crops=None if (fields == 1).all() else fields,
    )


def join_catalogues(*catalogues: Catalogue) -> Catalogue:
    """Append the galaxies of one survey to each other, for instance those with votes and a pool of others.

    Parameters
    ----------
    *catalogues : Catalogue
        Catalogues of one tree, or without votes. If two of them have the same id, the galaxy of the first is kept.

    Returns
    -------
    Catalogue
        It has votes if one of the catalogues has votes, and 0 for a galaxy without votes.

    Raises
    ------
    CatalogueError
        If the trees differ, or some images are packed and others are not.
    """
    first = next((catalogue for catalogue in catalogues if catalogue.voted is not None), catalogues[0])
    parts, met = list[Catalogue](), set[str]()
    for catalogue in catalogues:
        if catalogue.prepared != first.prepared:
            raise CatalogueError(
                f"{catalogue.source} and {first.source} hold images of different kinds; pack both in the same way, or "
                "neither"
            )
        if catalogue.voted is not None and catalogue.tree != first.tree:
            raise CatalogueError(
                f"{catalogue.source} has votes of another tree than {first.source}; use combine_catalogues for several trees"
            )
        parts.append(catalogue.take([row for row, galaxy_id in enumerate(catalogue.ids) if galaxy_id not in met]))
        met |= set(parts[-1].ids)
    votes, fields = None, None
    if first.voted is not None:
        answers = len(first.voted.tree.columns)
        votes = np.concatenate([part.voted.votes if part.voted else np.zeros((len(part), answers)) for part in parts])
    if any(part.field_crops is not None for part in parts):
        fields = np.concatenate([np.ones(len(part)) if part.field_crops is None else part.field_crops for part in parts])
    return replace(
        first,
        ids=np.concatenate([part.ids for part in parts]),
        images=tuple(image for part in parts for image in part.images),
        votes=votes,
        table=under_each_other([part.table for part in parts]),
        source=" + ".join(dict.fromkeys(part.source for part in parts)),
        field_crops=fields,
    )


def _counted(catalogue: Catalogue) -> DecisionTree:
    """Return a catalogue's tree as a tree of counts, because votes are counts once they have been read."""
    tree, _ = catalogue.require_votes(to="to learn from")
    if catalogue.prepared is not None:
        raise CatalogueError(
            f"{catalogue.source} holds images that were prepared for one model; combine the original images"
        )
    questions = tree.questions
    if tree.votes == "class":
        questions = tuple(Question(q.name, q.answers, q.asked_after, single_label=True) for q in questions)
    return replace(tree, questions=questions, votes="counts", volunteers=None, min_votes=catalogue.min_votes)
