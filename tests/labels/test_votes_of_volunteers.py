"""Classifications become the votes that the crowd gave, each once; what is left out is counted and named."""

from __future__ import annotations

import json
import shutil
import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from crowd import annotated, one_answer_each, row, tree_toml, wording, write

from zooactive.catalogue import read_catalogue
from zooactive.foundation.errors import CatalogueError
from zooactive.labels import Dropped, Ledger, find_sources, load_wording, read_export
from zooactive.labels.ledger import add_votes
from zooactive.labels.wording import plain
from zooactive.tree import DecisionTree, Question, load_tree


@pytest.fixture
def words(tree, tmp_path):
    (tmp_path / "tree.toml").write_text(tree_toml(tree))
    (tmp_path / "wording.toml").write_text(wording("tree.toml", tree))
    return load_wording(tmp_path / "wording.toml")


def votes_of(path, words, folder, dropped=None):
    dropped = dropped or Dropped()
    ledger = Ledger(folder, words.tree)
    merged = ledger.merge(read_export(path, words, dropped))
    return ledger.votes(dropped), merged, dropped


@pytest.mark.parametrize("nested", [False, True])
def test_the_votes_are_those_that_the_crowd_gave(tree, words, tmp_path, nested):
    rng = np.random.default_rng(0)
    expected = np.zeros((9, len(tree.columns)), dtype=int)
    chances = np.concatenate([rng.dirichlet(np.ones(len(question.answers))) for question in tree.questions])
    rows = []
    for identity in range(360):
        columns = one_answer_each(tree, chances, rng)
        expected[identity % 9, columns] += 1
        marks = annotated(tree, columns, nested=nested)
        rows.append(row(identity, f"58773257831245427{identity % 9}", f"volunteer {identity // 9}", marks))
    votes, merged, dropped = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert (merged.new, merged.known, dropped.rows()) == (360, 0, [])
    assert list(votes["id"]) == [f"58773257831245427{number}" for number in range(9)]
    assert np.array_equal(votes[list(tree.columns)], expected)
    assert set(votes["volunteers"]) == {40}


def test_merging_an_export_again_or_a_longer_one_counts_each_classification_once(tree, words, tmp_path):
    rows = [row(i, f"g{i % 2}", f"v{i}", annotated(tree, [0])) for i in range(20)]
    first, whole = write(tmp_path / "first.csv", rows[:12]), write(tmp_path / "whole.csv", rows)
    _, merged, _ = votes_of(first, words, tmp_path / "ledger")
    assert (merged.new, merged.known) == (12, 0)
    before = (tmp_path / "ledger" / "classifications.parquet").read_bytes()
    _, merged, _ = votes_of(first, words, tmp_path / "ledger")
    assert (merged.new, merged.known) == (0, 12)
    assert (tmp_path / "ledger" / "classifications.parquet").read_bytes() == before
    votes, merged, _ = votes_of(whole, words, tmp_path / "ledger")
    assert (merged.new, merged.known) == (8, 12)
    at_once, _, _ = votes_of(whole, words, tmp_path / "other")
    assert votes.equals(at_once)
    assert votes["volunteers"].tolist() == [10, 10]


def test_one_person_counts_once_a_galaxy_and_the_first_word_stays(tree, words, tmp_path):
    rows = [
        row(5, "g0", "Ann", annotated(tree, [1])),
        row(3, "g0", "Ann", annotated(tree, [0])),
        row(4, "g1", "Ann", annotated(tree, [2])),
        row(6, "g0", "not-logged-in-1f", annotated(tree, [0])),
        row(7, "g0", "", annotated(tree, [0]), user_ip=""),
        row(8, "g0", "", annotated(tree, [0]), user_ip=""),
    ]
    votes, _, dropped = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert votes[tree.columns[0]].tolist() == [4, 0]
    assert votes[tree.columns[1]].tolist() == [0, 0]
    assert dropped.rows() == [
        {"dropped": "classification", "reason": "the same volunteer and galaxy again", "number": 1, "first": "5"}
    ]
    kept = b"".join(file.read_bytes() for file in (tmp_path / "ledger").iterdir())
    assert b"Ann" not in kept
    assert b"not-logged-in" not in kept


