from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zooactive.catalogue import Catalogue, Preprocessing, combine_catalogues
from zooactive.catalogue.surveys import join_catalogues
from zooactive.foundation.errors import CatalogueError
from zooactive.tree import DecisionTree, Question

VOTES = DecisionTree("votes", [Question("disk", ["yes", "no"]), Question("bar", ["yes", "no"], ["disk_yes"])])
CLASSES = DecisionTree("classes", [Question("shape", ["round", "flat", "wound"])], votes="class", min_votes=1)


def survey(tree: DecisionTree, ids: list[str], votes: list[list[float]], images: object = None) -> Catalogue:
    pictures = tuple(images or [None] * len(ids))
    table = pd.DataFrame(index=range(len(ids)))
    return Catalogue(np.array(ids, dtype=object), pictures, np.array(votes), tree, table, tree.name, tree.min_votes)


def both(**options) -> Catalogue:
    counted = survey(VOTES, ["a", "b", "c"], [[30, 10, 20, 10], [5, 5, 3, 2], [0, 40, 0, 0]])
    labelled = survey(CLASSES, ["c", "d"], [[0, 1, 0], [0, 0, 1]])
    return combine_catalogues([counted, labelled], **options)


def test_each_galaxy_brings_the_labels_it_has_and_one_in_two_surveys_those_of_both():
    combined = both()
    assert list(combined.ids) == ["a", "b", "c", "d"]
    assert combined.tree is not None
    assert combined.tree.columns == VOTES.columns + CLASSES.columns
    np.testing.assert_array_equal(
        combined.votes,
        # b has 10 votes and is not labelled in its survey
        [[30, 10, 20, 10, 0, 0, 0], [0] * 7, [0, 40, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1]],
    )
    assert list(combined.labelled) == [True, False, True, True]
    assert list(combined.table["survey"]) == ["votes", "votes", "votes", "classes"]


def test_questions_with_one_label_a_galaxy_are_marked_and_others_are_not():
    tree = both().tree
    assert [question.single_label for question in tree.questions] == [False, False, True]
    assert list(tree.single_labels) == [False] * 4 + [True] * 3
    assert DecisionTree.from_dict(tree.to_dict()) == tree


def test_a_galaxy_goes_to_the_same_side_as_in_its_own_survey():
    ids = [f"g{number}" for number in range(400)]
    counted = survey(VOTES, ids, [[40, 0, 20, 20]] * 400)
    labelled = survey(CLASSES, [*ids[200:], "z"], [[1, 0, 0]] * 201)
    test = combine_catalogues([counted, labelled]).split((0.9, 0.1))[1]
    alone = {galaxy for part in (counted, labelled) for galaxy in part.split((0.9, 0.1))[1].ids}
    assert set(test.ids) == alone


def test_images_that_show_more_of_the_sky_are_cut_to_the_same_field(tmp_path):
    wide = np.zeros((40, 40, 3), np.uint8)
    wide[10:30, 10:30] = 200
    wide[20:30, 10:30] = 100
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide[10:30, 10:30]).save(tmp_path / "narrow.png")
    one = survey(VOTES, ["n"], [[40, 0, 20, 20]], [tmp_path / "narrow.png"])
    other = survey(CLASSES, ["w"], [[1, 0, 0]], [tmp_path / "wide.png"])
    combined = combine_catalogues([one, other], crops=[1.0, 0.5])
    pixels, failures = combined.take([1, 0]).decode(Preprocessing(size=8))
    assert not failures
    assert np.array_equal(*pixels[:, 2:-2, 2:-2])  # the filter looks beyond the crop's edge, where the wide image is dark
    assert (both().decode(Preprocessing(size=8))[1]).keys() == {0, 1, 2, 3}  # no images at all


@pytest.mark.parametrize("crops", [[1.0], [1.0, 0.0], [1.0, 1.2]])
def test_each_survey_needs_a_crop_in_range(crops):
    with pytest.raises(CatalogueError, match="give one crop per catalogue, above 0 and up to 1"):
        both(crops=crops)


def test_a_catalogue_without_votes_and_the_same_tree_twice_are_refused():
    counted = survey(VOTES, ["a"], [[30, 10, 20, 10]])
    with pytest.raises(CatalogueError, match="has no votes to learn from"):
        combine_catalogues([counted, counted.without_votes()])
    with pytest.raises(Exception, match="question"):
        combine_catalogues([counted, counted])


def test_a_pool_is_put_under_the_galaxies_with_votes(galaxies):
    known = galaxies(6)
    pool = galaxies(9).without_votes()
    both = join_catalogues(known, pool)
    assert both.ids.tolist() == [f"g{i:03d}" for i in range(9)]
    assert np.array_equal(both.votes[:6], known.votes)
    assert not both.votes[6:].any()
    assert both.labelled.tolist() == [True] * 6 + [False] * 3
    assert both.images == galaxies(9).images
    with pytest.raises(CatalogueError, match="hold images of different kinds"):
        join_catalogues(known, replace(pool, prepared=Preprocessing(size=8)))
    other = replace(known, tree=replace(known.tree, name="other"))
    with pytest.raises(CatalogueError, match=r"votes of another tree than .* use combine_catalogues for several trees"):
        join_catalogues(known, other)
