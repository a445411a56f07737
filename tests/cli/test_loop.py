"""`zooactive loop`: rounds over a simulated sky, from asking to telling, and a rehearsal."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tiny_network import tiny_network
from typer.testing import CliRunner, Result

from zooactive.cli import app

WORKSPACE = """
[survey]
tree = "simulated"
catalogue = "sky/galaxies.csv"
[model]
backbone = "tiny1"
image_size = 16
[training]
epochs = 1
batch_size = 8
[acquire]
n = 5
[pool]
draws = 8
"""


def typed(folder: Path, *words: object, code: int = 0) -> Result:
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def sky(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sky")
    assert tiny_network() in WORKSPACE
    typed(folder, "simulate", "sky", "sky", "--n", 90, "--size", 16, "--labelled", 50)
    return folder


def test_a_round_goes_out_to_the_crowd_and_comes_back(sky):
    (sky / "zooactive.toml").write_text(WORKSPACE)
    asked = typed(sky, "loop", "ask", "--json")
    ids = [row["id"] for row in json.loads(asked.stdout)]
    assert len(ids) == 5
    assert "round 0, 5 galaxies" in asked.stderr
    assert "nats per galaxy, accuracy" in asked.stderr
    assert "strategy mutual_information: no trial is made for a network that is trained as a whole" in asked.stderr
    assert json.loads(typed(sky, "loop", "ask", "--json").stdout) == json.loads(asked.stdout)
    typed(sky, "export", "--selection", "loop/round-000/selection.csv", "--credit", "simulated")
    typed(sky, "simulate", "crowd", "subjects/manifest.csv", "--truth", "sky/truth.csv", "--wording", "sky/wording.toml")
    typed(sky, "votes", "classifications.csv", "--wording", "sky/wording.toml")
    told = typed(sky, "loop", "tell", "votes.csv")
    assert "round 0: 5 galaxies with " in told.stderr
    assert "each vote brought" in told.stderr
    # The strategy and the number of galaxies may change from round to round.
    anew = typed(sky, "loop", "ask", "--n", 3, "--strategy", "random", "--json")
    assert "strategy random" not in anew.stderr  # which was named
    again = json.loads(anew.stdout)
    assert len(again) == 3
    assert not {row["id"] for row in again} & set(ids)
    history = json.loads(typed(sky, "loop", "status", "--json").stdout)
    assert [row["round"] for row in history] == [0, 1]
    assert history[1]["labelled"] == history[0]["labelled"] + 5
    assert "nats per 1000 votes" in typed(sky, "loop", "status").stdout


def test_a_rehearsal_writes_its_rounds_its_ratios_and_a_picture(sky):
    (sky / "zooactive.toml").write_text(WORKSPACE + '[loop]\nlearner = "head"\n')
    typed(sky, "train", "--run-dir", "start")
    text = WORKSPACE.replace("[training]", 'start = "start"\n[training]') + '[loop]\nlearner = "head"\n'
    (sky / "zooactive.toml").write_text(text)
    words = ("--strategy", "entropy", "--strategy", "random", "--seeds", 2, "--start", 20, "--rounds", 2, "--drawn", 30)
    shown = json.loads(typed(sky, "loop", "rehearse", *words, "--json").stdout)
    assert {(row["cost"], row["merit"]) for row in shown} == {
        (cost, merit) for cost in ("labelled", "clicks") for merit in ("test_likelihood", "test_accuracy")
    }
    rounds = pd.read_csv(sky / "rehearsal" / "rounds.csv")
    assert rounds["labelled"].tolist() == [20, 25, 30] * 4
    stored = pd.read_csv(sky / "rehearsal" / "efficiency.csv")
    assert stored["ratio"].tolist() == pytest.approx([row["ratio"] for row in shown])
    with Image.open(sky / "rehearsal" / "curves.png") as picture:
        assert picture.size[0] > 600


def test_rehearsals_with_few_and_many_votes_are_compared_by_clicks(sky):
    (sky / "zooactive.toml").write_text(WORKSPACE + '[loop]\nlearner = "head"\n')
    typed(sky, "train", "--run-dir", "start")
    text = WORKSPACE.replace("[training]", 'start = "start"\n[training]') + '[loop]\nlearner = "head"\n'
    (sky / "zooactive.toml").write_text(text)
    words = ("--strategy", "one_vote", "--strategy", "random", "--seeds", 2, "--start", 8, "--rounds", 2, "--n", 4)
    shown = json.loads(typed(sky, "loop", "rehearse", *words, "--drawn", 10, "--drawn", 30, "--json").stdout)
    assert {row["strategy"] for row in shown} == {"one_vote, 30 votes", "one_vote, 10 votes", "random, 10 votes"}
    rounds = pd.read_csv(sky / "rehearsal" / "rounds.csv")
    assert list(dict.fromkeys(rounds["strategy"])) == [
        f"{name}, {n} votes" for n in (30, 10) for name in ("one_vote", "random")
    ]
    assert rounds["labelled"].tolist() == [8, 12, 16] * 4 + [24, 36] * 4  # of which there are no more
    first = rounds[rounds["round"] == 0].groupby("strategy")["clicks"].mean()
    assert first["random, 10 votes"] == pytest.approx(first["random, 30 votes"], rel=0.4)
    assert (sky / "rehearsal" / "drawn-10" / "rounds.csv").is_file()
    said = typed(sky, "loop", "rehearse", *words, "--drawn", 1, "--drawn", 30, code=1).stderr
    assert "with 1 votes each, 240 galaxies at the start and 120 per round cost as much as 8 and 4 with 30 votes" in said


def test_what_cannot_be_played_is_explained(sky, tmp_path):
    assert "no catalogue is named" in typed(tmp_path, "loop", "ask", code=1).stderr
    assert "holds no rounds; `zooactive loop ask` starts the first" in typed(tmp_path, "loop", "status", code=1).stderr
    assert "there is no strategy 'luck'" in typed(sky, "loop", "ask", "--strategy", "luck", code=2).stderr
    (tmp_path / "zooactive.toml").write_text('[loop]\nlearner = "nobody"\n')
    assert "learner = 'nobody'. Use one of network, head" in typed(tmp_path, "loop", "status", code=1).stderr