def said_by(tree, export, people):
    """Classifications of two answers in turn about one galaxy, by people of whom each export makes another name."""
    return [
        row(number, "g0", name if name[:1].isupper() else f"not-logged-in-{export}{name}", annotated(tree, [number % 2]))
        for number, name in people
    ]


NEWEST = [(0, "a"), (1, "b"), (2, "Ann"), (3, "a"), (4, "c"), (5, "b"), (6, "Ann"), (7, "a")]
"""Four people, of whom three were not logged in: their numbers 0, 1, 2 and 4 count."""


@pytest.mark.parametrize(
    "exports",
    [
        [("x", NEWEST)],
        [("x", NEWEST[:2]), ("y", NEWEST)],
        [("x", NEWEST[:4]), ("y", NEWEST[:6]), ("z", NEWEST)],
        [("z", NEWEST), ("x", NEWEST[:4]), ("z", NEWEST)],
        [("x", NEWEST[4:]), ("y", NEWEST[:4]), ("z", NEWEST)],
        [("x", NEWEST[:3]), ("y", NEWEST[3:5]), ("y", NEWEST), ("x", NEWEST[:3])],
    ],
    ids=lambda exports: " ".join(f"{name}{len(people)}" for name, people in exports),
)
def test_a_person_without_a_login_counts_once_though_every_export_names_them_anew(tree, words, tmp_path, exports):
    for number, (name, people) in enumerate(exports):
        path = write(tmp_path / f"{number}.csv", said_by(tree, name, people))
        votes, _, dropped = votes_of(path, words, tmp_path / "ledger")
    assert votes[[*tree.columns[:2], "volunteers"]].to_numpy().tolist() == [[3, 1, 4]]
    assert [(entry["reason"], entry["number"], entry["first"]) for entry in dropped.rows()] == [
        ("the same volunteer and galaxy again", 4, "3")
    ]
    before = (tmp_path / "ledger" / "classifications.parquet").read_bytes()
    at_once = Ledger(tmp_path / "other", words.tree)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "key").write_bytes((tmp_path / "ledger" / "key").read_bytes())
    at_once.merge(read_export(write(tmp_path / "newest.csv", said_by(tree, "w", NEWEST)), words, Dropped()))
    assert (tmp_path / "other" / "classifications.parquet").read_bytes() == before


def test_different_people_without_a_login_are_never_one(tree, words, tmp_path):
    """Names that two exports made by chance alike, of people whom no export names together."""
    for number, people in enumerate([[(0, "a"), (1, "b")], [(2, "a"), (3, "b")], [(4, "a")]]):
        path = write(tmp_path / f"{number}.csv", said_by(tree, "x", people))
        votes, _, dropped = votes_of(path, words, tmp_path / "ledger")
    assert votes["volunteers"].tolist() == [5]
    assert dropped.rows() == []


def test_people_without_a_login_are_told_apart_by_their_hashed_addresses_and_else_nobody_is(tree, words, tmp_path):
    def said(export, *people):
        return [row(i, "g0", "", annotated(tree, [0]), user_ip=ip and f"{export}{ip}") for i, ip in enumerate(people)]

    votes_of(write(tmp_path / "1.csv", said("x", "1f", "", "2e", "")), words, tmp_path / "ledger")
    newer = said("y", "1f", "", "2e", "", "1f", "", "2e")
    votes, _, _ = votes_of(write(tmp_path / "2.csv", newer), words, tmp_path / "ledger")
    assert votes["volunteers"].tolist() == [5]  # two addresses, and three times nobody knows who


