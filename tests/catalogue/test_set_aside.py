"""Rows of votes that contradict themselves: set aside and listed while they are few, and the table refused beyond that."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import read_catalogue
from zooactive.catalogue.set_aside import nothing, write_set_aside
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import CatalogueError
from zooactive.labels.votes import count_votes
from zooactive.training.finetuning.tasks import Task
from zooactive.tree import DecisionTree, Question, load_tree

PAIR = [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_y"])]
COUNTS = DecisionTree("pair", PAIR)
FRACTIONS = DecisionTree("pair", PAIR, votes="fractions", volunteers=40)
SHARES = DecisionTree("pair", PAIR, votes="cumulative", volunteers=40)


def survey(galaxies: int = 200, **cells: dict[int, object]) -> pd.DataFrame:
    """Galaxies of 40 volunteers each, in which some cells are other ones."""
    table = pd.DataFrame({"id": [f"g{row}" for row in range(galaxies)], "a_x": 20, "a_y": 20, "b_u": 5, "b_v": 15})
    for column, changed in cells.items():
        table[column] = table[column].astype(object)
        for row, value in changed.items():
            table.loc[row, column] = value
    return table


def fractions(**cells: dict[int, object]) -> pd.DataFrame:
    table = survey()
    table[["a_x", "a_y"]] /= 40.0
    table[["b_u", "b_v"]] /= 20.0
    for column, changed in cells.items():
        for row, value in changed.items():
            table.loc[row, column] = value
    return table


def test_the_genuine_table_with_17_such_rows_is_read_without_them(shared_data: Path) -> None:
    path = shared_data / "tables" / "gz2_stripe82_coadd_votes.parquet"
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        galaxies = read_catalogue(path, tree="gz2", id_column="objid")
    assert any("17 of 19761 rows contradict themselves and are set aside, such as row 1263" in str(w.message) for w in met)
    assert len(galaxies) == 19761 - 17
    assert len(galaxies.set_aside) == 17
    row, galaxy, reason = galaxies.set_aside.iloc[0]
    assert (row, galaxy) == (1263, "8647474690351824939")
    assert reason.startswith("column 'something-odd-gz2_...': 19 votes, but only 17 reached the question (smooth-or")
    assert not set(galaxies.set_aside["id"]) & set(galaxies.ids)
    tree = load_tree("gz2")
    assert galaxies.votes is not None
    assert (tree.question_sums(galaxies.votes) - tree.allowed_votes(galaxies.votes)).max() <= 1
    with pytest.raises(
        CatalogueError, match=r"17 of 19761 rows contradict themselves; up to 0.05% would be set aside \(max_"
    ):
        read_catalogue(path, tree="gz2", id_column="objid", max_set_aside=0.0005)


@pytest.mark.parametrize(
    ("tree", "table", "rows", "reason"),
    [
        (COUNTS, survey(b_u={7: 40, 9: 8}), [8, 10], "column 'b_...': 55 votes, but only 20 reached the question (a_y)"),
        (COUNTS, survey(a_x={3: -1}), [4], "column 'a_x': '-1' is not a number of votes"),
        (COUNTS, survey(b_v={199: "many"}), [200], "column 'b_v': 'many' is not a number of votes"),
        (
            COUNTS,
            survey(a_y={0: "a_y"}, a_x={0: "a_x"}),
            [1],
            "column 'a_x': 'a_x' is not a number of votes",
        ),  # a header again
        (COUNTS, survey(a_y={5: 1e12}), [6], "column 'a_y': '1000000000000.0' is not a number of votes"),
        (COUNTS, survey(a_y={5: np.inf}), [6], "column 'a_y': 'inf' is not a number of votes"),
        (COUNTS, survey(a_x={1: -1}, b_u={1: 90, 2: 90}), [2, 3], "column 'a_x': '-1' is not a number of votes"),
        (FRACTIONS, fractions(a_x={4: 50.0}), [5], "column 'a_x': 50 is above 1, so it is not a fraction"),
        (FRACTIONS, fractions(a_x={4: 0.9}), [5], "column 'a_...': 56 votes, but only 40 reached the question (the volunte"),
        (FRACTIONS, fractions(b_u={11: -0.5}), [12], "column 'b_u': '-0.5' is not a number of votes"),
        (SHARES, fractions(a_x={8: 0.7}), [9], "column 'a_...': 48 votes, but only 40"),
    ],
)
def test_a_row_that_contradicts_itself_is_set_aside_with_its_number_and_reason(tmp_path, tree, table, rows, reason) -> None:
    if tree is SHARES:
        table[["b_u", "b_v"]] /= 2
    table.to_csv(tmp_path / "votes.csv", index=False)
    with pytest.warns(UserWarning, match=rf"votes.csv: {len(rows)} of 200 rows contradict themselves and are set aside"):
        galaxies = read_catalogue(tmp_path / "votes.csv", tree=tree)
    assert list(galaxies.set_aside["row"]) == rows
    assert list(galaxies.set_aside["id"]) == [f"g{row - 1}" for row in rows]
    assert galaxies.set_aside["reason"][0].startswith(reason)
    assert len(galaxies) == len(galaxies.votes) == len(galaxies.images) == len(galaxies.table) == 200 - len(rows)
    with pytest.raises(CatalogueError, match="max_set_aside" if len(rows) > 1 else "contradict|no number|above 1|reached"):
        read_catalogue(tmp_path / "votes.csv", tree=tree, max_set_aside=0.004 if len(rows) > 1 else 0)


def test_volunteers_that_are_no_number_set_the_row_aside(tmp_path) -> None:
    fractions().assign(total=["40"] * 100 + ["forty"] + ["40"] * 99).to_csv(tmp_path / "votes.csv", index=False)
    with pytest.warns(UserWarning, match="1 of 200 rows"):
        galaxies = read_catalogue(tmp_path / "votes.csv", tree=FRACTIONS, volunteers="total")
    assert list(galaxies.set_aside["id"]) == ["g100"]


def test_beyond_the_share_the_whole_table_is_refused(tmp_path) -> None:
    survey(b_u=dict.fromkeys(range(3), 90)).to_csv(tmp_path / "votes.csv", index=False)
    with pytest.raises(CatalogueError, match=r"row 1 \(id 'g0'\).* 3 of 200 rows contradict themselves; up to 1.00% would"):
        read_catalogue(tmp_path / "votes.csv", tree=COUNTS)
    with pytest.warns(UserWarning, match="3 of 200 rows"):
        assert len(read_catalogue(tmp_path / "votes.csv", tree=COUNTS, max_set_aside=0.015)) == 197
    for wrong in (-0.1, 1.1, "all", True):
        with pytest.raises(CatalogueError, match=r"max_set_aside = .*; give"):
            read_catalogue(tmp_path / "votes.csv", tree=COUNTS, max_set_aside=wrong)


def test_rows_are_numbered_as_in_the_file_where_some_are_left_out(tmp_path) -> None:
    survey(b_u={150: 90}).assign(mag=np.arange(200.0)).to_csv(tmp_path / "votes.csv", index=False)
    with pytest.warns(UserWarning, match=r"1 of 150 rows .* row 151 \(id 'g150'\)"):
        galaxies = read_catalogue(tmp_path / "votes.csv", tree=COUNTS, where="mag >= 50")
    assert list(galaxies.set_aside["row"]) == [151]
    assert list(galaxies.take([0, 1]).set_aside["row"]) == [151]  # of the file, whatever is taken of it


def test_shards_whose_votes_contradict_themselves_are_damaged_and_refused(galaxies_in, tmp_path) -> None:
    catalogue = galaxies_in(200, tmp_path / "images")
    catalogue.votes[5, -1] = 90
    write_shards(catalogue, tmp_path / "shards")
    with pytest.raises(CatalogueError, match="reached the question"):
        read_catalogue(tmp_path / "shards")


def test_the_list_is_a_table_and_goes_when_there_is_nothing_to_list(tmp_path) -> None:
    rows = pd.DataFrame({"row": [3], "id": ["=1+1"], "reason": ["column 'a': -1"]})
    file = tmp_path / "set_aside.csv"
    assert (
        write_set_aside(rows, file)
        == f"1 row contradicts itself and is set aside; {file} names each with its id and the reason"
    )
    assert file.read_text().splitlines() == ["row,id,reason", "3,'=1+1,column 'a': -1"]
    assert write_set_aside(nothing(), file) is None
    assert not file.exists()


# Totals and tables that get votes -------------------------------------------------------------------------------------


@pytest.fixture
def tree_file(tmp_path: Path) -> str:
    (tmp_path / "pair.toml").write_text(
        'name = "pair"\n'
        '[[question]]\nname = "a"\nanswers = ["x", "y"]\n'
        '[[question]]\nname = "b"\nanswers = ["u", "v"]\nasked_after = ["a_y"]\n'
    )
    return str(tmp_path / "pair.toml")


def test_totals_that_contradict_themselves_do_not_count_and_are_listed(tmp_path, tree_file) -> None:
    survey(b_u={7: 40}).to_csv(tmp_path / "older.csv", index=False)
    survey(b_u={9: 40}).to_csv(tmp_path / "newer.csv", index=False)
    files, out = [tmp_path / "older.csv", tmp_path / "newer.csv"], tmp_path / "votes.csv"
    with pytest.warns(UserWarning, match="1 of 200 rows"):
        counted = count_votes(files, out, tree=tree_file)
    assert len(counted.votes) == 200  # either table is right of g7 and g9
    reasons = {row["reason"]: row["number"] for row in counted.dropped}
    assert reasons["a row that contradicts itself"] == 2
    listed = pd.read_csv(tmp_path / "votes.set_aside.csv")
    assert listed[["file", "row", "id"]].to_numpy().tolist() == [[str(files[0]), 8, "g7"], [str(files[1]), 10, "g9"]]
    assert "2 rows contradict themselves" in str(counted.set_aside)
    with pytest.raises(CatalogueError, match="max_set_aside"):
        count_votes(files, out, tree=tree_file, max_set_aside=0.001)


def test_votes_that_contradict_themselves_are_not_added_to(tmp_path, tree_file) -> None:
    survey(b_u={7: 40}, a_x={8: "?"}).to_csv(tmp_path / "galaxies.csv", index=False)
    new = pd.DataFrame({"id": ["g7", "g8", "g9"], "a_x": 10, "a_y": 10, "b_u": 4, "b_v": 6})
    new.to_csv(tmp_path / "new.csv", index=False)
    with pytest.warns(UserWarning, match=r"galaxies.csv: 2 of 200 rows contradict themselves"):
        counted = count_votes(
            [tmp_path / "new.csv"], tmp_path / "both.csv", tree=tree_file, catalogue=tmp_path / "galaxies.csv"
        )
    both = pd.read_csv(tmp_path / "both.csv").set_index("id")
    assert both.loc[["g7", "g8", "g9"], ["a_x", "a_y", "b_u", "b_v"]].to_numpy().tolist() == [
        [10, 10, 4, 6],
        [10, 10, 4, 6],
        [30, 30, 9, 21],
    ]
    assert len(both) == 200
    assert list(pd.read_csv(tmp_path / "both.set_aside.csv")["id"]) == ["g7", "g8"]
    assert counted.set_aside is not None
    assert len(read_catalogue(tmp_path / "both.csv", tree=COUNTS)) == 200


def test_labels_of_a_task_go_the_same_way(tmp_path) -> None:
    survey(b_u=dict.fromkeys(range(4), 90)).to_csv(tmp_path / "labels.csv", index=False)
    task = Task("pair", COUNTS)
    with pytest.raises(CatalogueError, match="4 of 200 rows contradict themselves"):
        task.read(tmp_path / "labels.csv")
    with pytest.warns(UserWarning, match="4 of 200 rows"):
        assert len(task.read(tmp_path / "labels.csv", max_set_aside=0.05)) == 196
