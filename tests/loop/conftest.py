"""Forty galaxies, twelve of them labelled at the start, and a small network whose head learns in a moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import Catalogue
from zooactive.loop import HeadLearner, LoopConfig, vote_table
from zooactive.models import GalaxyModel
from zooactive.prediction import predict


@pytest.fixture
def answers(galaxies) -> Catalogue:
    """What volunteers would say of every galaxy."""
    return galaxies(50)


@pytest.fixture
def begun(answers) -> Catalogue:
    """The first forty galaxies, of which the first twelve have votes."""
    survey = answers.take(range(40))
    votes = survey.votes.copy()
    votes[12:] = 0
    return replace(survey, votes=votes)


@pytest.fixture
def held_out(answers) -> Catalogue:
    """Ten galaxies that are never asked for."""
    return answers.take(range(40, 50))


@pytest.fixture
def learner(answers, tree, tmp_path) -> HeadLearner:
    model = GalaxyModel(tree, backbone="small_cnn", image_size=16)
    embeddings = predict(model, answers.without_votes(), out=tmp_path / "embeddings", draws=1)
    return HeadLearner(model, tree, embeddings, draws=8)


@pytest.fixture
def config() -> LoopConfig:
    return LoopConfig(n=6, votes=40, random_share=0.34, seed=1)


@pytest.fixture
def said(answers):
    """Return a function from ids to the table of what volunteers say of these galaxies."""

    def say(ids) -> pd.DataFrame:
        return vote_table(answers.select(ids))

    return say


@pytest.fixture
def rates():
    """Return a function (acquired rates, error) -> the history of rounds that told so much a click."""

    def make(acquired, error=0.0) -> pd.DataFrame:
        numbers = np.arange(len(acquired))
        return pd.DataFrame({"round": numbers, "told_acquired": acquired, "told_acquired_error": error})

    return make
