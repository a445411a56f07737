"""Vote probabilities move as what can be seen does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from plain_galaxy import galaxy, table

from zooactive.labels.simulate import simulate_sky
from zooactive.labels.simulate.eyes import vote_probabilities
from zooactive.tree import load_tree

TREE = load_tree("simulated")


def told(*galaxies):
    return pd.DataFrame(vote_probabilities(table(*galaxies), TREE), columns=list(TREE.columns))


@pytest.mark.parametrize(
    ("column", "parameter"),
    [
        ("bar_strong", "bar"),
        ("spiral-arms_yes", "arms"),
        ("ring_yes", "ring"),
        ("merging_merger", "companion"),
        ("merging_disturbed", "disturbance"),
        ("smooth-or-featured_featured", "bar"),
        ("smooth-or-featured_featured", "arms"),
        ("winding_loose", "pitch"),
    ],
)
def test_what_is_stronger_is_told_more_often(column, parameter):
    most = np.radians(35) if parameter == "pitch" else 1.0
    strengths = np.linspace(most / 5 if parameter == "pitch" else 0, most, 6)
    arms = {} if parameter == "arms" else {"arms": 0.4}
    chances = told(*(galaxy(**arms | {parameter: strength}) for strength in strengths))[column].to_numpy()
    assert (np.diff(chances) > 0).all()
    assert chances[-1] > chances[0] + 0.25


@pytest.mark.parametrize("hidden", [{"signal": 15.0}, {"radius": 0.055, "fwhm": 0.05}, {"axis_ratio": 0.13}])
def test_what_is_hidden_is_told_less_often(hidden):
    features = {"bar": 0.9, "arms": 0.9, "ring": 0.9}
    plain, dim = told(galaxy(**features), galaxy(**features | hidden)).to_dict("records")
    for column in ("bar_strong", "spiral-arms_yes", "ring_yes"):
        assert dim[column] < plain[column] - 0.3
    if "axis_ratio" not in hidden:  # from the edge a disc is featured all the same
        assert dim["smooth-or-featured_smooth"] > plain["smooth-or-featured_smooth"] + 0.3


def test_shapes_are_told_by_their_axes():
    round_, oval, thin = told(*(galaxy(kind="elliptical", axis_ratio=q) for q in (0.97, 0.62, 0.25))).to_dict("records")
    assert round_["how-rounded_round"] > 0.9
    assert oval["how-rounded_in-between"] > 0.6
    assert thin["how-rounded_cigar"] > 0.9
    edge, face = told(galaxy(axis_ratio=0.13), galaxy()).to_dict("records")
    assert edge["edge-on_yes"] > 0.9
    assert face["edge-on_yes"] < 0.02


def test_an_artifact_is_told_by_its_glare():
    chances = told(*(galaxy(kind="star", glare=glare) for glare in (0.0, 0.5, 1.0)))["smooth-or-featured_artifact"]
    assert chances.is_monotonic_increasing
    assert chances[0] < 0.35 < 0.95 < chances[2]


def test_the_answers_span_from_near_certainty_to_doubt():
    likely = simulate_sky(600, size=8).probabilities
    for question, where in zip(TREE.questions, TREE.slices, strict=True):
        best = likely[:, where].max(axis=1)
        assert best.max() > 0.85, question.name
        assert best.min() < 0.6, question.name
        assert (likely[:, where].max(axis=0) > 0.35).all(), "every answer is the best of some galaxy, or nearly"
