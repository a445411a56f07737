"""From features that another program wrote to everything that follows, with a workspace and without one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_survey import write_survey, zooactive
from test_following import all_green

from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.foundation.writing import how_of
from zooactive.prediction import timm_embeddings
from zooactive.prediction.embedding_files import read_embeddings
from zooactive.prediction.embeddings import Embeddings
from zooactive.workspace.file import load_settings

GALAXIES, LABELLED, WIDTH = 64, 48, 6
IDS = [f"g{i:03d}" for i in range(GALAXIES)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A survey with images, votes and ring labels; features of all its galaxies; and tables that name no image."""
    home = write_survey(tmp_path_factory.mktemp("world") / "survey", GALAXIES)
    features = np.random.default_rng(0).normal(size=(GALAXIES, WIDTH)).astype(np.float32)
    features[::2, 2] += 3  # where the labels say yes
    lists = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), WIDTH)
    pq.write_table(pa.table({"id": IDS, "features": lists, "mag_r": np.linspace(14, 18, GALAXIES)}), home / "e.parquet")
    np.save(home / "e.npy", features)
    pd.DataFrame({"id": IDS}).to_csv(home / "e.csv", index=False)
    pd.read_csv(home / "rings.csv")[:LABELLED].to_csv(home / "labels.csv", index=False)
    (home / "votes.toml").write_text(f'name = "votes"\ntree = "{home / "tree.toml"}"\n')
    images = pd.DataFrame({"id": IDS, "image": [f"images/{name}.jpg" for name in IDS]})
    images.to_csv(home / "pictures.csv", index=False)
    return home


