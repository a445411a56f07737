"""`zooactive publish`: what is written, what is sent to a stand-in of the hub, and what others load from there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hub_stand_in import TOKEN, Hub, standing_in, use_cache
from small_survey import write_survey, zooactive
from tiny_network import tiny_model

import zooactive as za
from zooactive.foundation.errors import OutputError, UploadError, WorkspaceError
from zooactive.foundation.writing import write_how
from zooactive.models import EmbeddingModel
from zooactive.models.published.hub import fetch
from zooactive.models.published.origin import Origin
from zooactive.prediction import open_predictions
from zooactive.workspace.settings import Settings

# What huggingface_hub 2.4 sends a file with where it does not go by Xet.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

FILES = ["README.md", "config.json", "model.json", "encoder.npz", "head.npz"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    with standing_in(tmp_path_factory.mktemp("hf")) as hub:
        yield hub


@pytest.fixture(autouse=True)
def _nobody(hub, tmp_path, monkeypatch):
    use_cache(monkeypatch, tmp_path / "hf")
    monkeypatch.setattr(hub, "fails_with", None)
    hub.repositories.clear()
    hub.stored.clear()


@pytest.fixture
def logged_in(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Write no page beside the tables of an evaluation, which takes longest."""
    patch.setattr("zooactive.report.write_report", lambda *_, **__: None)
    patch.setattr("zooactive.report.evaluation_findings", lambda *_, **__: [])


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A workspace with a trained and measured model, as `train` and `evaluate` leave it, without training."""
    home = write_survey(tmp_path_factory.mktemp("made"), 60)
    (home / "zooactive.toml").write_text(
        '[survey]\ntree = "tree.toml"\ncatalogue = "survey.csv"\nimages = "images"\nsplit = [0.5, 0.1, 0.4]\n'
    )
    run = home / "runs" / "first"
    model = tiny_model(home / "tree.toml", seed=3)
    model.factors = np.array([1.0, 2.0, 0.5])
    model.origin = Origin("hf://mwalmsley/zoobot-encoder-convnext_nano", "1234abc", "gpl-3.0")
    model.save(run / "model")
    training = {"loss": "dirichlet_multinomial", "optimizer": "adamw", "learning_rate": 0.001, "epochs": 3, "seed": 0}
    secret = {"galaxies": str(Path.home() / "private"), "training": training, "best_epoch": 2}
    write_how(run, command="train", options=secret, inputs={})
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        za.load_workspace(home).evaluate()
    return home


@pytest.fixture
def home(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "survey")


# What is written --------------------------------------------------------------------------------------------------------


def test_without_a_login_a_folder_and_a_zip_are_left(home, hub):
    said = zooactive("publish", "me/bars", "--zip", "--json", folder=home)
    folder = home / "published" / "bars"
    assert [row["file"] for row in json.loads(said.stdout)] == FILES
    assert {row["file"]: row["bytes"] for row in json.loads(said.stdout)} == {
        path.name: path.stat().st_size for path in folder.iterdir() if not path.name.startswith(".")
    }
    assert "you are not logged in to the Hugging Face hub, so nothing is uploaded" in said.stderr
    digest = re.search(r"bars\.zip: sha256 ([0-9a-f]{64})", " ".join(said.stderr.split()))
    assert digest is not None
    assert hub.asked == [] or not any("create" in line for line in hub.asked)
    with zipfile.ZipFile(home / "published" / "bars.zip") as packed:
        assert packed.namelist() == FILES
    mine = za.load_model(home / "runs" / "first").fingerprint()
    assert za.load_model(folder).fingerprint() == za.load_model(home / "published" / "bars.zip").fingerprint() == mine
    again = zooactive("publish", "me/bars", "--zip", folder=home)
    assert digest[1] in again.stderr.replace("\n", "")


def test_the_card_says_what_is_known(home):
    done = za.load_workspace(home).publish("me/bars", out=home / "out")
    text = (home / "out" / "README.md").read_text()
    front, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert front.splitlines()[:5] == ["license: gpl-3.0", "library_name: zooactive", "tags:", "- zooactive", "- galaxy-zoo"]
    flat = " ".join(body.split())
    train, validation, test = za.load_workspace(home).settings.split_survey()
    votes = int(train.votes[:, :3].sum())
    for said in (
        "# bars: A small survey",
        f"The votes of {len(train)} galaxies in the table survey.csv: {votes:,} votes on the first question. "
        f"{len(validation)} validation galaxies chose the best epoch, and {len(test)} test galaxies were held out",
        "loss dirichlet_multinomial, optimizer adamw, learning rate 0.001, epochs 3, seed 0. Epoch 2 was kept.",
        f"On {len(test)} galaxies that it was not trained on.",
        "edge-on 2.00, bar 0.50",
        "inside its 50%, 80% and 95% intervals",
        "It predicts what volunteers would answer, and not what a galaxy is.",
        f"It was trained on only {len(train)} galaxies.",
        "Its network, tiny1, does not come with zooactive",
        "Published under gpl-3.0.",
        "It started from hf://mwalmsley/zoobot-encoder-convnext_nano (revision 1234abc), licence gpl-3.0. Also credit its",
        'model = za.load_model("hf://me/bars")',
        "$ zooactive predict --model hf://me/bars --catalogue images --out predictions",
    ):
        assert said in flat, said
    measured = pd.read_csv(home / "runs" / "first" / "evaluation.csv").iloc[0]
    low, high = measured["accuracy_low"], measured["accuracy_high"]
    row = f"| smooth-or-featured | {len(test)} | {measured['accuracy']:.3f} | {low:.3f} to {high:.3f} |"
    assert row in text
    config = json.loads((home / "out" / "config.json").read_text())
    assert (config["library_name"], config["backbone"], config["license"]) == ("zooactive", "tiny1", "gpl-3.0")
    assert done.licence == "gpl-3.0"
    for path in (home / "out").iterdir():
        assert str(Path.home()) + "/private" not in path.read_bytes().decode("latin-1")


def test_a_card_of_little_knowledge_says_so(tmp_path):
    tiny_model("rings").save(tmp_path / "model")
    told: list[str] = []
    za.Workspace(Settings(tmp_path), tell=told.append).publish("me/rings", model=tmp_path / "model", out=tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "license:" not in text
    for said in (
        "The model does not record which galaxies it was trained on.",
        "It has not been measured on galaxies held out.",
        "Whoever published it did not state a licence.",
        "random weights, or from weights whose origin is not recorded",
    ):
        assert said in text
    assert [line.split(":")[0] for line in told] == ["warning", "warning"]


def test_a_card_of_bands_says_which_and_what_the_first_layer_was_made_of(tmp_path):
    bands = za.Preprocessing(size=16, bands=["g", "z"], stretch="asinh -0.1 5 0.05")
    tiny_model("rings").with_tree("rings", preprocessing=bands).save(tmp_path / "model")
    za.Workspace(Settings(tmp_path)).publish("me/rings", model=tmp_path / "model", out=tmp_path / "out")
    text = " ".join((tmp_path / "out" / "README.md").read_text().split())
    assert "16 x 16 pixels, the bands g, z (asinh -0.1 5 0.05), from 0 to 1, all of the image" in text
    assert "spread from red, green, blue to g, z (red = z, green = 0.5 g + 0.5 z, blue = g)" in text
    assert json.loads((tmp_path / "out" / "config.json").read_text())["channels"] == 2


def test_names_of_anybody_are_no_markup(tmp_path):
    tree = tmp_path / "odd.toml"
    tree.write_text(
        'name = "odd"\ntitle = "<script>a|b [x](javascript:1)"\n[[question]]\nname = "q"\nanswers = ["yes", "no"]\n'
    )
    tiny_model(tree).save(tmp_path / "model")
    options = {"model": tmp_path / "model", "out": tmp_path / "out", "licence": "my own: terms"}
    za.Workspace(Settings(tmp_path)).publish("me/odd", **options)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "# odd: &lt;script>a\\|b \\[x](javascript:1)\n" in text
    assert text.startswith('---\nlicense: other\nlicense_name: "my own: terms"\n')


def test_a_dry_run_writes_and_sends_nothing(home, hub, logged_in):
    before = sorted(home.rglob("*"))
    hub.asked.clear()
    said = zooactive("publish", "me/bars", "--dry-run", "--private", folder=home)
    assert sorted(home.rglob("*")) == before
    assert hub.asked == []
    assert all(name in said.stdout for name in FILES)
    assert "Next: zooactive publish me/bars --private" in said.stderr


def test_paths_of_this_machine_and_votes_are_not_published(tmp_path):
    EmbeddingModel("rings", features=3, encoder=str(Path.home() / "secret.npy")).save(tmp_path / "model")
    workspace = za.Workspace(Settings(tmp_path))
    with pytest.raises(WorkspaceError, match=r"model\.json holds the path '.*secret\.npy' of this machine"):
        workspace.publish("me/x", model=tmp_path / "model", out=tmp_path / "out")
    EmbeddingModel("rings", features=3, encoder="nano").save(tmp_path / "model")
    for name in ("how.json", "held_out.csv", "draws-laplace-1.npz"):
        (tmp_path / "model" / name).write_text("votes")
    done = workspace.publish("me/x", model=tmp_path / "model", out=tmp_path / "out")
    assert set(done.files) == {"README.md", "config.json", "model.json", "head.npz"}
    assert "--embeddings embeddings.parquet" in (tmp_path / "out" / "README.md").read_text()


def test_files_of_others_are_never_written_over(home):
    (home / "out").mkdir()
    (home / "out" / "README.md").write_text("mine")
    for out, said in ((home / "out", "that `zooactive publish` did not write"), (home / "runs/first/model", "own")):
        with pytest.raises(OutputError, match=said):
            za.load_workspace(home).publish("me/bars", out=out)
    assert (home / "out" / "README.md").read_text() == "mine"


# What is sent -----------------------------------------------------------------------------------------------------------


def test_a_published_model_predicts_the_same_from_an_empty_cache(home, hub, logged_in, tmp_path, monkeypatch):
    done = zooactive("publish", "hf://me/bars", folder=home)
    assert f"Published: {hub.url}/me/bars, commit {hub.repositories['me/bars'].commits[-1][0]}" in done.stderr
    assert set(hub.repositories["me/bars"].commits[-1][1]) == set(FILES)
    assert not hub.repositories["me/bars"].private
    mine = za.predict(za.load_model(home / "runs" / "first"), home / "images", draws=4, progress=None)
    shutil.rmtree(home / "published")
    use_cache(monkeypatch, tmp_path / "elsewhere")
    monkeypatch.setenv("HF_TOKEN", "")
    loaded = za.predict(za.load_model("hf://me/bars"), home / "images", draws=4, progress=None)
    np.testing.assert_array_equal(loaded.concentrations, mine.concentrations)
    card = (fetch("hf://me/bars") / "README.md").read_text()
    monkeypatch.chdir(home)
    said: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", card, re.DOTALL)[1], said)  # type: ignore[index]
    words = shlex.split(re.search(r"```console\n\$ zooactive (.*?)\n```", card)[1])  # type: ignore[index]
    zooactive(*words, "--draws", 20, folder=home)
    stored = open_predictions(home / "predictions").posterior()
    np.testing.assert_array_equal(stored.concentrations, said["posterior"].concentrations)


def test_publishing_twice_is_one_commit_and_a_change_is_another(home, hub, logged_in):
    zooactive("publish", "me/bars", folder=home)
    said = zooactive("publish", "me/bars", folder=home)
    commits = hub.repositories["me/bars"].commits
    assert len(commits) == 2  # the first is that of an empty repository
    assert "holds the same files already" in said.stderr
    zooactive("publish", "me/bars", "--licence", "mit", folder=home)
    assert len(commits) == 3
    changed = [name for name in commits[2][1] if commits[2][1][name] != commits[1][1].get(name)]
    assert changed == ["README.md", "config.json"]


def test_a_private_repository_stays_private_and_a_public_one_is_refused(home, hub, logged_in):
    workspace = za.load_workspace(home)
    workspace.publish("me/bars", private=True)
    assert hub.repositories["me/bars"].private
    hub.add("me/open", {})
    with pytest.raises(UploadError, match=r"/me/open is already public, but --private was given"):
        workspace.publish("me/open", private=True)
    assert hub.repositories["me/open"].commits[-1][1] == {}


@pytest.mark.parametrize(
    ("token", "status", "said"),
    [
        ("hf_wrong", None, r"hf://me/bars: the hub does not allow this \(401\)"),
        (TOKEN, 500, r"answers with an error \(500\)"),
    ],
)
def test_what_the_hub_refuses_is_told_in_a_sentence(home, hub, monkeypatch, token, status, said):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(hub, "fails_with", status)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    with pytest.raises(UploadError, match=said):
        za.load_workspace(home).publish("me/bars")


@pytest.mark.parametrize("name", ["bars", "me/bars@main", "a/b/c", "../x"])
def test_a_name_that_is_none_is_refused(home, name):
    said = zooactive("publish", name, folder=home, code=1)
    assert "zooactive: '" in said.stderr


# Models of the hub elsewhere --------------------------------------------------------------------------------------------


def test_a_model_of_the_hub_is_measured_and_never_written_into(home, hub, logged_in, monkeypatch):
    draw_nothing(monkeypatch)
    zooactive("publish", "me/bars", folder=home)
    options = ("--model", "hf://me/bars", "--tree", home / "tree.toml")
    said = zooactive("evaluate", *options, folder=home)
    assert (home / "evaluation" / "evaluation.csv").is_file()
    number = hub.repositories["me/bars"].commits[-1][0]
    assert f"--model hf://me/bars@{number}" in said.stderr.replace("\n", " ")
    refused = zooactive("calibrate", *options, folder=home, code=1)
    assert "is a cached model and cannot be changed" in " ".join(refused.stderr.split())
    (home / "zooactive.toml").write_text('[model]\nfolder = "hf://me/bars"\n')
    table = za.load_workspace(home).show(str(home / "images" / "g000.jpg"))
    assert len(table) == 8
    with pytest.raises(WorkspaceError, match="name your own folder for the run with --run-dir"):
        za.load_workspace(home).train(tree=str(home / "tree.toml"), catalogue=home / "survey.csv", images=home / "images")


@pytest.mark.usefixtures("undrawn")
def test_a_task_starts_from_the_hub_and_its_card_and_report_say_so(home, hub, logged_in, tmp_path):
    zooactive("publish", "me/bars", folder=home)
    words = ("--column", "ring", "--images", "images", "--model", "hf://me/bars")
    said = zooactive("finetune", "rings.csv", *words, folder=home)
    assert "starting from hf://me/bars, licence gpl-3.0" in " ".join(said.stderr.split())
    workspace = za.load_workspace(home)
    done = workspace.publish("me/rings", model=home / "tasks" / "ring", out=tmp_path / "out")
    assert done.licence == "gpl-3.0"
    text = (tmp_path / "out" / "README.md").read_text()
    for part in ("The labels of 60 galaxies in the table rings.csv", "policy head", "| accuracy |", "temperature scaling"):
        assert part in text, part
    assert "It started from hf://me/bars (revision " in text
    page = za.load_workspace(home).report(model=home / "nowhere", out=home / "report.html").read_text()
    assert "ring started from" in page
    assert "hf://me/bars, licence gpl-3.0" in page
