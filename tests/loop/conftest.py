"""Forty galaxies, twelve of them labelled at the start, and the smallest network, whose head learns in a moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_network import tiny_model

from zooactive.catalogue import Catalogue
from zooactive.loop import HeadLearner, LoopConfig, vote_table
from zooactive.models import GalaxyModel
from zooactive.prediction import Predictions, predict


@pytest.fixture(scope="package")
def answers(galaxies_in, tmp_path_factory) -> Catalogue:
    """What volunteers would say of every galaxy."""
    return galaxies_in(50, tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="package")
def embeddings(answers, tmp_path_factory) -> tuple[GalaxyModel, Predictions]:
    """A model and its predictions, which no test changes."""
    model = tiny_model(answers.tree)
    return model, predict(model, answers.without_votes(), out=tmp_path_factory.mktemp("loop") / "embeddings", draws=1)


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
def learner(embeddings) -> HeadLearner:
    model, stored = embeddings
    return HeadLearner(model, model.tree, stored, draws=8)


@pytest.fixture
def config() -> LoopConfig:
    return LoopConfig(n=6, votes=40, strategy="mutual_information", random_share=0.34, seed=1)


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