@pytest.fixture(scope="module")
def learnt(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder without a workspace in which a head was learnt."""
    home = tmp_path_factory.mktemp("learnt")
    zooactive("finetune", world / "labels.csv", "--column", "ring", "--embeddings", world / "e.parquet", folder=home)
    return home


@pytest.fixture
def home(learnt: Path, tmp_path: Path) -> Path:
    return shutil.copytree(learnt, tmp_path / "home")


@pytest.mark.usefixtures("undrawn")
def test_what_is_next_of_embeddings_runs_as_printed(world: Path, tmp_path: Path):
    typed = [
        f"zooactive finetune {world / 'labels.csv'} --column ring --embeddings {world / 'e.npy'}",
        "zooactive show g003 --model tasks/ring",
        "zooactive top --task ring --n 4",
        "zooactive acquire --task ring --n 4",
        "zooactive allocate --task ring --clicks 20",
    ]
    assert len(all_green(typed, tmp_path).lines) >= 8


@pytest.mark.usefixtures("undrawn")
def test_a_workspace_of_labels_alone_takes_embeddings_from_its_first_line(world: Path, tmp_path: Path):
    words = ("--labels", world / "labels.csv", "--column", "ring", "--embeddings", world / "e.parquet", "--n", 4)
    made = zooactive("init", *words, folder=tmp_path).stderr
    assert "warning" not in made
    assert "64 galaxies to choose from" in made
    typed = ["zooactive finetune", "zooactive top --n 4", "zooactive similar g003 --n 4", "zooactive catalogue"]
    found = all_green(typed, tmp_path)
    assert found.lines[:3] == ["zooactive predict", "zooactive acquire --n 4", "zooactive report"]
    assert not set(pd.read_csv(tmp_path / "selection-ring.csv")["id"]) & set(IDS[:LABELLED])


@pytest.mark.usefixtures("undrawn")
def test_a_survey_of_votes_plays_rounds_on_embeddings(world: Path, tmp_path: Path):
    pd.read_csv(world / "survey.csv").to_csv(tmp_path / "survey.csv", index=False)
    words = ("--tree", world / "tree.toml", "--catalogue", "survey.csv", "--rehearsal", 40, "--n", 4)
    made = zooactive("init", *words, "--embeddings", world / "e.parquet", folder=tmp_path).stderr
    assert load_settings(tmp_path / "zooactive.toml").loop.learner == "head"
    assert made.endswith("Next: zooactive loop ask\n")
    asked = zooactive("loop", "ask", folder=tmp_path).stderr
    assert "strategy random: with people's votes and a frozen encoder, no strategy was measured" in asked
    assert "Next:" not in asked, "there is no image that volunteers could be shown"
    asked_for = pd.read_csv(tmp_path / "loop" / "round-000" / "selection.csv")["id"]
    votes = pd.read_csv(tmp_path / "survey.csv")
    votes[votes["id"].isin(asked_for)].to_csv(tmp_path / "votes.csv", index=False)
    all_green(["zooactive loop tell votes.csv"], tmp_path)
    assert "all galaxies have votes; add other galaxies" in zooactive("loop", "tell", "survey.csv", folder=tmp_path).stderr
    zooactive("finetune", "survey.csv", "--task", world / "votes.toml", folder=tmp_path)
    said = zooactive("calibrate", "--model", "tasks/votes", folder=tmp_path, code=1).stderr
    assert "was trained on every labelled galaxy of the validation part of" in said
    rehearsed = ("--seeds", 1, "--start", 20, "--rounds", 1, "--n", 4, "--strategy", "random")
    zooactive("loop", "rehearse", *rehearsed, folder=tmp_path)


def test_nothing_is_next_where_no_galaxy_has_an_image(world: Path, tmp_path: Path):
    made = zooactive("init", "--labels", world / "labels.csv", "--column", "ring", folder=tmp_path)
    assert "or --embeddings, features of the galaxies" in made.stderr
    assert "Next:" not in made.stderr


def test_init_refuses_embeddings_of_other_galaxies(world: Path, tmp_path: Path):
    pd.DataFrame({"id": ["a", "b"], "ring": [0, 1]}).to_csv(tmp_path / "mine.csv", index=False)
    words = ("--labels", "mine.csv", "--column", "ring", "--embeddings", world / "e.parquet")
    said = zooactive("init", *words, folder=tmp_path, code=1).stderr
    assert "none of the 2 galaxies of mine.csv is in" in said
    assert not (tmp_path / "zooactive.toml").exists()


def test_ids_may_be_called_otherwise_in_the_embeddings_than_in_the_table(world: Path, tmp_path: Path):
    pd.read_csv(world / "labels.csv").rename(columns={"id": "gal name"}).to_csv(tmp_path / "mine.csv", index=False)
    words = ("--labels", "mine.csv", "--column", "ring", "--id", "gal name", "--embeddings", world / "e.parquet")
    zooactive("init", *words, folder=tmp_path)
    zooactive("finetune", folder=tmp_path)


# Pictures ------------------------------------------------------------------------------------------------------------


def test_a_table_with_images_draws_what_embeddings_listed(world: Path, home: Path):
    top = ("top", "--task", "ring", "--n", 4)
    assert "no table that you named has images of them" in zooactive(*top, folder=home).stderr
    assert not (home / "top-ring_yes.png").exists()
    named = ("--catalogue", world / "pictures.csv")
    for words in ((*top, *named), ("similar", "g003", "--embeddings", world / "e.parquet", "--n", 4, *named)):
        drawn = zooactive(*words, folder=home).stderr
        assert Path(re.search(r"drawn in (\S+)", drawn)[1]).stat().st_size > 5000, words  # type: ignore[index]
    # The table has pictures; the galaxies are still those of the embeddings.
    assert len(pd.read_parquet(home / "predictions-ring" / "part-00000.parquet", columns=["id"])) == GALAXIES


def test_a_table_with_some_of_the_images_draws_those(world: Path, home: Path):
    pd.read_csv(world / "pictures.csv")[:20].assign(image=lambda t: str(world) + "/" + t["image"]).to_csv(
        home / "some.csv", index=False
    )
    words = ("top", "--task", "ring", "--n", GALAXIES, "--catalogue", "some.csv")
    assert "drawn in" in zooactive(*words, folder=home).stderr


# Made here -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_timm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A network of timm that sees the mean colours; tests/published has timm's own, where PyTorch is installed."""
    asked: list[str] = []

    def embedded(network: str, catalogue: Catalogue, out: Path, *, progress: Callable[[int], None]) -> Embeddings:
        asked.append(network)
        pixels, failures = catalogue.decode(Preprocessing(size=16), np.arange(len(catalogue)))
        good = [row for row in range(len(catalogue)) if row not in failures]
        lists = pa.FixedSizeListArray.from_arrays(pa.array(pixels[good].mean((1, 2), dtype=np.float32).ravel()), 3)
        pq.write_table(pa.table({"id": list(catalogue.ids[good]), "embedding": lists}), out)
        progress(len(catalogue))
        return read_embeddings(out, encoder=network)

    monkeypatch.setattr(timm_embeddings, "embed_with_timm", embedded)
    return asked


def test_a_timm_networks_features_become_a_file_that_a_task_is_learnt_from(world: Path, tmp_path: Path, by_timm):
    images = shutil.copytree(world / "images", tmp_path / "images")
    (images / "g003.jpg").write_bytes(b"no image")
    pd.read_csv(world / "labels.csv").drop(index=3).to_csv(tmp_path / "rings.csv", index=False)
    words = ("--catalogue", world / "survey.csv", "--images", "images", "--timm", "hf_hub:zoo/encoder")
    said = zooactive("embed", *words, "--summary", "embed.json", folder=tmp_path).stderr
    assert by_timm == ["hf_hub:zoo/encoder"]
    assert "1 of 64 galaxies are left out, because their images cannot be read" in said
    assert f"63 galaxies, 3 features each: {tmp_path / 'embeddings.parquet'}" in said
    known = read_embeddings(tmp_path / "embeddings.parquet")
    assert (len(known), known.width) == (63, 3)
    assert "g003" not in set(known.ids)
    assert how_of(tmp_path / "embeddings.parquet")["options"] == {"timm": "hf_hub:zoo/encoder"}
    counts = json.loads((tmp_path / "embed.json").read_text())["counts"]
    assert counts == {"galaxies": 64, "predicted": 63, "failed": 1}
    zooactive("finetune", "rings.csv", "--column", "ring", "--embeddings", "embeddings.parquet", folder=tmp_path)
    zooactive("embed", *words, "--out", "elsewhere/e.parquet", folder=tmp_path)
    assert (tmp_path / "elsewhere" / "e.parquet").read_bytes() == (tmp_path / "embeddings.parquet").read_bytes()


def test_a_model_of_embeddings_looks_at_no_image(world: Path, home: Path):
    words = ("--catalogue", world / "pictures.csv", "--model", "tasks/ring")
    said = zooactive("embed", *words, folder=home, code=1).stderr
    assert "takes embeddings and not images; name a model with a network, such as --model bundled" in said


# Which galaxies -------------------------------------------------------------------------------------------------------


def test_where_asks_the_other_columns_of_the_embeddings(home: Path):
    said = zooactive("predict", "--model", "tasks/ring", "--where", "mag_r < 16", "--out", "bright", folder=home).stderr
    assert said.startswith("32 galaxies")
    said = zooactive("predict", "--model", "tasks/ring", "--where", "mag_r < 1", "--out", "none", folder=home, code=1).stderr
    assert "mag_r < 1 is true of no galaxy" in said


def test_other_embeddings_than_those_learnt_from_have_a_folder_of_their_own(world: Path, home: Path):
    table = pq.read_table(world / "e.parquet")
    pq.write_table(table.slice(40), home / "later.parquet")
    zooactive("acquire", "--task", "ring", "--n", 2, folder=home)
    said = zooactive("acquire", "--task", "ring", "--n", 2, "--embeddings", "later.parquet", folder=home).stderr
    assert "report --task ring --predictions predictions-ring-2" in said
    assert "8 labelled or excluded" in said
    again = zooactive("top", "--task", "ring", "--n", 24, "--embeddings", "later.parquet", folder=home).stderr
    assert "24 galaxies" in again
    assert not (home / "predictions-ring-3").exists()


def test_the_embeddings_of_a_task_are_found_from_any_folder(world: Path, tmp_path: Path):
    (tmp_path / "home").mkdir()
    shutil.copy(world / "e.parquet", tmp_path / "home")
    words = (world / "labels.csv", "--column", "ring", "--embeddings", "e.parquet")
    zooactive("finetune", *words, folder=tmp_path / "home")
    assert "4 galaxies" in zooactive("top", "-w", "home", "--task", "ring", "--n", 4, folder=tmp_path).stderr


def test_a_task_is_measured_on_galaxies_that_it_has_not_learnt_from(world: Path, tmp_path: Path):
    words = (world / "survey.csv", "--task", world / "votes.toml", "--embeddings", world / "e.parquet")
    zooactive("finetune", *words, folder=tmp_path)
    held_out = len(pd.read_csv(tmp_path / "tasks" / "votes" / "held_out.csv"))
    survey = ("--catalogue", world / "survey.csv", "--tree", world / "tree.toml", "--model", "tasks/votes")
    assert f"{held_out} test galaxies" in zooactive("evaluate", *survey, folder=tmp_path).stderr
    (tmp_path / "tasks" / "votes" / "held_out.csv").write_text("no such column\n")
    assert "held_out.csv cannot be read" in zooactive("evaluate", *survey, folder=tmp_path, code=1).stderr
    zooactive("finetune", *words, "--folds", 3, folder=tmp_path)
    said = zooactive("evaluate", *survey, folder=tmp_path, code=1).stderr
    assert "was trained on all labelled galaxies" in said


def test_a_model_on_embeddings_is_no_encoder(world: Path, home: Path):
    said = zooactive("embed", "--model", "tasks/ring", "--catalogue", world / "pictures.csv", folder=home, code=1).stderr
    assert "takes embeddings and not images; name a model with a network, such as --model bundled" in said
    said = zooactive("acquire", "--embeddings", world / "e.parquet", folder=home, code=1).stderr
    assert "train one (`zooactive finetune --embeddings`) and name it with --task" in said
