"""What of a model and a catalogue is measured: the questions that both have, and columns of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zooactive.foundation.errors import CatalogueError, ModelError
from zooactive.posterior import Posterior
from zooactive.tree import combine_trees, load_tree
from zooactive.workspace.evaluate import for_questions, numbers_of


def test_of_a_model_that_answers_more_the_surveys_own_questions_are_taken():
    both = combine_trees("both", ["zhu5", "rings"])
    rng = np.random.default_rng(0)
    alpha, weights = rng.uniform(1, 9, (3, 4, len(both.columns))), rng.dirichlet(np.ones(3), 4).T
    whole = Posterior(alpha, "abcd", both, weights=weights)
    rings = load_tree("rings")
    found = for_questions(whole, rings)
    assert found.tree is rings
    places = [both.columns.index(column) for column in rings.columns]
    np.testing.assert_array_equal(found.concentrations, whole.concentrations[..., places])
    np.testing.assert_array_equal(found.weights, whole.weights)
    np.testing.assert_allclose(found.mean(), whole.mean()[:, places])
    assert for_questions(found, rings) is found
    with pytest.raises(ModelError, match="tree 'rings' has no column"):
        for_questions(found, load_tree("zhu5"))


def test_usual_columns_are_found_in_any_case_and_others_by_name(galaxies):
    catalogue = galaxies(6)
    table = catalogue.table.assign(Redshift=["0.1", "", "0.3", "x", "0.5", "0.6"], size=range(6), name=list("abcdef"))
    catalogue = replace(catalogue, table=table)
    usual = numbers_of(catalogue)
    assert list(usual) == ["mag_r", "Redshift"]
    assert np.isnan(usual["Redshift"]).tolist() == [False, True, False, True, False, False]
    assert numbers_of(catalogue, ["size"])["size"].tolist() == [0, 1, 2, 3, 4, 5]
    assert numbers_of(catalogue, []) == {}
    with pytest.raises(CatalogueError, match=r"has no column 'sise'\. Did you mean 'size'"):
        numbers_of(catalogue, ["sise"])
    with pytest.raises(CatalogueError, match="column 'name' holds no numbers"):
        numbers_of(catalogue, ["name"])
