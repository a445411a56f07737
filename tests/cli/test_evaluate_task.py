"""A fine-tuned question judged by labels: those held out, and those of another table, with images and with features."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_survey import GALAXIES, Begun, begun_workspace, read_json, zooactive

from zooactive.prediction import open_predictions

LEARNT, FEATURES = 48, 4
IDS = [f"g{i:03d}" for i in range(GALAXIES)]


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def learnt(begun, tmp_path_factory) -> Path:
    """A survey's workspace with a task of a column, and a table that says what all galaxies are."""
    home = shutil.copytree(begun.home, tmp_path_factory.mktemp("task") / "home")
    table = pd.DataFrame({"id": IDS, "merger": np.arange(GALAXIES) % 2})
    table.to_csv(home / "all.csv", index=False)
    table.head(LEARNT).to_csv(home / "some.csv", index=False)
    features = np.random.default_rng(0).normal(size=(GALAXIES, FEATURES)).astype(np.float32)
    features[:, 0] += 3 * table["merger"]
    lists = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), FEATURES)
    pq.write_table(pa.table({"id": IDS, "features": lists}), home / "features.parquet")
    zooactive("finetune", "some.csv", "--column", "merger", "--images", begun.survey / "images", folder=home)
    return home


@pytest.fixture
def home(learnt, tmp_path) -> Path:
    return shutil.copytree(learnt, tmp_path / "home")


def measured(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "evaluation.csv").set_index("measure")


def test_without_a_table_the_galaxies_held_out_judge(home):
    said = zooactive("evaluate", "--model", "tasks/merger", folder=home)
    held_out = pd.read_csv(home / "tasks/merger/held_out.csv")
    assert f"merger: {len(held_out)} galaxies that the model was not trained on" in said.stdout
    assert zooactive("evaluate", "--model", "tasks/merger/model", folder=home).stdout == said.stdout
    right = (held_out["merger_yes"] > 0.5) == (held_out["merger_yes_votes"] > 0)
    assert measured(home / "tasks/merger").loc["accuracy", "value"] == pytest.approx(right.mean())
    assert read_json(home / "tasks/merger/evaluation.json")["task"] == "merger"
    assert "Least certain" in (home / "tasks/merger/evaluation.html").read_text()


def test_of_another_table_those_judge_that_were_not_learnt_from(begun, home):
    words = ("evaluate", "--model", "tasks/merger", "--images", begun.survey / "images", "--out", "others", "--json")
    (found,) = json.loads(zooactive(*words, "--catalogue", "all.csv", folder=home).stdout)
    held_out = set(pd.read_csv(home / "tasks/merger/held_out.csv")["id"])
    judges = held_out | set(IDS[LEARNT:])
    assert found["galaxies"] == len(judges)
    zooactive("predict", "--model", "tasks/merger", "--catalogue", "all.csv", "--images", begun.survey / "images",
              "--out", "by-task", folder=home)  # fmt: skip
    shares = open_predictions(home / "by-task").means_of(judges).set_index("id")["merger_yes"][sorted(judges)]
    right = (shares > 0.5) == [int(name[1:]) % 2 == 1 for name in sorted(judges)]
    assert found["accuracy"] == pytest.approx(right.mean())
    pd.read_csv(home / "some.csv").query("id not in @held_out").to_csv(home / "known.csv", index=False)
    told = zooactive(*words, "--catalogue", "known.csv", folder=home, code=1).stderr
    assert "was trained on all galaxies with a label in" in told
    pd.read_csv(home / "all.csv").assign(merger="").to_csv(home / "blank.csv", index=False)
    told = zooactive(*words, "--catalogue", "blank.csv", folder=home, code=1).stderr
    assert f"none of {GALAXIES} galaxies has a label of task 'merger'" in told


def test_another_table_may_call_the_labels_otherwise(begun, home):
    pd.read_csv(home / "all.csv").rename(columns={"merger": "is it one"}).to_csv(home / "renamed.csv", index=False)
    words = ("evaluate", "--model", "tasks/merger", "--images", begun.survey / "images", "--out", "others", "--json")
    told = zooactive(*words, "--catalogue", "renamed.csv", folder=home, code=1).stderr
    assert "Name the column that holds your labels (--column)" in told
    renamed = zooactive(*words, "--catalogue", "renamed.csv", "--column", "is it one", folder=home).stdout
    assert renamed == zooactive(*words, "--catalogue", "all.csv", folder=home).stdout
    told = zooactive("evaluate", "--model", "tasks/merger", "--column", "is it one", folder=home, code=1).stderr
    assert "name their table with --catalogue" in told
    assert "only a task" in zooactive("evaluate", "--column", "is it one", folder=home, code=1).stderr


def test_where_the_labels_learnt_are_gone_it_is_said_that_galaxies_may_be_known(begun, home):
    how = home / "tasks/merger/how.json"
    said = read_json(how)
    said["options"]["labels"] = str(home / "gone.csv")
    how.write_text(json.dumps(said))
    words = ("evaluate", "--model", "tasks/merger", "--catalogue", "all.csv", "--images", begun.survey / "images")
    said = zooactive(*words, folder=home)
    assert "galaxies that it knows may be among these" in said.stderr
    assert f"merger: {GALAXIES} galaxies" in said.stdout


def test_a_head_on_features_is_judged_by_other_labels(home):
    features = ("--embeddings", "features.parquet")
    zooactive("finetune", "some.csv", "--column", "merger", *features, "--out", "head", "--folds", 3, folder=home)
    said = zooactive("evaluate", "--model", "head", "--catalogue", "all.csv", "--out", "others", folder=home)
    assert f"merger: {GALAXIES - LEARNT} galaxies" in said.stdout  # after folds it has learnt from all others
    assert measured(home / "others").loc["auc", "value"] > 0.9


def test_votes_still_judge_a_task_of_the_surveys_questions_and_what_does_not_fit_is_refused(begun, home):
    told = zooactive("evaluate", "--model", "tasks/merger", "--by", "mag", folder=home, code=1).stderr
    assert "leave out --by" in told
    told = zooactive("evaluate", "--model", "tasks/merger", "--tree", begun.survey / "tree.toml", folder=home, code=1).stderr
    assert "answers tree 'merger', but the votes in" in told