def test_a_ledger_that_names_of_one_export_were_kept_in_is_mended_by_the_next_whole_one(tree, words, tmp_path):
    """As version 0.1 wrote it before: an export's names as if they were everybody's for ever."""
    from zooactive.labels.ledger import _as_table

    ledger = Ledger(tmp_path / "ledger", words.tree)
    ledger.merge([])
    key, stored = (tmp_path / "ledger" / "key").read_bytes(), tmp_path / "ledger" / "classifications.parquet"
    old = read_export(write(tmp_path / "1.csv", said_by(tree, "x", NEWEST[:4])), words, Dropped())
    table = _as_table([replace(entry, anonymous=False) for entry in old], key)
    pq.write_table(table.replace_schema_metadata({"columns": "\n".join(tree.columns)}), stored)
    assert ledger.votes()["volunteers"].tolist() == [3]
    votes, merged, _ = votes_of(write(tmp_path / "2.csv", said_by(tree, "y", NEWEST)), words, tmp_path / "ledger")
    assert (merged.new, merged.known) == (4, 4)
    assert votes["volunteers"].tolist() == [4]


def test_skipped_and_changed_answers_and_those_that_nobody_asked_for(tree, words, tmp_path):
    smooth, edge_on = annotated(tree, [0]), annotated(tree, [3])
    rows = [
        row(0, "g0", "a", [*smooth, {"task": "T1", "value": None}]),  # a question that was skipped
        row(1, "g0", "b", [*annotated(tree, [1]), *smooth]),  # who went back: the last word counts
        row(2, "g0", "c", [*smooth, *edge_on]),  # edge-on is asked of featured galaxies alone
        row(3, "g0", "d", [*annotated(tree, [1]), *edge_on]),
        row(4, "g0", "e", [{"task": "T0", "value": [smooth[0]["value"]]}]),
        row(5, "g0", "f", [{"task": "T0", "value": ["Smooth", "Featured"]}, {"task": "T9", "value": "Talk"}]),
        row(6, "g0", "g", [{"task": "T0", "value": "Smoothish"}]),
    ]
    votes, _, dropped = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert votes[list(tree.columns[:4])].to_numpy().tolist() == [[4, 1, 0, 1]]
    said = {entry["reason"]: (entry["number"], entry["first"]) for entry in dropped.rows()}
    assert said == {
        "no answer to a question of the tree": (2, "5"),
        "an answer to edge-on that earlier answers do not lead to": (1, "2"),
        "several answers to T0": (1, "5"),
        "task T9, which the wording does not name": (1, "5"),
        "'Smoothish', which the wording of T0 does not name": (1, "6"),
    }


def test_every_malformed_row_is_counted_and_named_and_the_others_are_kept(tree, words, tmp_path):
    sound = annotated(tree, [0])
    subject = {"#id": "g0"}
    rows = [
        row(0, "g0", "a", sound),
        row(1, "g0", "b", "[{broken"),
        row(2, "g0", "c", '"text"'),
        row(3, "g0", "d", sound, subject_data="{"),
        row(4, "g0", "e", sound, subject_data=json.dumps({"1": subject, "2": subject})),
        row(5, "g0", "f", sound, subject_data=json.dumps({"1": {"name": "g0"}})),
        row(6, "g0", "g", sound, subject_data=json.dumps({"1": {"#id": 5.877e17}})),
        row(7, "g0", "h", sound, subject_data="[]"),
        row(8, "g0", "i", sound, workflow_id=78),
        row(9, "g0", "j", sound, workflow_version="4.0"),
        row(10, "g0", "k", sound, workflow_version="x"),
        row(11, "g0", "l", sound, created_at="yesterday"),
        row(12, "g0", "m", sound, classification_id="?"),
        row(0, "g0", "a", sound),
    ]
    path = write(tmp_path / "export.csv", rows)
    path.write_text(path.read_text() + "13,cut short\n")
    votes, merged, dropped = votes_of(path, words, tmp_path / "ledger")
    assert votes["volunteers"].tolist() == [1]
    assert (merged.new, merged.known) == (1, 1)
    assert sum(dropped.classifications.values()) == 13
    said = {entry["reason"]: entry["first"] for entry in dropped.rows()}
    assert said == {
        "annotations that are not JSON": "1",
        "annotations of an unknown shape": "2",
        "subject_data that is not JSON": "3",
        "several subjects, or none, in one classification": "4",
        "a subject whose metadata has no galaxy id": "5",
        "a galaxy id that lost digits in a spreadsheet or as a number; upload ids as text": "6",
        "subject_data of an unknown shape": "7",
        "workflow 78, which the wording does not name": "8",
        "a version of the workflow that is not in the wording": "9",
        "an id or a version that is not a number": "10",
        "created_at is not a time": "11",
        "a row with more or fewer cells than the header": "line 16",
    }
    (tmp_path / "other.csv").write_text("classification_id,user_name\n1,Ann\n")
    with pytest.raises(CatalogueError, match=r"has no column user_ip, workflow_id, .*Data exports"):
        votes_of(tmp_path / "other.csv", words, tmp_path / "ledger")
    with pytest.raises(CatalogueError, match=r"nowhere\.csv cannot be read"):
        votes_of(tmp_path / "nowhere.csv", words, tmp_path / "ledger")


