"""A project on the stand-in, its crowd, and a loop over a hundred galaxies whose head learns in a moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_project import CEILING, GALAXIES, ROUND
from tiny_network import tiny_model
from zooniverse_stand_in import PROJECT, WORKFLOW, World, serving

from zooactive.acquisition import AllocationConfig
from zooactive.catalogue import Catalogue
from zooactive.labels import load_wording
from zooactive.labels.simulate.forms import wording_toml
from zooactive.labels.zooniverse.calls import Zooniverse
from zooactive.labels.zooniverse.session import open_session
from zooactive.loop import HeadLearner, Loop, LoopConfig
from zooactive.loop.stepping.config import StepConfig
from zooactive.loop.stepping.setting import Setting
from zooactive.loop.stepping.step import Step, take_step
from zooactive.prediction import predict

pytest.importorskip("panoptes_client", reason="the Zooniverse's client is an extra")
Begin = Callable[..., Setting]


@pytest.fixture(scope="package")
def sky(galaxies_in, tmp_path_factory) -> Catalogue:
    """Galaxies of which the first twenty have votes; the world alone knows the others'."""
    return galaxies_in(GALAXIES, tmp_path_factory.mktemp("sky"), seed=5)


@pytest.fixture(scope="package")
def head(sky, tmp_path_factory) -> HeadLearner:
    model = tiny_model(sky.tree)
    stored = predict(model, sky.without_votes(), out=tmp_path_factory.mktemp("head") / "embeddings", draws=1)
    return HeadLearner(model, model.tree, stored, draws=8, components=8)


@pytest.fixture
def world(sky, monkeypatch):
    """A stand-in, with its address and credentials in the environment."""
    chances = {name: votes + 0.3 for name, votes in zip(sky.ids, sky.votes, strict=True)}
    monkeypatch.setenv("PANOPTES_CLIENT_ID", "me")
    monkeypatch.setenv("PANOPTES_CLIENT_SECRET", "s3cret")
    with serving(World(sky.tree, chances)) as there:
        monkeypatch.setenv("PANOPTES_ENDPOINT", there.address)
        monkeypatch.setenv("CAESAR_ENDPOINT", f"{there.address}/caesar")
        yield there


@pytest.fixture
def begin(sky, head, world, tmp_path) -> Begin:
    """Return a function that opens the loop as a new process does, with these entries of ``[zooniverse]``."""
    tree = sky.tree
    words = tmp_path / "wording.toml"
    lines = ['name = "small"'] + [
        f'[[question]]\nname = "{q.name}"\nanswers = {list(q.answers)}\nasked_after = {list(q.asked_after)}'
        for q in tree.questions
    ]
    (tmp_path / "tree.toml").write_text("\n".join(lines).replace("'", '"'))
    words.write_text(wording_toml(tree, "tree.toml", int(WORKFLOW)))
    votes = sky.votes.copy()
    votes[20:] = 0
    galaxies = replace(sky, votes=votes, min_votes=5.0)
    wording = load_wording(words)

    def open_loop(folder: Path = tmp_path / "loop", only: int = GALAXIES, **entries) -> Setting:
        config = StepConfig(**{"project": int(PROJECT), "workflow": int(WORKFLOW), "retire_share": 1.0} | entries)
        rules = LoopConfig(n=ROUND, votes=CEILING, strategy="mutual_information", random_share=0.25, stop_share=0.0)
        loop = Loop(folder, head, galaxies.take(range(only)), config=rules)
        there = Zooniverse(open_session(), project=config.project, workflow=config.workflow)
        allocation = AllocationConfig(ceiling=CEILING, trees=8)
        return Setting(folder / "zooniverse", loop, there, wording, config, allocation, now=lambda: world.now)

    return open_loop


@pytest.fixture
def step(begin, world):
    """Return a function that takes one step, as a new process does, and says what it did."""

    def take(**entries) -> Step:
        world.begin_step()
        return take_step(begin(**entries))

    return take
