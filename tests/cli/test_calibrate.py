"""`zooactive calibrate`: factors that are stored with the model, and what follows from them."""

from __future__ import annotations

import json

from small_survey import write_survey, zooactive
from tiny_network import tiny_network

from zooactive.models import load_model


def test_factors_are_stored_with_the_model_and_predictions_of_before_are_stale(tmp_path, undrawn):
    survey = write_survey(tmp_path / "survey", 64)
    home = tmp_path / "home"
    named = ("--tree", survey / "tree.toml", "--catalogue", survey / "survey.csv", "--images", survey / "images")
    small = ("--backbone", "small_cnn", "--image-size", 16, "--epochs", 1, "--rehearsal", 50)
    zooactive("init", home, *named, *small, folder=tmp_path)
    file = home / "zooactive.toml"
    text = file.read_text().replace("split = [0.7, 0.2, 0.1]", "split = [0.3, 0.6, 0.1]")
    file.write_text(text.replace("small_cnn", tiny_network()))
    zooactive("train", folder=home)
    zooactive("predict", folder=home)
    before = load_model(home / "runs" / "first")
    assert before.factors is None
    done = zooactive("calibrate", "--json", folder=home)
    table = json.loads(done.stdout)
    assert [row["question"] for row in table] == [question.name for question in before.tree.questions]
    after = load_model(home / "runs" / "first")
    kept = [row["factor"] if row["kept"] else 1 for row in table]
    assert (after.factors is None) == (set(kept) == {1})
    assert any(row["kept"] for row in table)  # an untrained model is wrong about how sure it is
    assert [round(factor, 6) for factor in after.factors] == [round(factor, 6) for factor in kept]
    assert "are not by the model in" in zooactive("acquire", "--n", 5, folder=home, code=1).stderr
    zooactive("evaluate", folder=home)


def test_the_bundled_encoder_cannot_be_calibrated(tmp_path):
    survey = write_survey(tmp_path / "survey", 12)
    named = ("--tree", survey / "tree.toml", "--catalogue", survey / "survey.csv", "--images", survey / "images")
    assert (
        "the bundled encoder cannot be calibrated"
        in zooactive("calibrate", "--model", "bundled", *named, folder=tmp_path, code=1).stderr
    )