def test_votes_join_those_of_a_table(tree, words, tmp_path):
    rows = [row(i, galaxy, f"v{i}", annotated(tree, [0])) for i, galaxy in enumerate(["g0", "g0", "g1", "g9"])]
    votes, _, _ = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    table = pd.DataFrame({"id": ["g0", "g1", "g2"], "mag_r": [1.0, 2.0, 3.0]})
    for column in tree.columns:
        table[column] = pd.array([5 if column == tree.columns[0] else 0, None, None], dtype="Int64")
    joined, strangers = add_votes(table, votes, tree, "id")
    assert strangers == 1
    assert joined[tree.columns[0]].tolist()[:2] == [7, 1]
    assert joined[tree.columns[0]].isna().tolist() == [False, False, True]
    joined.to_csv(tmp_path / "joined.csv", index=False)
    catalogue = read_catalogue(tmp_path / "joined.csv", tree=tmp_path / "tree.toml")
    assert catalogue.votes[:, 0].tolist() == [7, 1, 0]


def test_a_ledger_of_another_tree_is_refused(tree, words, tmp_path):
    votes_of(write(tmp_path / "export.csv", [row(0, "g0", "a", annotated(tree, [0]))]), words, tmp_path / "ledger")
    with pytest.raises(CatalogueError, match="another tree"):
        Ledger(tmp_path / "ledger", tree.only(["smooth-or-featured"]))


