"""A result is followed back to its tables, images and votes, and what has changed since is told."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
from small_survey import Begun, begun_workspace, change, read_json, zooactive

import zooactive as za
from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import mark_of
from zooactive.foundation.writing import how_path
from zooactive.models.saved_form import BUNDLED
from zooactive.workspace.sources import model_from
from zooactive.workspace.trace import Traced

OLD = Path(__file__).resolve().parents[1] / "old_files"


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def chosen(begun, tmp_path_factory) -> Path:
    """A folder with a survey and a workspace beside it, in which galaxies were predicted from files and chosen."""
    folder = tmp_path_factory.mktemp("trace")
    shutil.copytree(begun.survey, folder / begun.survey.name)
    home = shutil.copytree(begun.home, folder / begun.home.name)
    shutil.rmtree(home / "shards")
    settings = home / "zooactive.toml"
    settings.write_text(settings.read_text().replace(str(begun.survey), f"../{begun.survey.name}"))
    zooactive("train", "--run-dir", "runs/second", "--epochs", 1, folder=home)
    zooactive("predict", "--draws", 4, "--model", "runs/second", folder=home)
    zooactive("acquire", "--n", 5, folder=home)
    return folder


@pytest.fixture
def home(chosen, begun, tmp_path) -> Path:
    """A copy of that, under other paths: what lies beside each other is found there."""
    shutil.copytree(chosen, tmp_path / "copy")
    return tmp_path / "copy" / begun.home.name


@pytest.fixture
def survey(home, begun) -> Path:
    return home.parent / begun.survey.name


def states(found: Traced) -> dict[str, str]:
    return {entry.what: entry.state for entry in found.everything()}


def of(found: Traced, *what: str) -> Traced:
    for name in what:
        found = next(source for source in found.sources if source.what == name)
    return found


def test_a_selection_is_followed_to_the_model_and_the_votes_that_it_learnt_from(chosen, begun):
    home = chosen / begun.home.name
    found = za.trace(home / "selection.csv")
    assert set(states(found).values()) == {"as it was"}
    assert of(found, "predictions", "catalogue").path.name == "survey.csv"
    trained = of(found, "predictions", "model")
    assert (trained.made["command"], trained.made["counts"]["epochs"]) == ("train", 1)
    assert of(trained, "catalogue").path.name == "survey.csv"
    made = of(found, "predictions").made
    assert made["counts"] == {"galaxies": 64, "predicted": 64, "failed": 0}
    assert made["settings"]["where"] is None
    assert {"host", "system", "process", "began", "ended"} == set(made["made"])
    assert made["versions"]["zooactive"]


def test_the_parts_of_a_result_have_checksums(chosen, begun):
    how = read_json(chosen / begun.home.name / "predictions" / "how.json")
    assert set(how["outputs"]) == {"part-00000.parquet", "head.npz", "failures.parquet"}
    assert {entry["what"] for entry in how["from"]} == {"catalogue", "images", "tree", "model"}


def test_a_catalogue_that_changed_afterwards_is_told_with_what_is_other_in_it(home, survey, capsys):
    shutil.move(home.parent.parent / "copy", home.parent.parent / "moved")
    home, survey = (home.parent.parent / "moved" / place.name for place in (home, survey))
    away = home.parent.parent / "nowhere"
    _point_to(home, away)

    def brighter(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[3, "mag_r"] = "9.99"
        return table

    change(survey / "survey.csv", brighter)
    found = za.trace(home / "selection.csv")
    catalogue = of(found, "predictions", "catalogue")
    assert catalogue.state == "changed"
    assert catalogue.changes[1:] == ("column 'mag_r' has other values",)
    assert of(found, "predictions", "images").state == "as it was"
    said = zooactive("trace", "selection.csv", folder=home)
    assert "CHANGED" in said.stdout
    assert "column 'mag_r' has other values" in said.stdout
    assert said.stdout.splitlines()[1].startswith("  predictions ")
    assert "have changed since or are gone" in said.stderr


def _point_to(home: Path, away: Path) -> None:
    """Have results name paths where nothing is, as those of another machine do."""
    for file in home.rglob("*how.json"):
        how = read_json(file)
        for entry in how.get("from", []):
            entry["path"] = str(away / Path(entry["path"]).name)
        file.write_text(json.dumps(how))


def test_galaxies_that_came_and_went_are_told(home, survey):
    _point_to(home, home / "nowhere")
    change(survey / "survey.csv", lambda table: pd.concat([table[2:], table[:1].assign(id="g999")]))
    changes = of(za.trace(home / "selection.csv"), "predictions", "catalogue").changes
    assert changes[1:] == ("1 galaxies are new, such as 'g999'", "2 galaxies are gone, such as 'g000'")


def test_votes_that_came_in_are_no_change_that_predictions_depend_on(home, survey):
    _point_to(home, home / "nowhere")
    change(survey / "survey.csv", lambda table: table.assign(bar_strong="0"))
    changes = of(za.trace(home / "selection.csv"), "predictions", "catalogue").changes
    assert changes[1:] == ("nothing that the predictions depend on",)


def test_an_image_that_was_replaced_is_named(home, survey):
    _point_to(home, home / "nowhere")
    shutil.copyfile(survey / "images" / "g001.jpg", survey / "images" / "g004.jpg")
    images = of(za.trace(home / "selection.csv"), "predictions", "images")
    assert images.state == "changed"
    assert images.changes == ("1 images were changed, such as that of galaxy 'g004'",)


@pytest.mark.parametrize("column", ["ring", "size"])
def test_of_a_task_the_images_that_it_learnt_from_are_looked_at(home, survey, column):
    labels = survey / "some.csv"
    numbers = {"size": [1 + 0.01 * row for row in range(48)]}
    pd.read_csv(survey / "rings.csv", dtype=str)[:48].assign(**numbers).to_csv(labels, index=False)
    zooactive("finetune", labels, "--column", column, "--images", survey / "images", "--policy", "head", folder=home)
    task = home / "tasks" / column
    assert of(za.trace(task), "images").state == "as it was"
    shutil.copyfile(survey / "images" / "g001.jpg", survey / "images" / "g060.jpg")  # of no label
    assert of(za.trace(task), "images").state == "as it was"
    shutil.copyfile(survey / "images" / "g001.jpg", survey / "images" / "g004.jpg")
    assert of(za.trace(task), "images").state == "changed"
    change(labels, lambda table: table[:40])
    images = of(za.trace(task), "images")
    assert (images.state, images.changes) == ("not known", ("the labels that name them are others",))


def test_a_result_that_was_edited_and_a_part_that_is_gone_are_told(home):
    _point_to(home, home / "nowhere")
    with (home / "selection.csv").open("a") as stream:
        stream.write("extra\n")
    (home / "predictions" / "head.npz").unlink()
    found = za.trace(home / "selection.csv")
    assert found.changes == ("selection.csv was changed after it was written",)
    assert of(found, "predictions").changes == ("head.npz is gone",)


def test_a_source_that_is_gone_is_told(home, survey):
    _point_to(home, home / "nowhere")
    (survey / "survey.csv").unlink()
    assert of(za.trace(home / "selection.csv"), "predictions", "catalogue").state == "gone"


def test_a_second_run_that_has_nothing_to_do_leaves_when_and_of_what_it_was_made(home):
    before = read_json(home / "selection.csv.how.json")["made"]
    file = home / "predictions" / "how.json"
    told = read_json(file)
    zooactive("predict", "--draws", 4, "--model", "runs/second", folder=home)
    assert read_json(file) == told
    assert read_json(home / "selection.csv.how.json")["made"] == before


def test_votes_are_followed_to_the_tables_that_they_were_counted_in(begun, tmp_path):
    for name in ("survey.csv", "tree.toml"):
        shutil.copy(begun.survey / name, tmp_path)
    zooactive("votes", "survey.csv", "--tree", "tree.toml", "--out", "votes.csv", folder=tmp_path)
    found = za.trace(tmp_path / "votes.csv")
    assert found.made["command"] == "votes"
    assert [source.path.name for source in found.sources] == ["survey.csv", "tree.toml"]
    (tmp_path / "survey.csv").write_text("other")
    assert za.trace(tmp_path / "votes.csv").sources[0].state == "changed"


def test_every_result_is_followed_back_to_the_survey(home, survey, undrawn):
    _point_to(home, home / "nowhere")  # so that what lies beside is found
    second = ("--model", "runs/second")
    for words, result, by in [
        (("prepare",), "shards", {"catalogue", "images", "tree"}),
        (("embed", *second), "embeddings", {"catalogue", "model"}),
        (("catalogue",), "catalogue.parquet", {"predictions", "votes"}),
        (("top", "bar_strong", "--n", 3), "top-bar_strong.csv", {"predictions"}),
        (("similar", "g001", "--n", 3), "similar-g001.csv", {"predictions"}),
        (("table", "selection.csv", "--out", "table.csv"), "table.csv", {"list", "catalogue"}),
        (("table", "--out", "all.csv"), "all.csv", {"predictions"}),
        (("export", "--credit", "us"), "subjects", {"selection", "catalogue"}),
        (("evaluate", *second), "runs/second/evaluation.csv", {"catalogue", "model"}),
    ]:
        zooactive(*words, folder=home)
        found = za.trace(home / result)
        assert by <= {source.what for source in found.sources}, result
        assert survey / "survey.csv" in {entry.path.resolve() for entry in found.everything()}, result
        known = {entry.state for entry in found.everything() if entry.what != "images"}  # those of a subject set are in it
        assert {"gone", "not known"}.isdisjoint(known), result
        assert found.made["command"] == words[0]
        assert found.made["made"]["host"]
        assert read_json(how_path(home / result))["outputs"], result


def test_rounds_and_what_was_told_in_them_are_followed(home, survey):
    _point_to(home, home / "nowhere")
    zooactive("loop", "ask", "--n", 4, folder=home)
    asked = za.trace(home / "loop" / "round-000" / "selection.csv")
    assert asked.made["command"] == "acquire"
    assert of(asked, "catalogue").path.resolve() == survey / "survey.csv"
    votes = pd.read_csv(survey / "survey.csv", dtype=str)
    chosen = pd.read_csv(home / "loop" / "round-000" / "selection.csv", dtype=str)
    votes[votes["id"].isin(chosen["id"])].to_csv(home / "told.csv", index=False)
    zooactive("loop", "tell", "told.csv", folder=home)
    told = za.trace(home / "loop" / "round-000" / "votes.csv")
    assert {source.what: source.state for source in told.sources} == {"votes": "as it was", "selection": "as it was"}
    zooactive("loop", "ask", folder=home)
    again = za.trace(home / "loop" / "round-001" / "selection.csv")
    assert of(again, "votes of round 0").sources


def test_shards_packed_again_alike_are_no_change(home):
    _point_to(home, home / "nowhere")
    zooactive("prepare", folder=home)
    before = mark_of(home / "shards")
    shutil.rmtree(home / "shards")
    zooactive("prepare", folder=home)
    assert mark_of(home / "shards") == before
    assert before[0] == "how.json"


def test_as_json_it_is_the_same(home):
    said = json.loads(zooactive("trace", "selection.csv", "--json", folder=home).stdout)
    assert said == json.loads(json.dumps(_from(home), default=str))


def _from(home: Path) -> object:
    here = Path.cwd()
    os.chdir(home)
    try:
        return za.trace("selection.csv").to_dict()
    finally:
        os.chdir(here)


def test_what_an_older_version_made_is_followed_as_far_as_it_says(tmp_path):
    shutil.copy(OLD / "selection.csv", tmp_path)
    file = tmp_path / "selection.csv.how.json"
    (tmp_path / "votes.csv").write_text("id\na\n")
    from zooactive.foundation.writing import file_hash

    inputs = {f"votes {tmp_path / 'votes.csv'}": file_hash(tmp_path / "votes.csv"), "model": "0" * 32, "junk": 3}
    file.write_text(json.dumps({"command": "acquire", "inputs": inputs}))
    assert states(za.trace(tmp_path / "selection.csv")) == {
        "result": "as it was",
        "votes": "as it was",
        "input": "not known",
    }


def test_a_history_that_names_itself_has_an_end(tmp_path):
    (tmp_path / "a.csv").write_text("id\n")
    entry = {"what": "table", "path": str(tmp_path / "a.csv"), "beside": "a.csv", "by": "content", "mark": "0" * 32}
    (tmp_path / "a.csv.how.json").write_text(json.dumps({"command": "votes", "from": [entry, 3, {"what": "damaged"}]}))
    assert len(list(za.trace(tmp_path / "a.csv").everything())) == 21


def test_what_no_command_made_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "mine.csv").write_text("id\n")
    with pytest.raises(WorkspaceError, match=r"nothing records how .*mine\.csv was made"):
        za.trace(tmp_path / "mine.csv")
    with pytest.raises(WorkspaceError, match="does not exist"):
        za.trace(tmp_path / "nowhere.csv")


def test_the_encoder_that_comes_along_is_known_as_a_source_and_a_task_leads_to_its_labels(tmp_path):
    assert model_from(None) is None
    encoder = model_from(Path(BUNDLED))
    assert encoder is not None
    assert (encoder / "model.json").is_file()
    assert model_from(tmp_path / "tasks" / "ring") == tmp_path / "tasks" / "ring"  # whose own how.json is beside the model
