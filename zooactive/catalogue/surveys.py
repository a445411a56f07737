"""Several surveys, and several kinds of labels, as one catalogue to learn from."""

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
    """Put several surveys' galaxies into one catalogue, with a column of votes for every answer of every survey.

    Each galaxy contributes where it has labels. A question of a tree with ``votes = "class"`` is marked as learnt from
    single labels. The same id in two catalogues is the same galaxy: it keeps the image of the first and the labels of both.

    Parameters
    ----------
    catalogues : sequence of Catalogue
        Each with votes along a tree of its own. Galaxies that are not labelled there bring no votes from it.
    name : str
        Of the combined tree.
    crops : sequence of float, optional
        One a catalogue: the centre fraction of its images that shows as much sky, in units of the galaxy's size, as the
        others' images do; kept before anything else is done to them.

    Returns
    -------
    Catalogue
        Its table has the one column ``survey``, the tree's name of where the image comes from.

    Raises
    ------
    CatalogueError
        When a catalogue has no votes, a crop is out of range, or the same tree comes twice.
    """
    crops = [1.0] * len(catalogues) if crops is None else list(crops)
    if not catalogues or len(crops) != len(catalogues) or not all(0 < crop <= 1 for crop in crops):
        raise CatalogueError(f"{len(catalogues)} catalogues and the crops {crops}; give each catalogue one above 0, up to 1")
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
    """Put the galaxies of one survey under each other, for instance those with votes and a pool of others.

    Parameters
    ----------
    *catalogues : Catalogue
        Of one tree, or without votes; the same id in two of them is the same galaxy, and the first says what it is.

    Returns
    -------
    Catalogue
        With votes where one of them has some, 0 where a galaxy has none.

    Raises
    ------
    CatalogueError
        When trees differ, or some images are packed and others are not.
    """
    first = next((catalogue for catalogue in catalogues if catalogue.voted is not None), catalogues[0])
    parts, met = list[Catalogue](), set[str]()
    for catalogue in catalogues:
        if catalogue.prepared != first.prepared:
            raise CatalogueError(
                f"{catalogue.source} and {first.source} hold images of different kinds; pack both alike, or none"
            )
        if catalogue.voted is not None and catalogue.tree != first.tree:
            raise CatalogueError(
                f"{catalogue.source} has votes of another tree than {first.source}; combine_catalogues takes both"
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
    """Return a catalogue's tree as one of counts, which its votes are once they have been read."""
    tree, _ = catalogue.require_votes(to="to learn from")
    if catalogue.prepared is not None:
        raise CatalogueError(f"{catalogue.source} holds images prepared for one model; combine the original images")
    questions = tree.questions
    if tree.votes == "class":
        questions = tuple(Question(q.name, q.answers, q.asked_after, single_label=True) for q in questions)
    return replace(tree, questions=questions, votes="counts", volunteers=None, min_votes=catalogue.min_votes)