def test_classifications_that_were_read_with_another_wording_are_not_served(tree, words, tmp_path):
    path = write(tmp_path / "export.csv", [row(i, "g0", f"v{i}", annotated(tree, [3 * i // 4])) for i in range(4)])
    text, folder = (tmp_path / "wording.toml").read_text(), tmp_path / "ledger"

    def votes_by(text):
        (tmp_path / "wording.toml").write_text(text)
        return find_sources([path], wording=tmp_path / "wording.toml").count(folder, Dropped())

    votes, said = votes_by(text)
    assert said == "4 new classifications, 0 known before; 4 in all count"
    answers = json.dumps(["Smooth", "Featured", "Artifact"])
    assert answers in text
    swapped = text.replace(answers, json.dumps(["Featured", "Smooth", "Artifact"]))
    for other in (swapped, text.replace('"3.99"', '"2.99"'), text.replace('galaxy = ["#id"]', 'galaxy = ["!id", "#id"]')):
        with pytest.raises(CatalogueError, match="holds classifications of workflow 77 that were read with another wording"):
            votes_by(other)
    assert votes_by(text)[0].equals(votes)
    another = text.replace("id = 77", "id = 78")[text.index("[[workflow]]") :]
    assert votes_by(f"{text}\n{another}")[1] == "0 new classifications, 4 known before; 4 in all count"
    with pytest.raises(CatalogueError, match="of workflow 78 that were read with another wording"):
        votes_by(f"{text}\n{another}".replace('"3.99"', '"2.99"').replace('"2.99"', '"3.99"', 1))
    shutil.rmtree(folder)
    anew, _ = votes_by(swapped)
    assert anew[list(tree.columns[:2])].to_numpy().tolist() == votes[list(tree.columns[1::-1])].to_numpy().tolist()


def test_a_ledger_of_a_newer_version_is_refused_and_an_empty_one_is_filled_again(tree, words, tmp_path):
    path = write(tmp_path / "export.csv", [row(i, "g0", f"v{i}", annotated(tree, [0])) for i in range(4)])
    votes_of(path, words, tmp_path / "ledger")
    file = tmp_path / "ledger" / "classifications.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(0, 0), file)
    votes, merged, _ = votes_of(path, words, tmp_path / "ledger")
    assert (merged.new, votes["volunteers"].tolist()) == (4, [4])
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"format": b"99"}), file)
    with pytest.raises(CatalogueError, match="has format 99, but this version of zooactive knows up to 1; install a newer"):
        votes_of(path, words, tmp_path / "ledger")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('task = "T1"', 'task = "T0"'), "task = 'T0'.*once"),
        (('[workflow.questions."edge-on"]', "[workflow.questions.edgeon]"), "edgeon.*Did you mean 'edge-on'"),
        (('["Yes", "No"]', '["Yes"]'), "give 2 wordings, for yes, no"),
        (('["Yes", "No"]', '["Yes", "yes"]'), "'yes' is the wording of two answers"),
        (("id = 77", 'id = "77"'), "write id = NUMBER"),
        (('versions = ["2.0", "3.99"]', "versions = 2"), "give the first and the last"),
        (
            ('versions = ["2.0", "3.99"]', "versions = [2.20, 2.30]"),
            "numbers, which cannot tell 12.30 from 12.3.* in quotation marks",
        ),
        (('versions = ["2.0", "3.99"]', 'versions = ["2.0", 3]'), "numbers"),
        (('versions = ["2.0", "3.99"]', 'versions = ["3.99", "2.0"]'), "in the wrong order"),
        (('galaxy = ["#id"]', 'galaxie = ["#id"]'), "'galaxie' is unknown.*Did you mean 'galaxy'"),
        (("[[workflow]]", "[[workflows]]"), "'workflows' is unknown"),
        (('tree = "tree.toml"', "tree = 1"), 'write tree = "NAME"'),
        (("[[workflow]]", "[[workflow"), "not valid TOML"),
    ],
)
def test_a_wording_that_is_wrong_is_told(tree, tmp_path, change, said):
    (tmp_path / "tree.toml").write_text(tree_toml(tree))
    text = wording("tree.toml", tree)
    assert change[0] in text
    (tmp_path / "wording.toml").write_text(text.replace(*change, 1))
    with pytest.raises(CatalogueError, match=said):
        load_wording(tmp_path / "wording.toml")


def test_what_does_not_count_in_a_wording():
    assert plain(" ![x.png](https://a/b.png)  **Star or\nartifact** ") == "star or artifact"
    assert plain("[Disk](https://help)-shaped") == "disk shaped"


@pytest.mark.parametrize(
    "rounded", ["5.87733E+17", "587.733E+15", "5,87733E+17", 5.87733e17, 587732578312454300, "587732578312454276.0"]
)
def test_an_id_that_has_lost_digits_on_the_way_is_no_galaxy(tree, words, tmp_path, rounded):
    rows = [
        row(0, "g0", "a", annotated(tree, [0]), subject_data=json.dumps({"1": {"#id": rounded}})),
        row(1, "g0", "b", annotated(tree, [0]), subject_data=json.dumps({"2": {"#id": 587732578312454276}})),
    ]
    votes, _, dropped = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert votes["id"].tolist() == ["587732578312454276"]
    reason = "a galaxy id that lost digits in a spreadsheet or as a number; upload ids as text"
    assert dropped.rows() == [{"dropped": "classification", "reason": reason, "number": 1, "first": "0"}]


def test_an_id_that_a_spreadsheet_was_told_to_leave_alone_is_the_galaxy_inside(tree, words, tmp_path):
    data = [
        json.dumps({"1": {"#id": text}}) for text in ('="587732578312454276"', "587732578312454276", "'587732578312454276")
    ]
    rows = [row(i, "g0", f"v{i}", annotated(tree, [0]), subject_data=text) for i, text in enumerate(data)]
    votes, _, _ = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert votes[["id", tree.columns[0]]].to_numpy().tolist() == [["587732578312454276", 3]]


