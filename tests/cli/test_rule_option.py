"""Clean classes from votes, through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_survey import write_survey, zooactive
from tiny_network import tiny_network

from zooactive.catalogue import read_catalogue

RULE = """\
name = "kinds"
trees = ["tree.toml"]
result = "kinds-tree.toml"
fractions = "everybody"
[classes.smooth]
smooth-or-featured_smooth = 0.5
[classes.featured]
smooth-or-featured_featured = 0.5
"""
KINDS = 'name = "kinds"\nvotes = "class"\nmin_votes = 1\n[[question]]\nname = "kind"\nanswers = ["smooth", "featured"]\n'
SURVEY = ("--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images")
SMALL = ("--backbone", "small_cnn", "--image-size", 32, "--epochs", 1, "--run-dir", "run")


@pytest.fixture
def folder(tmp_path) -> Path:
    survey = write_survey(tmp_path / "survey", 48)
    (survey / "kinds.toml").write_text(RULE)
    (survey / "kinds-tree.toml").write_text(KINDS)
    return survey


def test_a_model_learns_the_classes_that_a_rule_makes_of_the_votes(folder):
    told = zooactive("train", *SURVEY, "--rule", "kinds.toml", *SMALL, folder=folder).stderr
    assert "--rule kinds.toml" in told.splitlines()[-1]
    model = json.loads((folder / "run" / "model" / "model.json").read_text())
    assert model["columns"] == ["kind_smooth", "kind_featured"]


def test_classes_are_packed_and_a_workspace_says_the_rule_for_all_commands(folder, undrawn):
    (folder / "zooactive.toml").write_text(
        '[survey]\ntree = "tree.toml"\nrule = "kinds.toml"\ncatalogue = "survey.csv"\nimages = "images"\n'
        f'[model]\nbackbone = "{tiny_network()}"\nimage_size = 32\nfolder = "run"\n[training]\nepochs = 1\n'
    )
    zooactive("prepare", folder=folder)
    packed = read_catalogue(folder / "shards")
    assert packed.tree.name == "kinds"
    assert 0 < len(packed) < 48
    assert "rule" in json.loads((folder / "shards" / "how.json").read_text())["options"]
    assert "warning" not in zooactive("train", folder=folder).stderr
    questions = json.loads(zooactive("evaluate", "--json", folder=folder).stdout)
    assert [row["question"] for row in questions] == ["kind"]


def test_classes_packed_elsewhere_are_a_catalogue_of_the_classes_own_tree(folder):
    words = (*SURVEY, "--rule", "kinds.toml", "--image-size", 32, "--out", "packed")
    following = zooactive("prepare", *words, folder=folder).stderr.splitlines()[-1]
    assert "--tree kinds" in following
    assert "--catalogue packed" in following
    assert "--rule" not in following


def test_a_rule_that_cannot_be_followed_is_explained_in_a_line(folder):
    for spoilt, named in (
        ((*SURVEY, "--rule", "kind"), "there is no class rule 'kind'"),
        ((*SURVEY, "--rule", "zhu2019"), "rule 'zhu2019' reads votes of 'gz2' or 'gz2_kaggle', not of tree 'small'"),
    ):
        told = zooactive("train", *spoilt, *SMALL, folder=folder, code=1).stderr
        assert named in told
        assert len(told.splitlines()) == 1
