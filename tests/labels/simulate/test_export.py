"""What a crowd said of a subject set comes back through the Zooniverse's form as the votes that it gave."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from zooactive.cli import app
from zooactive.foundation.errors import CatalogueError
from zooactive.labels import Dropped, Ledger, load_wording, read_export
from zooactive.labels.simulate import Crowd, simulate_sky, write_export
from zooactive.labels.simulate.forms import HEADER, wording_toml


@pytest.fixture(scope="module")
def made():
    return simulate_sky(12, size=8)


@pytest.fixture
def words(made, tmp_path):
    (tmp_path / "wording.toml").write_text(wording_toml(made.tree, "simulated", 90001))
    return load_wording(tmp_path / "wording.toml")


def manifest_of(ids) -> pd.DataFrame:
    return pd.DataFrame({"image": [f"{name}.png" for name in ids], "#id": ids, "credit": "a sky", "#score": "0.5"})


def counted(paths, words, folder):
    ledger, dropped = Ledger(folder, words.tree), Dropped()
    for path in paths:
        ledger.merge(read_export(path, words, dropped))
    votes = ledger.votes(dropped)
    assert dropped.rows() == []
    return votes


def test_the_votes_that_are_read_back_are_those_that_were_given(made, words, tmp_path):
    chosen = [made.ids[row] for row in (7, 2, 11, 0, 5)]
    given = write_export(tmp_path / "export.csv", manifest_of(chosen), made.truth(), words, crowd=Crowd(), votes=30)
    assert given["id"].tolist() == chosen
    votes = counted([tmp_path / "export.csv"], words, tmp_path / "ledger")
    assert votes.equals(given.sort_values("id", ignore_index=True))
    assert (votes["volunteers"] == 30).all()
    rows = [made.ids.tolist().index(name) for name in chosen]
    walked = Crowd().walk(made.probabilities[rows], made.tree, ids=chosen, volunteers=30)
    assert np.array_equal(given[list(made.tree.columns)], walked)


def test_the_export_has_the_zooniverses_form(made, words, tmp_path):
    write_export(tmp_path / "export.csv", manifest_of(made.ids[:2]), made.truth(), words, votes=10)
    table = pd.read_csv(tmp_path / "export.csv", dtype=str)
    assert tuple(table.columns) == HEADER
    assert len(table) == 20
    assert table["classification_id"].is_unique
    assert table["created_at"].is_monotonic_increasing
    (metadata,) = json.loads(table["subject_data"][0]).values()
    assert metadata == {"retired": None, "image": "sim-000000.png", "#id": "sim-000000", "credit": "a sky", "#score": "0.5"}
    named = table["user_name"].str.startswith("volunteer-")
    assert table["user_id"].notna().equals(named)
    assert not named.all()


def test_another_round_adds_to_the_ledger_and_the_same_one_again_does_not(made, words, tmp_path):
    truth = made.truth()
    for name, ids in (("one", made.ids[:6]), ("two", made.ids[6:]), ("again", made.ids[:6])):
        write_export(tmp_path / f"{name}.csv", manifest_of(ids), truth, words, votes=20)
    one, again = (pd.read_csv(tmp_path / f"{name}.csv", dtype=str) for name in ("one", "again"))
    named = one["user_id"].notna()
    assert one[named].equals(again[named])
    assert one.drop(columns="user_name").equals(again.drop(columns="user_name"))
    before = (tmp_path / "one.csv").read_bytes()
    write_export(tmp_path / "one.csv", manifest_of(made.ids[:6]), truth, words, votes=20)
    assert (tmp_path / "one.csv").read_bytes() == before
    votes = counted([tmp_path / f"{name}.csv" for name in ("one", "two", "again")], words, tmp_path / "ledger")
    assert votes["volunteers"].tolist() == [20] * 12
    write_export(tmp_path / "other.csv", manifest_of(made.ids[:6]), truth, words, votes=20, seed=1)
    assert (tmp_path / "one.csv").read_bytes() != (tmp_path / "other.csv").read_bytes()


def test_those_who_are_not_logged_in_have_another_name_in_every_file_and_count_once(made, words, tmp_path):
    truth, crowd = made.truth(), Crowd(volunteers=60, activity=0)
    names = {}
    for name, ids in (("first", made.ids[:6]), ("whole", made.ids)):
        write_export(tmp_path / f"{name}.csv", manifest_of(ids), truth, words, crowd=crowd, votes=20)
        table = pd.read_csv(tmp_path / f"{name}.csv", dtype=str)
        names[name] = dict(zip(table["classification_id"], table["user_name"], strict=True))
        people = {person for person in names[name].values() if person.startswith("not-logged-in-")}
        assert 1 < len(people) <= 12
    both = names["first"].keys() & names["whole"].keys()
    assert len(both) == 120
    same = {number: names["first"][number] == names["whole"][number] for number in both}
    assert same == {number: names["first"][number].startswith("volunteer-") for number in both}
    pairs = {(names["first"][number], names["whole"][number]) for number in both}
    assert len({first for first, _ in pairs}) == len({whole for _, whole in pairs}) == len(pairs)
    counted([tmp_path / "first.csv", tmp_path / "whole.csv"], words, tmp_path / "two")
    counted([tmp_path / "whole.csv"], words, tmp_path / "one")
    kept = [pq.read_table(tmp_path / folder / "classifications.parquet")["volunteer"] for folder in ("two", "one")]
    assert len(set(kept[0].to_pylist())) == len(set(kept[1].to_pylist())) == len(set(names["whole"].values()))


def test_questions_that_the_wording_leaves_away_are_not_asked(made, tmp_path):
    text = wording_toml(made.tree, "simulated", 90001)
    start, end = (text.index(f'[workflow.questions."{name}"]') for name in ("spiral-arms", "winding"))
    (tmp_path / "wording.toml").write_text(text[:start] + text[end:])
    words = load_wording(tmp_path / "wording.toml")
    given = write_export(tmp_path / "export.csv", manifest_of(made.ids), made.truth(), words)
    assert given[["spiral-arms_yes", "spiral-arms_no", "winding_tight"]].eq(0).all(axis=None)
    assert given["ring_no"].sum() > 0
    assert counted([tmp_path / "export.csv"], words, tmp_path / "ledger").equals(given)


def test_what_cannot_be_classified_is_told(made, words, tmp_path):
    truth, manifest = made.truth(), manifest_of(made.ids[:3])

    def refused(said, manifest=manifest, truth=truth, votes=5):
        with pytest.raises(CatalogueError, match=said):
            write_export(tmp_path / "export.csv", manifest, truth, words, votes=votes)
        assert not (tmp_path / "export.csv").exists()

    refused("lacks 1 galaxies of the manifest, such as 'sim-000002'", truth=truth[:2])
    refused("no column 'bar_weak'", truth=truth.drop(columns="bar_weak"))
    refused("'sim-000001' is not a probability", truth=truth.assign(bar_no=truth["bar_no"] + (truth.index == 1)))
    refused("row 1 of the manifest has no galaxy id; the wording looks for it in #id", manifest.drop(columns="#id"))
    refused("the manifest has no rows", manifest[:0])
    refused("'sim-000000' is twice in the manifest", pd.concat([manifest, manifest]))
    refused("give 1 to 4096", votes=5000)


def test_the_circle_is_typed_from_a_sky_to_a_table_with_the_crowds_votes(tmp_path):
    def typed(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    with contextlib.chdir(tmp_path):
        told = typed("simulate", "sky", "sky", "--n", 20, "--size", 16, "--labelled", 15, "--seed", 4)
        assert "20 galaxies in sky, 15 of them with votes" in told.stderr
        assert json.loads((tmp_path / "sky" / "how.json").read_text())["options"]["seed"] == 4
        pool = ["sim-000017", "sim-000019"]
        pd.DataFrame({"id": pool, "score": 1.0, "rank": [1, 2], "arm": "acquired"}).assign(
            inclusion_probability=1.0, question="bar", clicks=9.0
        ).to_csv("selection.csv", index=False)
        typed("export", "--catalogue", "sky/galaxies.csv", "--credit", "nobody")
        crowd = ("simulate", "crowd", "subjects/manifest.csv", "--truth", "sky/truth.csv", "--wording", "sky/wording.toml")
        told = typed(*crowd, "--votes", 35, "--skill", 0.8)
        assert "70 classifications of 2 galaxies: classifications.csv" in told.stderr
        assert (tmp_path / "classifications.csv.how.json").exists()
        added = ("--catalogue", "sky/galaxies.csv", "--out", "sky/galaxies-2.csv")
        typed("votes", "classifications.csv", "--wording", "sky/wording.toml", *added)
        before, after = (pd.read_csv(f"sky/{name}.csv", index_col="id") for name in ("galaxies", "galaxies-2"))
        roots = [f"smooth-or-featured_{answer}" for answer in ("smooth", "featured", "artifact")]
        assert before.loc[pool, roots].isna().all(axis=None)
        assert (after.loc[pool, roots].sum(axis=1) == 35).all()
        assert after.loc[before.index[:15]].equals(before.loc[before.index[:15]].astype(after.dtypes))
        said = typed(*crowd[:-3], "nowhere.csv", *crowd[-2:], code=1)
        assert "nowhere.csv cannot be read as a table" in said.stderr
