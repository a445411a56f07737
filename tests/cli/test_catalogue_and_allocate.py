"""`zooactive catalogue` and `zooactive allocate`: what people see, what is written, what goes on after an interruption."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_survey import Begun, begun_workspace, zooactive

import zooactive as za
from zooactive.acquisition.allocation import look as looking
from zooactive.acquisition.scores import vote_value
from zooactive.prediction import open_predictions
from zooactive.training.out_of_fold import OutOfFold


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def predicted(begun, tmp_path_factory) -> Path:
    """A workspace with a trained model and predictions of its pool; never written to."""
    home = shutil.copytree(begun.home, tmp_path_factory.mktemp("clicks") / "survey")
    zooactive("predict", "--draws", 8, folder=home)
    return home


@pytest.fixture
def home(predicted, tmp_path) -> Path:
    return shutil.copytree(predicted, tmp_path / "survey")


def some_votes(home: Path, galaxies: int = 12) -> Path:
    """Votes of a few galaxies of the pool that have none in the survey."""
    workspace = za.load_workspace(home)
    pool = workspace.settings.read_pool()
    tree = workspace.settings.survey_tree()
    chosen = pool.ids[~pool.labelled][:galaxies]
    votes = pd.DataFrame(0, index=range(len(chosen)), columns=list(tree.columns))
    votes["smooth-or-featured_smooth"], votes["smooth-or-featured_featured"] = 3, 7
    votes["edge-on_yes"], votes["edge-on_no"] = 2, 5
    votes["bar_strong"] = 5
    votes.insert(0, "id", chosen)
    votes.to_csv(home / "votes.csv", index=False)
    return home / "votes.csv"


# The catalogue -------------------------------------------------------------------------------------------------------


def test_the_catalogue_of_the_surveys_own_votes_marks_what_the_model_had_learnt_from(home):
    result = zooactive("catalogue", "--out", "catalogue.csv", folder=home)
    table = pd.read_csv(home / "catalogue.csv", dtype={"id": str})
    pool = za.load_workspace(home).settings.read_pool()
    assert list(table.id) == list(pool.ids)
    assert "mag_r" in table, "other columns go along"
    train, validation, _ = za.load_workspace(home).settings.split_survey()
    learnt = {name for part in (train, validation) for name in part.ids[part.labelled]}
    assert set(table.id[table.prior_saw_votes]) == learnt & set(pool.ids)
    assert "count twice (prior_saw_votes); --folds 5" in " ".join(result.stderr.split())
    assert f"{len(table)} galaxies" in result.stderr
    how = json.loads((home / "catalogue.csv.how.json").read_text())
    assert how["command"] == "catalogue"
    assert any(name.startswith("predictions") for name in how["inputs"])


def test_votes_of_a_table_are_combined_with_what_the_model_expects(home):
    votes = some_votes(home)
    zooactive("catalogue", "--votes", votes, "--above", 0.5, "--above", 0.8, "--probability", 0.8, folder=home)
    table = pd.read_parquet(home / "catalogue.parquet").set_index("id")
    expected = (
        za.combine(open_predictions(home / "predictions"), votes, above=(0.5, 0.8), probability=0.8)
        .to_table()
        .set_index("id")
    )
    np.testing.assert_allclose(table["bar_strong"], expected["bar_strong"], atol=1e-6)
    assert "bar_strong_above_80" in table
    assert table.volunteers.sum() == 12 * 10


def test_folds_give_what_a_head_expects_that_has_not_seen_the_galaxys_votes(home):
    workspace = za.load_workspace(home)
    published = workspace.catalogue(folds=3, out=home / "folded.parquet")
    plain = workspace.catalogue(out=home / "plain.parquet")
    assert published.galaxies == plain.galaxies
    assert published.voted == plain.voted > 20
    folded = pd.read_parquet(home / "folded.parquet")
    assert not np.allclose(folded["bar_strong"], pd.read_parquet(home / "plain.parquet")["bar_strong"], atol=1e-3)


def test_a_galaxys_own_votes_do_not_move_what_its_fold_expects(home):
    settings = za.load_workspace(home).settings
    stored, galaxies = open_predictions(home / "predictions"), settings.read_survey()
    first = int(np.flatnonzero(galaxies.labelled)[0])
    name = galaxies.ids[first]
    before = OutOfFold.fit(stored, galaxies, folds=3)
    votes = galaxies.votes.copy()
    votes[first] = 0
    votes[first, 0] = 40
    after = OutOfFold.fit(
        stored, za.Catalogue(galaxies.ids, galaxies.images, votes, galaxies.tree, galaxies.table, "x"), folds=3
    )
    changed = dict.fromkeys(before.fold_of, False)
    for one, other in zip(before, after, strict=True):
        for row, galaxy in enumerate(one.ids):
            changed[galaxy] = not np.array_equal(one.concentrations[:, row], other.concentrations[:, row])
    assert not changed[name]
    same_fold = [galaxy for galaxy, fold in before.fold_of.items() if fold == before.fold_of[name]]
    assert not any(changed[galaxy] for galaxy in same_fold)
    assert all(changed[galaxy] for galaxy in before.fold_of if galaxy not in same_fold)


def test_trust_is_fitted_to_votes_of_galaxies_drawn_at_random(home):
    votes = some_votes(home, 20)
    result = zooactive("catalogue", "--votes", votes, "--trust", votes, folder=home)
    assert "factor" in result.stdout
    assert "moved" in result.stdout
    how = json.loads((home / "catalogue.parquet.how.json").read_text())
    assert set(how["options"]["factors"]) <= {"smooth-or-featured", "edge-on", "bar"}


def test_without_votes_there_is_a_sentence(home, tmp_path):
    shutil.copytree(home / "predictions", tmp_path / "elsewhere" / "predictions")
    result = zooactive("catalogue", folder=tmp_path / "elsewhere", code=1)
    assert "no table of votes" in result.stderr
    assert "--votes" in result.stderr


# Allocation ----------------------------------------------------------------------------------------------------------


def test_the_plan_is_what_python_gives(home):
    votes = some_votes(home)
    result = zooactive(
        "allocate", "--clicks", 300, "--votes", votes, "--for", "bar=2,edge-on=1", "--ceiling", 12, "--floor", 1, folder=home
    )
    plan = pd.read_csv(home / "allocation.csv", dtype={"id": str}, keep_default_na=False)
    table = pd.read_csv(votes, dtype={"id": str}).set_index("id")
    received = {name: row.to_numpy(dtype=float) for name, row in table.iterrows()}
    expected = za.allocate(
        open_predictions(home / "predictions"),
        300,
        received=received,
        weights={"bar": 2, "edge-on": 1},
        ceiling=12,
        floor=1,
    )
    pd.testing.assert_frame_equal(plan, expected, check_dtype=False, rtol=1e-9)
    assert "more volunteers for" in result.stderr
    assert "Next: zooactive catalogue" in result.stderr
    assert json.loads((home / "allocation.csv.how.json").read_text())["command"] == "allocate"
    assert pd.read_parquet(home / "allocation.parquet").shape == plan.shape


def test_fewer_draws_are_made_where_they_are_asked_for(home):
    zooactive("allocate", "--clicks", 300, "--draws", 3, "--trees", 5, folder=home)
    plan = pd.read_csv(home / "allocation.csv", dtype={"id": str}, keep_default_na=False)
    stored = open_predictions(home / "predictions")
    expected = za.allocate(stored.redraw(stored.head, draws=3), 300, trees=5)
    pd.testing.assert_frame_equal(plan, expected, check_dtype=False, rtol=1e-9)
    assert json.loads((home / "allocation.csv.how.json").read_text())["options"]["draws"] == 3
    whole = za.load_workspace(home).allocate(300, trees=5)
    assert not np.array_equal(whole.value, plan.value), "what was kept of other draws is not taken"


def test_another_budget_costs_no_second_look_and_other_votes_do(home, monkeypatch):
    looks = []
    whole = vote_value.values_on_ladder
    monkeypatch.setattr(looking, "values_on_ladder", lambda *given, **more: looks.append(1) or whole(*given, **more))
    workspace = za.load_workspace(home)
    workspace.allocate(300)
    first = len(looks)
    assert first > 0
    few = workspace.allocate(30)
    assert len(looks) == first
    assert few.attrs["spent"] <= 30
    part = next((home / "allocation-looks").rglob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    again = workspace.allocate(30)
    assert len(looks) == first + 1, "what is damaged is looked at again"
    pd.testing.assert_frame_equal(few, again)
    workspace.allocate(30, votes=some_votes(home))
    assert len(looks) == 2 * first + 1


def test_a_share_of_the_clicks_for_the_model(home):
    zooactive("allocate", "--clicks", 200, "--least", "model=0.25", "--ceiling", 10, folder=home)
    how = json.loads((home / "allocation.csv.how.json").read_text())
    assert how["options"]["least"] == {"model": 0.25}
    assert {path.name for path in (home / "allocation-looks").iterdir() if path.is_dir()} == {"error", "model"}


def test_what_the_workspace_file_says_is_heard(home):
    file = home / "zooactive.toml"
    text = "[allocate]\nceiling = 3\nweights = { bar = 1 }\nleast = { model = 0.1 }\n"
    file.write_text(file.read_text().replace("[allocate]\n", text))
    plan = za.load_workspace(home).allocate(10_000)
    assert plan.stop_at.max() == 3
    assert za.load_workspace(home).settings.allocate.weights == {"bar": 1.0}


def test_retirement_files_have_panoptes_words_and_caesars_rule(home, tmp_path):
    votes = some_votes(home)
    subjects = tmp_path / "subjects.csv"
    pool = za.load_workspace(home).settings.read_pool().ids
    metadata = [json.dumps({"#id": name, "image": f"{name}.jpg"}) for name in pool[:-1]]
    pd.DataFrame({"subject_id": range(100, 100 + len(metadata)), "metadata": metadata}).to_csv(subjects, index=False)
    workflow = tmp_path / "workflow.json"
    retires = {"criteria": "classification_count", "options": {"count": 8}}
    workflow.write_text(json.dumps({"workflows": [{"id": "1", "retirement": retires}]}))
    result = zooactive(
        "allocate", "--clicks", 60, "--votes", votes, "--ceiling", 10, "--retirement", "retire", "--subjects", subjects,
        "--workflow", workflow, folder=home,
    )  # fmt: skip
    said = " ".join(result.stderr.split())
    assert "retires subjects after 8 people, but the plan shows some to 10" in said
    retired = pd.read_csv(home / "retire" / "retire.csv", dtype={"id": str})
    assert set(retired.reason) == {"classification_count"}
    assert len(retired) == 12
    assert "subject_id" in retired
    stop = pd.read_csv(home / "retire" / "stop_at.csv", dtype={"id": str})
    waiting = {name for name in pool[:-1] if name not in {*stop.id, *retired.id}}
    assert waiting
    assert f"{len(waiting | {pool[-1]})} galaxies are in neither list" in said or f"{len(waiting)} galaxies" in said
    assert (stop.stop_at > stop.received).all()
    row = stop.iloc[0]
    assert json.loads(row.reduction) == {
        "reduction": {"subject_id": row.subject_id, "data": {"stop_at": max(row.stop_at, 1)}}
    }
    rules = json.loads((home / "retire" / "caesar.json").read_text())["rules"]
    assert json.loads(rules["metadata"]["subject_rule"]["condition_string"])[0] == "and"


def test_a_plan_is_exported_with_the_number_that_caesar_compares_with(home):
    workspace = za.load_workspace(home)
    plan = workspace.allocate(100, ceiling=8)
    written = workspace.export(plan=home / "allocation.csv", credit="us")
    manifest = pd.read_csv(home / "subjects" / "manifest.csv", dtype={"#id": str})
    more = plan[plan.more > 0]
    assert written.subjects == len(more) > 0
    assert dict(zip(manifest["#id"], manifest["#stop_at"], strict=True)) == dict(zip(more.id, more.more, strict=True))
    (home / "allocation.csv").write_text("id,more\ng1,2\n")
    assert "holds no plan" in zooactive("export", "--plan", "allocation.csv", folder=home, code=1).stderr


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ((), "give either --clicks", 2),
        (("--clicks", 5, "--price", 1), "give either --clicks", 2),
        (("--clicks", 5, "--for", "bar"), "NAME=NUMBER", 2),
        (("--clicks", 5, "--for", "bra=1"), "bra", 1),
        (("--clicks", 5, "--goal", "eror"), "Did you mean 'error'", 2),
        (("--clicks", 5, "--rule", "bar_no=0.5"), "rules belong to the goal 'decision'", 1),
        (("--clicks", 5, "--floor", 9), "a floor of 9 volunteers per galaxy takes", 1),
        (("--clicks", 5, "--votes", "never.csv"), "never.csv does not exist", 1),
    ],
)
def test_what_is_impossible_is_said(home, words, said, code):
    assert said in " ".join(zooactive("allocate", *words, folder=home, code=code).stderr.replace("│", " ").split())
    assert not (home / "allocation.csv").exists()


def test_no_input_is_overwritten(home):
    votes, before = some_votes(home), {}
    (home / "subjects.csv").write_text("subject_id,metadata\n")
    for path in (votes, home / "subjects.csv"):
        before[path] = path.read_bytes()
    lines = [
        ("catalogue", "--votes", votes, "--out", votes), ("allocate", "--clicks", 9, "--votes", votes, "--out", votes),
        ("catalogue", "--votes", votes, "--out", home / "predictions" / "failures.parquet"),
        ("allocate", "--clicks", 9, "--retirement", "r", "--subjects", "subjects.csv", "--out", "subjects.csv"),
    ]  # fmt: skip
    failures = (home / "predictions" / "failures.parquet").read_bytes()
    for words in lines:
        assert "give another --out" in " ".join(zooactive(*words, folder=home, code=1).stderr.split())
    assert {path: path.read_bytes() for path in before} == before
    assert (home / "predictions" / "failures.parquet").read_bytes() == failures


def test_fractions_and_strangers_are_no_votes(home):
    votes = some_votes(home)
    table = pd.read_csv(votes, dtype={"id": str})
    columns = list(table.columns[1:])
    table.assign(**{name: table[name] / 10 for name in columns}).to_csv(home / "fractions.csv", index=False)
    table.assign(id="X" + table.id).to_csv(home / "strangers.csv", index=False)
    for command in (("catalogue",), ("allocate", "--clicks", 50)):
        said = zooactive(*command, "--votes", "fractions.csv", folder=home, code=1).stderr
        assert "look like fractions" in " ".join(said.split())
        said = zooactive(*command, "--votes", "strangers.csv", folder=home, code=1).stderr
        assert "none of the 12 galaxies with votes" in " ".join(said.split())


def test_a_column_that_is_called_as_one_of_the_catalogues_goes_along_under_another_name(home):
    stored = open_predictions(home / "predictions")
    for part in stored.parts:
        import pyarrow.parquet as pq

        table = pq.read_table(part)
        about = json.loads(table.schema.metadata[b"zooactive"])
        about["passed"] = ["volunteers" if name == "mag_r" else name for name in about["passed"]]
        names = ["volunteers" if name == "mag_r" else name for name in table.column_names]
        renamed = table.rename_columns(names).replace_schema_metadata({b"zooactive": json.dumps(about)})
        pq.write_table(renamed, part)
    zooactive("catalogue", "--out", "c.csv", folder=home)
    assert {"volunteers", "original_volunteers"} <= set(pd.read_csv(home / "c.csv").columns)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("catalogue", "--out", "c.txt", "--folds", 5), "ends in .csv, .parquet"),
        (("allocate", "--clicks", 5, "--out", "p.parquet"), "ends in .csv"),
        (("allocate", "--clicks", 5, "--workflow", "w.json"), "give --retirement FOLDER"),
        (("allocate", "--price", 0.1, "--least", "model=0.1"), "least is a share of the clicks"),
    ],
)
def test_what_cannot_be_written_or_meant_is_said_before_anything_is_computed(home, words, said):
    assert said in " ".join(zooactive(*words, folder=home, code=1).stderr.split())
    assert not (home / "p-looks").exists()
