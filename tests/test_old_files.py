"""What commit e519ca2 wrote, before the modules moved, is read as it was; `expected.json` is what that commit said of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pictures import picture
from PIL import Image
from typer.testing import CliRunner, Result

import zooactive as za
from zooactive.acquisition.selection_files import read_selection
from zooactive.cli import app
from zooactive.labels import Ledger
from zooactive.loop.round_files import history_of
from zooactive.prediction import open_predictions

OLD = Path(__file__).parent / "old_files"
EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text())


LOOP = """
[survey]
tree = "simulated"
catalogue = "sky/galaxies.csv"
[model]
backbone = "small_cnn"
image_size = 16
[training]
epochs = 1
batch_size = 8
[acquire]
n = 3
[pool]
draws = 4
"""
"""What the old loop was begun with."""


def typed(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Three pictures that the old commit predicted too."""
    folder = tmp_path_factory.mktemp("old") / "images"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(picture(i, 16)).save(folder / f"g{i}.png")
    return folder


@pytest.mark.parametrize("name", ["model", "task"])
def test_an_old_model_says_what_it_said(name, images):
    model = za.load_model(OLD / "model") if name == "model" else za.load_finetuned(OLD / "task")
    posterior = za.predict(model, images, draws=3, seed=1)
    network = getattr(model, "model", model)
    assert network.fingerprint() == EXPECTED[name]["fingerprint"]
    np.testing.assert_allclose(posterior.mean(), EXPECTED[name]["mean"], rtol=1e-3)


def test_an_old_task_was_measured_as_it_was():
    assert za.load_finetuned(OLD / "task").evaluate() == pytest.approx(EXPECTED["task"]["measured"])


def test_old_predictions_are_opened_and_drawn_from():
    stored = open_predictions(OLD / "predictions")
    assert len(stored) == len(EXPECTED["predictions"]["ids"])
    posterior = stored.posterior()
    assert posterior.ids.tolist() == EXPECTED["predictions"]["ids"]
    np.testing.assert_allclose(posterior.concentrations[0, :3], EXPECTED["predictions"]["concentrations"], rtol=1e-6)
    assert stored.table().columns.tolist() == EXPECTED["predictions"]["columns"]


def test_old_shards_are_a_catalogue_with_its_tree():
    catalogue = za.read_catalogue(OLD / "shards")
    assert catalogue.ids.tolist() == EXPECTED["shards"]["ids"]
    assert catalogue.tree.columns == tuple(EXPECTED["shards"]["columns"])
    assert catalogue.votes.tolist() == EXPECTED["shards"]["votes"]


def test_an_old_ledger_counts_the_same_votes():
    ledger = Ledger(OLD / "ledger", za.load_tree("simulated"))
    votes = pd.read_csv(OLD / "votes.csv", dtype={"id": str})
    pd.testing.assert_frame_equal(ledger.votes()[votes.columns.tolist()], votes, check_dtype=False)


def test_an_old_loop_has_its_history():
    history = json.loads(history_of(OLD / "loop").to_json(orient="records"))
    assert history == EXPECTED["loop"]["history"]


def test_an_old_loop_asks_for_its_next_round(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = typed("simulate", "sky", "sky", "--n", 40, "--size", 16, "--labelled", 25)
    assert "40 galaxies" in said.stderr
    shutil.copytree(OLD / "loop", "loop")
    Path("zooactive.toml").write_text(LOOP)
    chosen = {row["id"] for row in json.loads(typed("loop", "ask", "--json").stdout)}
    assert len(chosen) == 3
    assert not chosen & set(pd.read_csv("loop/round-000/votes.csv", dtype={"id": str})["id"])
    history = json.loads(typed("loop", "status", "--json").stdout)
    assert [row["labelled"] for row in history] == [22, 25]


def test_old_predictions_that_are_whole_are_not_made_again(tmp_path):
    shutil.copytree(OLD / "predictions", tmp_path / "predictions")
    before = (tmp_path / "predictions" / "part-00000.parquet").stat()
    with pytest.warns(UserWarning, match="it is not known whether they are the same, and existing parts are kept"):
        stored = za.predict(za.load_model(OLD / "model"), OLD / "shards", out=tmp_path / "predictions", draws=4)
    assert stored.posterior().ids.tolist() == EXPECTED["predictions"]["ids"]
    assert (tmp_path / "predictions" / "part-00000.parquet").stat().st_mtime_ns == before.st_mtime_ns


def test_an_old_selection_is_read():
    assert read_selection(OLD / "selection.csv").to_dict("list") == EXPECTED["selection"]
