"""What is wrong with a call is told before TensorFlow is loaded, which takes longer than all else."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest
from PIL import Image
from small_survey import write_survey, zooactive
from tiny_network import tiny_model

SURVEY = ("--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images")
RINGS = ("--task", "rings", "--images", "images")

WRONG = {
    "wrong column": (("finetune", "rings.csv", "--column", "rign"), "Did you mean 'ring'?"),
    "missing file": (("finetune", "nothing.csv", *RINGS), "nothing.csv does not exist"),
    "unknown task": (("finetune", "rings.csv", "--task", "ring"), "Did you mean 'rings'?"),
    "unknown answer": (("top", "featurd", "--predictions", "predictions"), "featurd"),
    "wrong tree": (("evaluate", *SURVEY, "--model", "bundled"), "give a --model of that tree"),
    "no predictions": (("acquire", "--predictions", "nowhere"), "run `zooactive predict`"),
    "not enough labels": (("finetune", "few.csv", *RINGS), "2 labelled galaxies are too few"),
    "unknown policy": (("finetune", "rings.csv", *RINGS, "--policy", "heads"), "Did you mean 'head'?"),
    "no images": (("finetune", "rings.csv", "--task", "rings", "--images", "empty"), "no image of"),
    "blank images": (("finetune", "rings.csv", "--task", "rings", "--images", "blank"), "no image of"),
    "no images to train on": (("train", *SURVEY[:2], "--catalogue", "gone.csv"), "cannot be read"),
    "wrong backbone": (("train", "--workspace", "other"), "there is no backbone 'efficientnet_b9'"),
    "no model": (("predict", "--catalogue", "survey.csv", "--model", "nowhere"), "run `zooactive train`"),
    "other weights to start from": (("train", *SURVEY, "--start", "bundled"), "set backbone = 'efficientnet_lite0'"),
}

SAY = """
import contextlib, io, json, sys
from zooactive.cli import app
told = []
for words in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            code = app(words, standalone_mode=False)
        except Exception as error:
            code = 2
            said.write(str(error))
    told.append((code, said.getvalue(), sorted({"tensorflow", "keras"} & set(sys.modules))))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Make every wrong call in one new interpreter, and return for each its code, what it said and what was loaded."""
    folder = write_survey(tmp_path_factory.mktemp("wrong"), 40)
    tiny_model(folder / "tree.toml", image_size=32).save(folder / "run" / "model")
    predict = ("predict", "--catalogue", "survey.csv", "--images", "images", "--model", "run", "--draws", 4)
    zooactive(*predict, "--out", "predictions", folder=folder)
    (folder / "few.csv").write_text("\n".join((folder / "rings.csv").read_text().splitlines()[:3]) + "\n")
    pd.read_csv(folder / "survey.csv").assign(file_loc="gone.png").to_csv(folder / "gone.csv", index=False)
    for name in ("other", "empty", "blank"):
        (folder / name).mkdir()
    for image in (folder / "images").iterdir():
        Image.new("RGB", (32, 32), (7, 7, 7)).save(folder / "blank" / image.name)
    (folder / "other" / "zooactive.toml").write_text(
        '[survey]\ntree = "../tree.toml"\ncatalogue = "../survey.csv"\nimages = "../images"\n'
        '[model]\nbackbone = "efficientnet_b9"\n'
    )
    calls = [list(words) for words, _ in WRONG.values()]
    done = subprocess.run(
        [sys.executable, "-c", SAY, json.dumps(calls)], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )
    return dict(zip(WRONG, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_told_of_before_networks_are_loaded(told, name):
    code, said, loaded = told[name]
    assert code in (1, 2)
    assert WRONG[name][1] in " ".join(said.split())
    assert loaded == []
