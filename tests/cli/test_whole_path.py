"""From a table and images to a report, through the commands alone."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_survey import GALAXIES, LABELLED, Begun, begun_workspace, read_json, zooactive
from tiny_network import tiny_network

from zooactive.foundation.writing import write_how
from zooactive.prediction import open_predictions
from zooactive.workspace.file import find_settings

HEAD = ("--policy", "head")


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def survey(begun) -> Path:
    return begun.survey


@pytest.fixture(scope="module")
def home(begun, tmp_path_factory) -> Path:
    return shutil.copytree(begun.home, tmp_path_factory.mktemp("whole") / "home")


@pytest.fixture(scope="module")
def results(begun, survey: Path, home: Path) -> dict[str, Any]:
    """What each command said, in a workspace of its own."""
    typed: dict[str, tuple[object, ...]] = {
        "predict": ("--draws", 8),
        "acquire": ("--json",),
        "evaluate": ("--json",),
        "show": ("g003",),
        "finetune": (*HEAD, "--images", survey / "images"),
        "report": (),
    }
    return begun.said | {name: zooactive(name, *words, folder=home) for name, words in typed.items()}


@pytest.fixture
def copied(results: dict[str, Any], home: Path, tmp_path: Path, undrawn: None) -> Path:
    """A workspace to spoil."""
    return shutil.copytree(home, tmp_path / "copied")


@pytest.mark.parametrize(
    ("name", "written", "following"),
    [
        ("init", "zooactive.toml", "zooactive prepare"),
        ("prepare", "shards", "zooactive train"),
        ("train", "runs/first/model", "zooactive evaluate"),
        ("predict", "predictions", "zooactive acquire --n 6"),
        ("acquire", "selection.csv", "zooactive report"),
        ("evaluate", "runs/first/evaluation.csv", "zooactive predict"),
        ("show", "runs/first", "zooactive predict"),
        ("finetune", "tasks/rings/held_out.csv", "zooactive predict --model"),
    ],
)
def test_the_last_lines_say_what_was_written_and_what_to_run_next(results, name, written, following):
    lines = [line for line in results[name].stderr.strip().splitlines() if not line.startswith("Then: ")]
    done, last = lines[-2:]
    assert written in done
    assert last.startswith("Next: ")
    assert following in last


@pytest.mark.parametrize("name", ["init", "prepare", "train", "predict", "report"])
def test_commands_without_a_table_leave_stdout_empty(results, name):
    assert results[name].stdout == ""


@pytest.mark.parametrize(
    ("name", "words", "rows", "columns"),
    [
        ("acquire", None, 6, {"id", "score", "rank", "arm", "inclusion_probability"}),
        ("evaluate", None, 3, {"question", "galaxies", "accuracy", "baseline", "mean_deviation"}),
        ("show", ("g003",), 8, {"question", "asked", "answer", "fraction", "low", "high"}),
        ("trees", (), 17, {"tree", "survey", "questions", "answers"}),
    ],
)
def test_json_on_stdout_is_the_whole_table_and_nothing_else(results, home, name, words, rows, columns):
    result = results[name] if words is None else zooactive(name, *words, "--json", folder=home)
    said = json.loads(result.stdout)
    table = said["table"] if name == "acquire" else said
    assert len(table) == rows
    assert columns <= set(table[0])


def test_an_image_file_can_be_shown_and_gives_the_same_numbers_as_its_id(copied, survey):
    shutil.rmtree(copied / "shards")  # else the id's pixels come from there, resized once; they are equal, but prove less
    by_id = json.loads(zooactive("show", "g003", "--json", folder=copied).stdout)
    by_file = json.loads(zooactive("show", survey / "images" / "g003.jpg", "--json", folder=copied).stdout)
    assert [row["fraction"] for row in by_file] == [row["fraction"] for row in by_id]


def test_votes_that_a_rehearsal_hides_are_not_shown_as_zeros(results, home):
    labelled = find_settings(home).read_survey()
    hidden, known = labelled.ids[~labelled.labelled][0], labelled.ids[labelled.labelled][0]
    assert "votes" not in json.loads(zooactive("show", hidden, "--json", folder=home).stdout)[0]
    assert "votes" in json.loads(zooactive("show", known, "--json", folder=home).stdout)[0]


@pytest.mark.parametrize("columns", ["80", "100", "160"])
def test_a_galaxy_fits_the_terminal_and_no_name_is_cut(results, home, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    screen = zooactive("show", "g003", folder=home).stdout
    assert max(map(len, screen.splitlines())) <= int(columns)
    assert "…" not in screen
    assert "smooth-or-featured" in screen


def test_the_metrics_of_many_questions_fit_100_columns_and_lie_in_two_files(results, home, undrawn, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    screen = zooactive("evaluate", folder=home).stdout
    assert max(map(len, screen.splitlines())) <= 100
    assert all(name in screen for name in ("smooth-or-featured", "accuracy", "95%", "baseline", "macro_f1", "auc"))
    assert "How many volunteers' votes have the same error" in screen
    assert "model" not in screen  # three confusion matrices would bury the table
    table = pd.read_csv(home / "runs/first/evaluation.csv")
    measured = read_json(home / "runs/first/evaluation.json")["classification"]
    assert table["question"].tolist() == [question["question"] for question in measured]
    for row, question in zip(table.itertuples(), measured, strict=True):
        assert (
            sum(map(sum, question["confusion"])) == row.galaxies == sum(answer["galaxies"] for answer in question["answers"])
        )
        assert (question["accuracy_low"] is None) == (row.galaxies == 0)
        assert row.galaxies == 0 or question["accuracy_low"] == pytest.approx(row.accuracy_low)
        assert {"recall", "recall_low", "recall_high", "precision", "f1", "f1_low"} <= set(question["answers"][0])


def test_labelled_galaxies_are_never_chosen(results, home):
    survey = find_settings(home).read_survey()
    chosen = pd.read_csv(home / "selection.csv", dtype={"id": str})
    assert survey.labelled.sum() == LABELLED
    assert not set(chosen["id"]) & set(survey.ids[survey.labelled])


@pytest.mark.parametrize(
    "record",
    [
        "shards/how.json",
        "runs/first/how.json",
        "runs/first/evaluation.csv.how.json",
        "predictions/how.json",
        "selection.csv.how.json",
        "tasks/rings/how.json",
    ],
)
def test_each_result_says_how_it_was_made(results, home, record):
    made = read_json(home / record)
    assert set(made) >= {"command", "options", "inputs", "versions"}
    assert made["inputs"]


def test_packed_images_take_the_place_of_the_originals(results, home):
    assert find_settings(home).read_survey().prepared is not None


def test_shards_of_an_edited_tree_are_left_aside(copied, survey):
    (copied / "edited.toml").write_text("min_votes = 20\n" + (survey / "tree.toml").read_text())
    text = (copied / "zooactive.toml").read_text()
    (copied / "zooactive.toml").write_text(text.replace(str(survey / "tree.toml"), "edited.toml"))
    with pytest.warns(UserWarning, match="so the original images are read; delete the folder and run `zooactive prepare`"):
        assert find_settings(copied).read_survey().prepared is None


def test_every_command_can_be_given_twice_and_chooses_byte_for_byte_the_same(copied):
    files = ("selection.csv", "predictions/part-00000.parquet", "runs/first/model/model.json", "shards/part-00000.parquet")
    before = [(copied / name).read_bytes() for name in files]
    for name in ("prepare", "train", "acquire"):
        zooactive(name, folder=copied)
    zooactive("predict", "--draws", 8, folder=copied)
    assert [(copied / name).read_bytes() for name in files] == before


def test_a_run_with_other_settings_is_not_written_over_the_first(results, home):
    told = zooactive("train", "--epochs", 1, folder=home, code=1).stderr
    assert "other galaxies, images or settings" in told
    assert "another run directory" in told


def test_a_killed_prediction_goes_on_and_chooses_byte_for_byte_the_same(copied):
    before = (copied / "selection.csv").read_bytes()
    (copied / "predictions" / "part-00000.parquet").unlink()
    journal = read_json(copied / "predictions" / "journal.json")
    del journal["finished"]
    (copied / "predictions" / "journal.json").write_text(json.dumps(journal))
    assert "run the same predict command again" in zooactive("acquire", folder=copied, code=1).stderr
    zooactive("predict", "--draws", 8, folder=copied)
    zooactive("acquire", folder=copied)
    assert (copied / "selection.csv").read_bytes() == before


def test_predictions_are_never_mixed_with_those_of_another_model(copied):
    from zooactive.models import GalaxyModel, load_model

    tree = load_model(copied / "runs" / "first").tree
    GalaxyModel(tree, backbone=tiny_network(), image_size=32, seed=1).save(copied / "runs" / "other" / "model")
    refused = zooactive("predict", "--draws", 8, "--model", copied / "runs" / "other", folder=copied, code=1)
    assert "another model" in refused.stderr
    assert "choose another folder or delete" in refused.stderr
    shutil.rmtree(copied / "runs" / "first")
    (copied / "runs" / "other").rename(copied / "runs" / "first")
    stale = zooactive("acquire", folder=copied, code=1)
    assert "delete the folder and run `zooactive predict`" in stale.stderr
    zooactive("acquire", "--predictions", copied / "predictions", folder=copied)


def test_a_pool_without_unlabelled_galaxies_says_what_to_do(copied):
    text = (copied / "zooactive.toml").read_text()
    (copied / "zooactive.toml").write_text(text.replace(f"rehearsal = {LABELLED}", ""))
    shutil.rmtree(copied / "shards")
    told = zooactive("acquire", folder=copied, code=1).stderr
    assert "all 64 galaxies" in told
    assert "zooactive predict --catalogue POOL" in told


def test_a_fine_tuned_model_predicts_and_its_labelled_galaxies_are_left_out(copied):
    zooactive("predict", "--model", "tasks/rings", "--out", "predictions-rings", "--draws", 4, folder=copied)
    words = ("acquire", "--predictions", "predictions-rings", "--n", 2, "--out", "rings-selection.csv")
    assert "labelled already" in zooactive(*words, folder=copied, code=1).stderr
    text = (copied / "zooactive.toml").read_text()
    labels = tomllib.loads(text)["tasks"]["rings"]["labels"]
    rings = pd.read_csv(labels, dtype=str)
    rings.head(32).to_csv(copied / "half.csv", index=False)
    (copied / "zooactive.toml").write_text(text.replace(labels, str(copied / "half.csv")))
    rings[["id"]].iloc[32:-2].to_csv(copied / "bad.csv", index=False)
    zooactive(*words, "--exclude", "bad.csv", folder=copied)
    chosen = pd.read_csv(copied / "rings-selection.csv", dtype={"id": str})
    assert set(chosen["id"]) == set(rings["id"].tail(2))
    pd.DataFrame({"id": ["stranger"]}).to_csv(copied / "bad.csv", index=False)
    told = zooactive(*words, "--exclude", "bad.csv", folder=copied).stderr
    assert "none of the 1 galaxies in bad.csv is in" in " ".join(told.split())


def test_a_column_becomes_a_task_whose_next_galaxies_are_chosen_and_whose_surest_are_drawn(copied, survey):
    everything = pd.read_csv(survey / "rings.csv", dtype=str)
    everything.head(32).rename(columns={"ring": "merger"}).to_csv(copied / "half.csv", index=False)
    told = zooactive("finetune", "half.csv", "--column", "merger", "--images", survey / "images", *HEAD, folder=copied)
    assert "tasks/merger/held_out.csv" in told.stderr
    assert "points" in told.stderr
    told = zooactive("acquire", "--task", "merger", "--n", 4, folder=copied)
    learn = told.stderr.split("and run zooactive ")[1]
    zooactive(*shlex.split(learn), *HEAD, folder=copied)  # as it is printed
    zooactive("report", "--task", "merger", folder=copied)
    page = (copied / "report-merger.html").read_text()
    assert "galaxies chosen" in page
    assert "Task: merger" in page
    assert "Task: rings" not in page
    assert "run <code>zooactive finetune</code> on it again" in page
    chosen = pd.read_csv(copied / "selection-merger.csv", dtype={"id": str})
    assert len(chosen) == 4
    assert not set(chosen["id"]) & set(everything["id"].head(32))
    assert read_json(copied / "selection-merger.csv.how.json")["options"]["votes"] == 1
    zooactive("top", "--task", "merger", "--n", 5, folder=copied)
    best = pd.read_csv(copied / "top-merger_yes.csv", dtype={"id": str})
    stored = open_predictions(copied / "predictions-merger").table().sort_values("merger_yes", ascending=False)
    assert best["share"].tolist() == pytest.approx(stored["merger_yes"].head(5).tolist())
    assert best["share"].is_monotonic_decreasing
    assert (copied / "top-merger_yes.png").stat().st_size > 1000
    zooactive("top", "--answer", "merger_yes", "--predictions", "predictions-merger", "--most", "uncertain", folder=copied)
    doubtful = pd.read_csv(copied / "top-merger_yes-uncertain.csv", dtype={"id": str})
    assert doubtful["deviation"].is_monotonic_decreasing
    assert (copied / "top-merger_yes-uncertain.png").stat().st_size > 1000
    zooactive("top", "merger_no", "--predictions", "predictions-merger", "--n", 2, "--out", "no.csv", folder=copied)
    assert pd.read_csv(copied / "no.csv")["fraction"].iloc[0] == pytest.approx(1 - stored["merger_yes"].iloc[-1], abs=1e-5)
    words = ("predict", "--from", "predictions", "--model", "tasks/merger")
    zooactive(*words, "--out", "from-embeddings", "--catalogue", "no-table-is-read.csv", folder=copied)
    again = open_predictions(copied / "from-embeddings").table().sort_values("merger_yes", ascending=False)
    assert again.reset_index(drop=True).equals(stored.reset_index(drop=True))
    refused = zooactive(*words, "--out", "predictions", folder=copied, code=1).stderr
    assert "give another folder with --out" in refused
    # The next round: more labels, learnt again, and the next galaxies by the new model's predictions.
    everything.head(40).rename(columns={"ring": "merger"}).to_csv(copied / "half.csv", index=False)
    zooactive("finetune", "half.csv", "--column", "merger", "--images", survey / "images", *HEAD, folder=copied)
    told = zooactive("acquire", "--task", "merger", "--n", 4, folder=copied)
    assert "made again" in told.stderr
    chosen = pd.read_csv(copied / "selection-merger.csv", dtype={"id": str})
    assert not set(chosen["id"]) & set(everything["id"].head(40))
    assert "made again" not in zooactive("top", "--task", "merger", "--n", 5, folder=copied).stderr


def test_a_table_with_ids_of_another_name_is_learnt_from_and_looked_through(copied, survey):
    table = pd.read_csv(survey / "rings.csv", dtype=str).rename(columns={"id": "name", "ring": "p.merger"})
    table.to_csv(copied / "mine.csv", index=False)
    assert "id columns" in zooactive("finetune", "mine.csv", "--column", "p.merger", *HEAD, folder=copied, code=1).stderr
    words = ("--id", "name", "--images", survey / "images")
    zooactive("finetune", "mine.csv", "--column", "p.merger", *words, *HEAD, folder=copied)
    assert (copied / "tasks" / "p.merger" / "held_out.csv").exists()
    zooactive("top", "--task", "p.merger", "--catalogue", "mine.csv", *words, "--n", 3, folder=copied)
    assert set(pd.read_csv(copied / "top-p.merger_yes.csv", dtype=str)["id"]) <= set(table["name"])


def test_a_fraction_takes_its_volunteers_from_a_number_or_a_column_and_blocks_want_their_policy(copied, survey):
    table = pd.read_csv(survey / "rings.csv", dtype=str).assign(seen=[20 + i % 5 for i in range(64)])
    table.assign(p=[0.1 + 0.7 * (i % 2) for i in range(64)]).to_csv(copied / "p.csv", index=False)
    words = ("finetune", "p.csv", "--column", "p", "--images", survey / "images", *HEAD)
    for given, votes in (("seen", range(20, 25)), (80, [80])):
        zooactive(*words, "--volunteers", given, folder=copied)
        held_out = pd.read_csv(copied / "tasks" / "p" / "held_out.csv")
        assert set((held_out["p_yes_votes"] + held_out["p_no_votes"]).round(6)) <= set(votes)
    assert "add --policy last" in zooactive(*words, "--blocks", 2, folder=copied, code=1).stderr


def test_votes_that_came_in_since_the_training_change_the_choice(copied):
    before = pd.read_csv(copied / "selection.csv", dtype={"id": str})
    stored = open_predictions(copied / "predictions")
    best = before["id"].iloc[0]
    votes = dict.fromkeys(stored.tree.columns, 0) | {stored.tree.columns[0]: 400}
    pd.DataFrame([{"id": best, **votes}]).to_csv(copied / "new.csv", index=False)
    told = zooactive("acquire", "--given", "new.csv", "--out", "second.csv", folder=copied)
    assert "the votes in new.csv are taken into account for 1 galaxies of the pool" in told.stderr
    after = pd.read_csv(copied / "second.csv", dtype={"id": str}).set_index("id")["score"]
    scores = before.set_index("id")["score"]
    assert best not in after or after[best] < scores[best] / 2
    others = [galaxy_id for galaxy_id in after.index if galaxy_id in scores and galaxy_id != best]
    assert others
    assert after[others].tolist() == pytest.approx(scores[others].tolist())


def test_galaxies_alike_are_listed_and_drawn(copied):
    ids = open_predictions(copied / "predictions").table()["id"]
    told = zooactive("similar", ids[3], "--n", 5, folder=copied)
    found = pd.read_csv(copied / f"similar-{ids[3]}.csv", dtype={"id": str})
    assert len(found) == 5
    assert ids[3] not in set(found["id"])
    assert found["similarity"].is_monotonic_decreasing
    assert f"zooactive show {found['id'][0]}" in told.stderr
    assert (copied / f"similar-{ids[3]}.png").stat().st_size > 1000
    both = json.loads(zooactive("similar", ids[3], ids[4], "--n", 2, "--json", folder=copied).stdout)
    assert len(both) == 2
    assert "has no galaxy 'g9x'" in zooactive("similar", "g9x", folder=copied, code=1).stderr


def test_a_task_that_was_not_learnt_yet_says_what_to_run(copied):
    told = zooactive("acquire", "--task", "bars", folder=copied, code=1).stderr
    assert "run `zooactive finetune --task bars` first" in told


def test_other_draws_are_fitted_once_and_chosen_from(copied):
    words = ("predict", "--draws-from", "laplace", "--draws", 4)
    assert "4 draws by laplace" in zooactive(*words, "--out", "others", folder=copied).stderr
    fitted = list((copied / "runs" / "first").glob("draws-laplace-*.npz"))
    assert len(fitted) == 1
    made = fitted[0].stat().st_mtime_ns
    zooactive(*words, "--out", "others-again", folder=copied)
    assert fitted[0].stat().st_mtime_ns == made
    os.utime(next((copied / "shards").glob("part-*.parquet")))  # another packing, perhaps of other galaxies
    zooactive(*words, "--out", "others-new", folder=copied)
    assert len(list((copied / "runs" / "first").glob("draws-laplace-*.npz"))) == 2
    zooactive("acquire", "--predictions", "others", "--n", 3, "--out", "others.csv", folder=copied)
    assert len(pd.read_csv(copied / "others.csv")) == 3


def test_draws_by_an_ensemble_of_heads_are_refused_with_what_to_use(copied, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    gone = "draws by an ensemble of heads were removed, since dropout was as good on test galaxies; use 'laplace'"
    assert gone in zooactive("predict", "--draws-from", "ensemble", folder=copied, code=2).stderr
    settings = (copied / "zooactive.toml").read_text()
    (copied / "zooactive.toml").write_text(settings.replace("[pool]", '[pool]\ndraws_from = "ensemble"'))
    told = zooactive("predict", folder=copied, code=1).stderr
    assert f"[pool]: draws_from = 'ensemble'. D{gone[1:]}" in told


def test_the_options_of_the_choice_are_obeyed_and_recorded(copied):
    choice = ("--n", 3, "--per-clicks", 1, "--max-artifact", 0.9, "--target", "bar_strong", "--out", "bars.csv")
    told = zooactive("acquire", *choice, folder=copied)
    assert "look like artifacts" in told.stderr
    made = read_json(copied / "bars.csv.how.json")["options"]
    assert (made["per_clicks"], made["max_artifact"], made["target"]) == (1, 0.9, "bar_strong")
    assert made["eligible"] + made["excluded"] + made["artifacts"] == GALAXIES
    first = [(copied / name).read_bytes() for name in ("bars.csv", "bars.parquet", "bars.csv.how.json")]
    zooactive("acquire", *choice, folder=copied)
    assert [(copied / name).read_bytes() for name in ("bars.csv", "bars.parquet", "bars.csv.how.json")] == first


def test_predictions_of_two_networks_are_chosen_from_together(copied):
    zooactive("train", "--run-dir", "runs/second", "--seed", 1, folder=copied)
    zooactive("predict", "--model", "runs/second", "--draws", 8, "--out", "second", folder=copied)
    zooactive("acquire", "--also", "second", "--out", "both.csv", folder=copied)
    alone, both = (pd.read_csv(copied / name, dtype={"id": str}) for name in ("selection.csv", "both.csv"))
    assert len(both) == 6
    assert both["score"].max() > alone["score"].max()  # two networks disagree more than one does with itself


def test_a_model_of_another_question_is_evaluated_on_its_labels_and_not_on_these_votes(results, home, survey):
    assert "rings: " in zooactive("evaluate", "--model", "tasks/rings", folder=home).stdout
    told = zooactive("evaluate", "--model", "tasks/rings", "--tree", survey / "tree.toml", folder=home, code=1).stderr
    assert "answers tree 'rings'" in told


def pictures_in(page: str) -> list[Image.Image]:
    """The galaxies of a report."""
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in re.findall(r'data:image/jpeg;base64,([^"]+)"', page)]


def test_a_report_shows_original_images_and_packed_ones_where_these_are_gone(results, copied, survey, tmp_path):
    with Image.open(survey / "images" / "g000.jpg") as original:
        size = original.size
    packed = find_settings(copied).packed_pixels().size
    assert size[0] > packed
    for folder in ("tasks", "runs"):
        shutil.rmtree(copied / folder)
    zooactive("report", "--out", "first.html", folder=copied)
    shown = [picture.size for picture in pictures_in((copied / "first.html").read_text())]
    assert shown == [size] * 6
    away = shutil.move(survey / "images", tmp_path / "images")
    try:
        zooactive("report", "--out", "second.html", folder=copied)
    finally:
        shutil.move(away, survey / "images")
    shown = [picture.size for picture in pictures_in((copied / "second.html").read_text())]
    assert shown == [(packed, packed)] * 6


def test_a_report_begins_with_what_the_workspace_can_say(results, home):
    page = (home / "report.html").read_text()
    said = [
        page.index(text) for text in ("How good is the model?", "chosen galaxies about?", "clicks bought?", "What next?")
    ]
    assert said == sorted(said)
    assert "<code>zooactive export</code>" in page
    assert " nats" not in page[: page.index("<main")]


def test_predictions_alone_make_a_report_with_or_without_embeddings(results, copied):
    for name in ("selection.csv", "selection.parquet"):
        (copied / name).unlink()
    for name in ("runs", "tasks", "shards"):
        shutil.rmtree(copied / name)
    zooactive("report", folder=copied)
    page = (copied / "report.html").read_text()
    assert "Galaxies that the model could learn most from" in page
    assert "<code>zooactive acquire</code>" in page
    assert "A map of the pool" in page
    assert " ± " in page
    for part in (copied / "predictions").glob("part-*.parquet"):
        pq.write_table(pq.read_table(part).drop(["embedding"]), part)
    zooactive("report", folder=copied)
    page = (copied / "report.html").read_text()
    assert "Galaxies that the model could learn most from" in page
    assert "A map of the pool" not in page
    assert re.search(r">(smooth|featured|artifact) 0\.\d\d</span>", page)
    assert " ± " not in page


def test_a_second_workspace_is_not_written_over_the_first(results, home, survey):
    named = ("--tree", survey / "tree.toml", "--catalogue", survey / "survey.csv")
    assert "exists already" in zooactive("init", home, *named, folder=home, code=1).stderr


def test_the_whole_path_needs_no_workspace_file(survey, tmp_path, undrawn):
    tree, images = ("--tree", survey / "tree.toml"), ("--images", survey / "images")
    votes = (*tree, "--catalogue", survey / "survey.csv", *images)
    run, predictions = ("--model", "run"), ("--predictions", "stored")
    zooactive("prepare", *votes, "--image-size", 16, "--out", "packed", folder=tmp_path)
    small = ("--backbone", "small_cnn", "--image-size", 16, "--epochs", 1)
    zooactive("train", *tree, "--catalogue", "packed", *small, "--run-dir", "run", folder=tmp_path)
    zooactive("evaluate", *votes, *run, folder=tmp_path)
    pool = ("--catalogue", survey / "survey.csv", *images)
    told = zooactive("predict", *pool, *run, "--out", "stored", "--draws", 4, folder=tmp_path)
    assert "Next: zooactive acquire --predictions stored" in told.stderr
    told = zooactive("acquire", *predictions, "--n", 4, "--out", "chosen.csv", folder=tmp_path)
    assert "no galaxy is left out" in told.stderr
    zooactive("show", "g001", *pool, *run, folder=tmp_path)
    zooactive("finetune", survey / "rings.csv", "--task", "rings", *run, *images, *HEAD, folder=tmp_path)
    fetched = tmp_path / "fetched.csv"  # as `zooactive cutouts` leaves a table
    pd.read_csv(survey / "survey.csv").to_csv(fetched, index=False)
    write_how(fetched, command="cutouts", options={"credit": "A survey / its people", "licence": "CC BY 4.0"}, inputs={})
    from_cutouts = (*tree, "--catalogue", fetched, *images)
    zooactive("report", *from_cutouts, *run, *predictions, "--selection", "chosen.csv", folder=tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "rings" in page
    assert "A survey / its people (CC BY 4.0)" in page
    assert not (tmp_path / "zooactive.toml").exists()