@pytest.mark.parametrize("way", ["as they are", "other names", "no suffix"])
def test_votes_are_added_to_those_under_every_name_that_a_survey_gives_its_columns(tmp_path, way):
    tree = load_tree("gz2")
    names = {column: column for column in tree.columns}
    for header, column in tree.headers.items():
        if way == "other names" and header in tree.aliases.get(column, ()):
            names[column] = header
        if way == "no suffix" and header == column.replace("-gz2", ""):
            names[column] = header
    first = tree.columns[0]
    old = pd.DataFrame(
        {"id": ["g0", "g1", "g2"]} | {name: [20 if column == first else 0] * 3 for column, name in names.items()}
    )
    new = pd.DataFrame({"id": ["g0"]} | {column: [3 if column == first else 0] for column in tree.columns})
    joined, _ = add_votes(old, new, tree, "id")
    assert list(joined.columns) == list(old.columns)
    joined.to_csv(tmp_path / "joined.csv", index=False)
    assert read_catalogue(tmp_path / "joined.csv", tree="gz2").votes[:, 0].tolist() == [23, 20, 20]


def test_votes_are_added_to_what_a_survey_marks_as_missing_as_to_nothing(tree, tmp_path):
    old = pd.DataFrame({"id": ["g0", "g1"]} | {column: ["-999", "-999"] for column in tree.columns})
    new = pd.DataFrame({"id": ["g0"]} | {column: [3 if column == tree.columns[0] else 0] for column in tree.columns})
    joined, _ = add_votes(old, new, tree, "id")
    assert joined[tree.columns[0]].fillna(0).tolist() == [3, 0]


def test_votes_are_not_added_beside_a_column_whose_name_is_misspelt_nor_to_words(tree):
    new = pd.DataFrame({"id": ["g0"]} | {column: [1] for column in tree.columns})
    old = pd.DataFrame({"id": ["g0"]} | {column: [1] for column in tree.columns})
    with pytest.raises(CatalogueError, match=r"column 'bar_strong' is missing from survey.csv.* 'bar_stong'"):
        add_votes(old.rename(columns={"bar_strong": "bar_stong"}), new, tree, "id", source="survey.csv")
    with pytest.raises(CatalogueError, match=r"survey.csv, row 1 \(id 'g0'\), column 'bar_weak': 'many' is not a number"):
        add_votes(old.assign(bar_weak="many"), new, tree, "id", source="survey.csv")


TWO_ROOTS = DecisionTree(
    "two",
    [Question("ring", ["yes", "no"]), Question("bar", ["yes", "no"]), Question("strong", ["yes", "no"], ["bar_yes"])],
)


# Written otherwise on the way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ("2026-01-01 10:00:00 UTC", "2026-01-01 09:00:00 UTC", 1),
        ("2026-01-01 10:00:00 +0200", "2026-01-01 09:00:00 UTC", 0),
        ("2026-01-01T10:00:00+02:00", "2026-01-01T09:00:00Z", 0),
        ("2026-01-01T10:00:00-02:00", "2026-01-01T11:00:00Z", 1),
        ("2026-01-01T10:00:00", "2026-01-01T09:59:59.999Z", 1),
        ("0001-01-01T00:00:00+14:00", "2026-01-01 09:00:00 UTC", 0),
    ],
)
def test_which_answer_came_first_is_told_by_the_time_with_its_zone(tree, words, tmp_path, first, second, counts):
    rows = [
        row(1, "g0", "Ann", annotated(tree, [0]), created_at=first),
        row(2, "g0", "Ann", annotated(tree, [1]), created_at=second),
    ]
    votes, _, _ = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert votes[list(tree.columns[:2])].to_numpy().tolist() == [[1 - counts, counts]]


@pytest.mark.parametrize("number", ["1_0", "1,000", "1.5E+08", "7.0", "٥", "²", "-1", "+1", "", str(1 << 63), "0x10"])
def test_a_number_that_is_not_written_in_digits_is_no_number_of_a_classification(tree, words, tmp_path, number):
    rows = [
        row(10, "g0", "Ann", annotated(tree, [0])),
        row(11, "g0", "Ben", annotated(tree, [0]), classification_id=number),
        row(12, "g0", "Eve", annotated(tree, [0]), workflow_id=number.replace("1_0", "7_7") or "77.0"),
        row(13, "g0", "Joe", annotated(tree, [0]), classification_id=f" {(1 << 63) - 1} "),
    ]
    votes, _, dropped = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert votes["volunteers"].tolist() == [2]
    assert sum(dropped.classifications.values()) == 2


