from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import read_catalogue
from zooactive.catalogue.tables import GalaxyTable
from zooactive.catalogue.votes import read_votes
from zooactive.foundation.errors import CatalogueError
from zooactive.tree import DecisionTree, Question, load_tree

PAIR = [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_y"])]


def table(**columns: object) -> GalaxyTable:
    frame = pd.DataFrame(columns)
    ids = np.array([f"g{i}" for i in range(len(frame))], dtype=object)
    return GalaxyTable(frame.assign(id=ids), ids, "id")


def read(tree: DecisionTree, *, columns: dict[str, object], **options: object) -> np.ndarray:
    return read_votes(table(**columns), tree, source="votes.csv", **options).votes


def test_counts_are_matched_by_name_whatever_their_order() -> None:
    votes = read(
        DecisionTree("t", PAIR), columns={"b_v": [1, 0], "a_y": [3, 5], "other": ["p", "q"], "b_u": [2, 5], "a_x": [7, 0]}
    )
    assert votes.tolist() == [[7, 3, 2, 1], [0, 5, 5, 0]]


def test_a_survey_suffix_may_be_missing_and_official_headers_are_known() -> None:
    tree = load_tree("gz2")
    aliases = {column: (tree.aliases[column][0] if column in tree.aliases else column) for column in tree.columns}
    short = {column: column.replace("-gz2", "") for column in tree.columns}
    for names in (aliases, short):
        values = {names[column]: [40.0 if i == 0 else 0.0] for i, column in enumerate(tree.columns)}
        assert read(tree, columns=values)[0].tolist() == [40.0] + [0.0] * (len(tree.columns) - 1)


def test_blank_cells_and_minus_999_are_questions_not_asked() -> None:
    votes = read(
        DecisionTree("t", PAIR),
        columns={"a_x": [4, 4, 4], "a_y": ["6", " 6 ", "6.0"], "b_u": [np.nan, -999, 1], "b_v": ["", None, " -999.0"]},
    )
    assert votes.tolist() == [[4, 6, 0, 0], [4, 6, 0, 0], [4, 6, 1, 0]]


@pytest.mark.parametrize("wrong", [-1, np.inf, "many", "nan", "inf", -998.5])
def test_what_is_no_number_of_votes_is_refused_with_row_id_and_column(wrong: object) -> None:
    with pytest.raises(CatalogueError, match=r"votes.csv, row 2 \(id 'g1'\), column 'b_u': .* not a number of votes"):
        read(
            DecisionTree("t", PAIR),
            columns={"a_x": [1, 1], "a_y": [9, 9], "b_u": pd.Series([1, wrong], dtype=object), "b_v": [0, 0]},
        )


def test_more_than_one_vote_above_the_parent_is_refused_and_up_to_one_is_a_warning() -> None:
    tree = DecisionTree("t", PAIR)
    columns = {"a_x": [7, 7, 7], "a_y": [3, 3, 3], "b_u": [2, 2, 2], "b_v": [1, 2, 2]}
    with pytest.warns(UserWarning, match="2 of 3 rows have up to one vote more"):
        votes = read(tree, columns=columns)
    assert votes[1].tolist() == [7, 3, 2, 2]
    columns["b_v"] = [1, 3, 1]
    with pytest.raises(CatalogueError, match=r"row 2 \(id 'g1'\), column 'b_\.\.\.': 5 votes, but only 3 reached"):
        read(tree, columns=columns)


def test_a_child_of_two_answers_may_have_the_votes_of_both() -> None:
    tree = DecisionTree("t", [Question("a", ["x", "y", "z"]), Question("m", ["u", "v"], ["a_x", "a_y"])])
    assert read(tree, columns={"a_x": [3], "a_y": [4], "a_z": [1], "m_u": [7], "m_v": [0]}).sum() == 15


def test_a_missing_column_is_named_with_the_count_and_the_nearest_name() -> None:
    tree = load_tree("decals_dr5")
    columns = {column.replace("bar-dr5_strong", "bar-strong"): [0] for column in tree.columns}
    with pytest.raises(
        CatalogueError, match=r"column 'bar-dr5_strong' is missing from votes.csv; tree 'decals_dr5' "
    ) as caught:
        read(tree, columns=columns)
    assert "needs 34 vote columns, 33 were found. Did you mean 'bar-strong'?" in str(caught.value)


def test_two_headers_for_one_column_are_refused_unless_one_is_the_column_itself() -> None:
    tree = DecisionTree("t", [Question("a-s", ["x", "y"])], suffix="-s", aliases={"a-s_x": ("ax",)})
    assert read(tree, columns={"ax": [1], "a-s_x": [2], "a-s_y": [3]}).tolist() == [[2, 3]]
    with pytest.raises(CatalogueError, match="'ax' and 'a_x' both mean 'a-s_x'"):
        read(tree, columns={"ax": [1], "a_x": [2], "a_y": [3]})


# Fractions ------------------------------------------------------------------------------------------------------------


def test_fractions_of_each_question_become_pseudo_counts_down_the_tree() -> None:
    tree = DecisionTree("t", [PAIR[1], PAIR[0]], votes="fractions", volunteers=40)  # the child stands first
    votes = read(tree, columns={"a_x": [0.3], "a_y": [0.7], "b_u": [0.25], "b_v": [0.75]})
    assert np.allclose(votes, [[7, 21, 12, 28]])  # 40 x 0.7 = 28 reach b


def test_the_number_of_volunteers_may_be_given_or_stand_in_a_column() -> None:
    tree = DecisionTree("t", PAIR[:1], votes="fractions")
    columns = {"a_x": [0.5, 0.5], "a_y": [0.5, 0.5], "total": [10, 60]}
    assert np.allclose(read(tree, columns=columns, volunteers=20), 10)
    assert np.allclose(read(tree, columns=columns, volunteers="total"), [[5, 5], [30, 30]])
    with pytest.raises(CatalogueError, match="need a number of volunteers"):
        read(tree, columns=columns)
    with pytest.raises(CatalogueError, match="above 0"):
        read(tree, columns=columns, volunteers=-3)
    with pytest.raises(CatalogueError, match="Did you mean 'total'"):
        read(tree, columns=columns, volunteers="totl")


def test_a_fraction_above_one_is_refused() -> None:
    tree = DecisionTree("t", PAIR[:1], votes="fractions", volunteers=40)
    with pytest.raises(CatalogueError, match=r"column 'a_x': 35 is above 1"):
        read(tree, columns={"a_x": [35], "a_y": [5]})


def test_fractions_that_sum_to_more_than_everybody_are_refused() -> None:
    tree = DecisionTree("t", PAIR[:1], votes="fractions", volunteers=40)
    with pytest.raises(CatalogueError, match="48 votes, but only 40 reached the question"):
        read(tree, columns={"a_x": [0.6], "a_y": [0.6]})


def test_volunteers_are_refused_for_counts() -> None:
    with pytest.raises(CatalogueError, match="holds counts"):
        read(DecisionTree("t", PAIR[:1]), columns={"a_x": [1], "a_y": [1]}, volunteers=40)


def test_cumulative_fractions_are_multiplied_by_the_volunteers_and_by_what_scales_them() -> None:
    odd = Question("odd", ["yes", "no"], ["a_x", "a_y"], scaled_by=["a_x", "a_y"])
    tree = DecisionTree("t", [Question("a", ["x", "y", "z"]), odd], votes="cumulative", volunteers=40)
    votes = read(tree, columns={"a_x": [0.5], "a_y": [0.25], "a_z": [0.25], "odd_yes": [0.1], "odd_no": [0.9]})
    assert np.allclose(votes, [[20, 10, 10, 3, 27]])  # 0.1 x (0.5 + 0.25) x 40 = 3


# Labels ---------------------------------------------------------------------------------------------------------------

YES_NO = DecisionTree("t", [Question("ring", ["yes", "no"])], votes="class", min_votes=1)


@pytest.mark.parametrize(
    ("labels", "yes"),
    [
        ([1, 0], [1, 0]),
        ([1.0, 0.0], [1, 0]),
        ([True, False], [1, 0]),
        (["yes", "No"], [1, 0]),
        (["TRUE", "false"], [1, 0]),
        (["1", "0.0"], [1, 0]),
        (["no", " yes "], [0, 1]),
    ],
)
def test_a_label_of_yes_or_no_is_one_vote(labels: list[object], yes: list[int]) -> None:
    votes = read(YES_NO, columns={"ring": labels})
    assert votes.tolist() == [[y, 1 - y] for y in yes]


def test_yes_means_the_answer_called_yes_wherever_it_stands() -> None:
    tree = DecisionTree("t", [Question("ring", ["no", "yes"])], votes="class")
    assert read(tree, columns={"ring": [1, 0]}).tolist() == [[0, 1], [1, 0]]
    plain = DecisionTree("t", [Question("shape", ["featured", "smooth"])], votes="class")
    assert read(plain, columns={"shape": ["yes", "smooth", 0]}).tolist() == [[1, 0], [0, 1], [0, 1]]


def test_labels_of_many_answers_are_names_or_positions() -> None:
    tree = DecisionTree("t", [Question("shape", ["round", "in-between", "cigar"])])
    votes = read(tree, columns={"label": [2, 0, 1]}, label_column="label")
    assert votes.argmax(axis=1).tolist() == [2, 0, 1]
    votes = read(tree, columns={"label": ["cigar", "Round", "1"]}, label_column="label")
    assert votes.argmax(axis=1).tolist() == [2, 0, 1]


def test_answers_that_are_numbers_are_meant_by_name_and_never_by_position() -> None:
    tree = DecisionTree("t", [Question("arms", ["1", "2", "3"])])
    assert read(tree, columns={"label": [1, 3]}, label_column="label").argmax(axis=1).tolist() == [0, 2]
    with pytest.raises(CatalogueError, match="the label '0' is not an answer"):
        read(tree, columns={"label": [1, 0]}, label_column="label")


def test_a_blank_label_is_no_vote() -> None:
    votes = read(YES_NO, columns={"ring": pd.Series(["yes", "", None, -999], dtype=object)})
    assert votes.sum(axis=1).tolist() == [1, 0, 0, 0]
    assert read(YES_NO, columns={"ring": [1.0, np.nan]}).sum(axis=1).tolist() == [1, 0]


def test_an_unknown_label_is_named_with_its_row() -> None:
    with pytest.raises(
        CatalogueError, match=r"row 2 \(id 'g1'\), column 'ring': the label 'maybe' is not an answer of 'ring'"
    ):
        read(YES_NO, columns={"ring": ["yes", "maybe"]})
    tree = DecisionTree("t", [Question("shape", ["round", "in-between", "cigar"])])
    with pytest.raises(CatalogueError, match="Did you mean 'cigar'"):
        read(tree, columns={"label": ["cigra"]}, label_column="label")
    with pytest.raises(CatalogueError, match="the label '3' is not an answer"):
        read(tree, columns={"label": [3]}, label_column="label")


def test_a_label_column_needs_a_tree_of_one_question_and_no_volunteers() -> None:
    with pytest.raises(CatalogueError, match="use a tree of one question"):
        read(DecisionTree("t", PAIR), columns={"label": ["x"]}, label_column="label")
    with pytest.raises(CatalogueError, match="a label is one vote"):
        read(YES_NO, columns={"ring": [1]}, volunteers=5)
    with pytest.raises(CatalogueError, match=r"label column 'rng' is missing from votes.csv. Did you mean 'ring'"):
        read(YES_NO, columns={"ring": [1]}, label_column="rng")
    with pytest.raises(CatalogueError, match=r"column 'ring' is missing from votes.csv"):
        read(YES_NO, columns={"rings_label": [1]})


# The real tables ------------------------------------------------------------------------------------------------------


def test_the_challenge_of_kaggle_gives_forty_pseudo_volunteers_within_rounding(shared_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        catalogue = read_catalogue(shared_data / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    assert catalogue.votes is not None
    assert catalogue.votes.shape == (7105, 37)
    assert np.allclose(catalogue.votes[:, :3].sum(axis=1), 40, atol=1e-3)
    raw = pd.read_csv(shared_data / "gz2_kaggle" / "galaxies.csv", nrows=1).iloc[0]
    row = dict(zip(load_tree("gz2_kaggle").columns, catalogue.votes[0], strict=True))
    assert np.isclose(row["bar_no"], 40 * raw["Class3.2"])
    assert np.isclose(row["something-odd_yes"], 40 * raw["Class6.1"] * (raw["Class1.1"] + raw["Class1.2"]))


def test_rebuilt_counts_of_galaxy_zoo_2_are_read_with_one_warning_about_rounding(shared_data: Path) -> None:
    path = shared_data / "gz2_votes" / "galaxies.csv"
    with pytest.warns(UserWarning, match="2 of 426 rows") as caught:
        catalogue = read_catalogue(path, tree="gz2")
    assert len(caught) == 1
    raw = pd.read_csv(path, dtype={"id_str": str})
    assert catalogue.votes is not None
    assert np.array_equal(catalogue.votes, raw[list(load_tree("gz2").columns)].to_numpy(float))
    assert list(catalogue.table.columns) == ["gz2_class"]


def test_ring_labels_are_one_vote_each(shared_data: Path) -> None:
    catalogue = read_catalogue(shared_data / "rings" / "rings.csv", tree="rings")
    assert catalogue.votes is not None
    assert catalogue.votes.sum(axis=0).tolist() == [187, 190]
    assert catalogue.labelled.all()