@pytest.mark.parametrize("found", [True, False, [1], {"a": 1}, 1.5, "a\u200bb"])
def test_a_galaxy_is_named_by_a_text_or_a_whole_number(tree, words, tmp_path, found):
    rows = [row(0, "g0", "Ann", annotated(tree, [0]), subject_data=json.dumps({"1": {"#id": found}}))]
    votes, _, dropped = votes_of(write(tmp_path / "export.csv", rows), words, tmp_path / "ledger")
    assert votes.empty
    assert sum(dropped.classifications.values()) == 1


def test_a_letter_and_its_accent_are_one_however_a_machine_writes_them(tree, tmp_path):
    composed, parted = (unicodedata.normalize(form, "Größer é") for form in ("NFC", "NFD"))
    assert composed != parted
    (tmp_path / "tree.toml").write_text(tree_toml(tree))
    (tmp_path / "wording.toml").write_text(wording("tree.toml", tree).replace("Smooth", composed))
    said = [composed, parted, parted.upper(), f" {composed}\u00a0"]
    rows = [row(i, (composed, parted)[i % 2], f"v{i}", said_to(("T0", text))) for i, text in enumerate(said)]
    votes, _, dropped = votes_of(
        write(tmp_path / "export.csv", rows), load_wording(tmp_path / "wording.toml"), tmp_path / "ledger"
    )
    assert dropped.rows() == []
    assert votes[["id", tree.columns[0]]].to_numpy().tolist() == [[composed, 4]]
    (tmp_path / "t.csv").write_text(f"id,m\n{parted},1\n")
    assert read_catalogue(tmp_path / "t.csv").ids.tolist() == [composed]
    (tmp_path / "t.csv").write_text(f"id,m\n{parted},1\n{composed},2\n")
    with pytest.raises(CatalogueError, match="is in rows 1 and 2"):
        read_catalogue(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("change", "known"),
    [
        (lambda text: text.replace("\n", "\r\n"), 0),
        (lambda text: text.replace("\n", "\r"), 0),
        (lambda text: "\ufeff" + text, 0),
        (lambda text: text + text.split("\n", 1)[1], 2),
        (lambda text: text + text, 2),
        (lambda text: text.rstrip("\n"), 0),
    ],
    ids=["CRLF", "CR", "BOM", "rows twice", "header again", "no end"],
)
def test_an_export_that_went_through_other_programs_counts_as_it_was(tree, words, tmp_path, change, known):
    path = write(tmp_path / "export.csv", [row(i, "g0", f"v{i}", annotated(tree, [i])) for i in range(2)])
    path.write_bytes(change(path.read_text()).encode())
    votes, merged, dropped = votes_of(path, words, tmp_path / "ledger")
    assert (merged.new, merged.known) == (2, known)
    assert votes[list(tree.columns[:3])].to_numpy().tolist() == [[1, 1, 0]]
    assert sum(dropped.classifications.values()) <= 1


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace("user_name", "User_Name"),
        lambda text: text.replace("user_ip", "user_name"),
        lambda text: text.replace("created_at", "created_at "),
    ],
    ids=["semicolons", "capitals", "a name twice", "a space"],
)
def test_an_export_whose_columns_are_called_otherwise_is_refused(tree, words, tmp_path, change):
    path = write(tmp_path / "export.csv", [row(0, "g0", "v", annotated(tree, [0]))])
    path.write_text(change(path.read_text()))
    with pytest.raises(CatalogueError, match="has no column"):
        votes_of(path, words, tmp_path / "ledger")


@pytest.mark.parametrize(
    "way", [str.upper, "{} ".format, " {}".format, lambda name: name.replace("_", "-"), "\ufeff{}".format]
)
def test_votes_are_not_begun_anew_beside_columns_that_are_all_written_otherwise(tree, way):
    new = pd.DataFrame({"id": ["g0"]} | {column: [1] for column in tree.columns})
    old = pd.DataFrame({"id": ["g0"]} | {way(column): [20] for column in tree.columns})
    with pytest.raises(CatalogueError, match=r"has none of the vote columns of tree 'small', but '.*', which may be '"):
        add_votes(old, new, tree, "id", source="survey.csv")
    begun, _ = add_votes(pd.DataFrame({"id": ["g0"], "mag": [1.0]}), new, tree, "id")
    assert begun[tree.columns[0]].tolist() == [1]


@pytest.fixture
def two_workflows(tmp_path):
    """A wording of one workflow a root question, the second with a question after it."""
    (tmp_path / "tree.toml").write_text(tree_toml(TWO_ROOTS))
    one = '[[workflow]]\nid = 77\ngalaxy = ["#id"]\n[workflow.questions.ring]\ntask = "T0"\n'
    other = one.replace("77", "78").replace("ring", "bar") + '[workflow.questions.strong]\ntask = "T1"\n'
    (tmp_path / "two.toml").write_text(f'tree = "tree.toml"\n{one}{other}')
    return load_wording(tmp_path / "two.toml")


def said_to(*answers):
    return [{"task": task, "value": value} for task, value in answers]


def test_one_person_counts_once_a_galaxy_and_root_question(two_workflows, tmp_path):
    rows = [row(i, "g0", f"v{i}", said_to(("T0", "yes")), workflow_id=77) for i in range(4)]
    rows += [row(10 + i, "g0", f"v{i}", said_to(("T0", "yes"), ("T1", "no")), workflow_id=78) for i in range(4)]
    rows += [
        row(20, "g0", "v0", said_to(("T0", "no")), workflow_id=77),
        row(21, "g0", "v1", said_to(("T0", "no")), workflow_id=78),
    ]
    votes, _, dropped = votes_of(write(tmp_path / "export.csv", rows), two_workflows, tmp_path / "ledger")
    assert votes.drop(columns="id").to_numpy().tolist() == [[4, 0, 4, 0, 0, 4, 4]]
    assert [(entry["reason"], entry["number"]) for entry in dropped.rows()] == [("the same volunteer and galaxy again", 2)]


def test_of_a_classification_that_repeats_one_question_the_others_count(tmp_path):
    (tmp_path / "tree.toml").write_text(tree_toml(TWO_ROOTS))
    (tmp_path / "one.toml").write_text(
        'tree = "tree.toml"\n[[workflow]]\nid = 77\ngalaxy = ["#id"]\n'
        + "".join(f'[workflow.questions.{name}]\ntask = "T{i}"\n' for i, name in enumerate(("ring", "bar", "strong")))
    )
    rows = [
        row(0, "g0", "v", said_to(("T0", "yes")), workflow_id=77),
        row(1, "g0", "v", said_to(("T0", "no"), ("T1", "yes"), ("T2", "yes")), workflow_id=77),
        row(2, "g0", "v", said_to(("T1", "no")), workflow_id=77),
    ]
    ledger, dropped = Ledger(tmp_path / "ledger", TWO_ROOTS), Dropped()
    ledger.merge(read_export(write(tmp_path / "export.csv", rows), load_wording(tmp_path / "one.toml"), dropped))
    votes, counted = ledger.count(dropped)
    assert votes.drop(columns="id").to_numpy().tolist() == [[1, 0, 1, 0, 1, 0, 1]]
    assert counted == 2
    assert dropped.rows() == [
        {"dropped": "classification", "reason": "the same volunteer and galaxy again", "number": 1, "first": "2"},
        {"dropped": "answer", "reason": "the same volunteer, galaxy and question again", "number": 1, "first": "1"},
    ]


def test_an_export_of_before_2016_without_subject_ids_is_read(tree, words, tmp_path):
    path = write(tmp_path / "export.csv", [row(i, "g0", f"v{i}", annotated(tree, [0])) for i in range(3)])
    pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns="subject_ids", errors="ignore").to_csv(
        path, index=False
    )
    votes, _, _ = votes_of(path, words, tmp_path / "ledger")
    assert votes[tree.columns[0]].tolist() == [3]
