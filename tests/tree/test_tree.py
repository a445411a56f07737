from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooactive.foundation.errors import TreeError
from zooactive.tree import DecisionTree, Question, combine_trees, list_trees, load_tree

# Questions and answers of each survey, counted in its published workflow.
SIZES = {
    "candels": (11, 32),
    "cosmic_dawn": (13, 45),
    "decals_dr12": (10, 30),
    "decals_dr5": (10, 34),
    "decals_dr8": (10, 34),
    "desi": (10, 34),
    "euclid": (13, 46),
    "gz2": (10, 30),
    "gz2_kaggle": (11, 37),
    "hubble": (12, 34),
    "hubble_v2": (9, 28),
    "jwst_ceers": (12, 39),
    "jwst_cosmos": (11, 36),
    "rings": (1, 2),
    "simulated": (8, 21),
    "ukidss": (10, 30),
    "zhu5": (1, 5),
}


# The trees that come with the package ---------------------------------------------------------------------------------


def test_seventeen_trees_come_with_the_package() -> None:
    assert list(list_trees()) == sorted(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_every_tree_has_its_questions_and_answers_and_begins_with_a_root(name: str) -> None:
    tree = load_tree(name)
    assert tree.name == name
    assert (len(tree.questions), len(tree.columns)) == SIZES[name]
    assert tree.roots[0] == 0
    assert tree.title
    assert tree.source


@pytest.mark.parametrize("name", SIZES)
def test_every_tree_survives_a_round_trip_through_plain_values(name: str) -> None:
    tree = load_tree(name)
    assert DecisionTree.from_dict(tree.to_dict()) == tree
    assert hash(DecisionTree.from_dict(tree.to_dict())) == hash(tree)


@pytest.mark.parametrize("name", SIZES)
def test_every_column_of_every_tree_resolves_with_and_without_the_survey_suffix(name: str) -> None:
    tree = load_tree(name)
    for question in tree.questions:
        for column, answer in zip(question.columns, question.answers, strict=True):
            assert tree.resolve(column) == column
            assert tree.resolve(f"{question.name.removesuffix(tree.suffix)}_{answer}") == column


@pytest.mark.parametrize("name", ["gz2", "decals_dr5", "desi", "gz2_kaggle", "ukidss"])
def test_bars_and_spirals_are_asked_of_disks_that_are_not_edge_on(name: str) -> None:
    tree = load_tree(name)
    for short in ("bar", "has-spiral-arms"):
        question = tree.question(short)
        assert len(question.asked_after) == 1
        assert question.asked_after[0].startswith("disk-edge-on")
        assert question.asked_after[0].endswith("_no")


def test_a_tree_is_known_by_name_by_path_and_by_itself(tmp_path: Path) -> None:
    tree = load_tree("rings")
    assert load_tree(tree) is tree
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\n[[question]]\nname = "bar"\nanswers = ["yes", "no"]\n', encoding="utf-8")
    assert load_tree(path).columns == load_tree(str(path)).columns == ("bar_yes", "bar_no")


def test_an_unknown_tree_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match=r"no decision tree 'decals_dr55'\. Did you mean 'decals_dr5'"):
        load_tree("decals_dr55")
    with pytest.raises(TreeError, match=r"no\.toml cannot be read"):
        load_tree(tmp_path / "no.toml")


# Names and headers ----------------------------------------------------------------------------------------------------


def test_typed_names_and_official_headers_resolve_to_columns() -> None:
    assert load_tree("decals_dr5").resolve("bar_strong") == "bar-dr5_strong"
    assert load_tree("gz2").resolve("t01_smooth_or_features_a01_smooth_count") == "smooth-or-featured-gz2_smooth"
    assert load_tree("gz2_kaggle").resolve("Class11.6") == "spiral-arm-count_cant-tell"
    assert load_tree("decals_dr5").question("bar").name == "bar-dr5"


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    tree = load_tree("decals_dr5")
    with pytest.raises(TreeError, match=r"no answer 'bar_stong'\. Did you mean 'bar_strong'"):
        tree.resolve("bar_stong")
    with pytest.raises(TreeError, match=r"no question 'bars-dr5'\. Did you mean 'bar-dr5'"):
        tree.question("bars-dr5")


def test_a_short_name_that_could_mean_two_columns_means_none() -> None:
    tree = DecisionTree("t", [Question("bar-s", ["yes", "no"]), Question("bar", ["yes", "maybe"])], suffix="-s")
    assert tree.resolve("bar-s_yes") == "bar-s_yes"
    assert tree.resolve("bar_yes") == "bar_yes"  # a column's own name is never ambiguous
    twice = DecisionTree("t", [Question("a", ["x", "y"])], aliases={"a_x": ("one",), "a_y": ("one",)})
    with pytest.raises(TreeError, match="no answer 'one'"):
        twice.resolve("one")


# Trees that contradict themselves -------------------------------------------------------------------------------------


def test_a_question_may_follow_several_answers_of_one_question(tree: DecisionTree) -> None:
    assert tree.parents == (-1, 0, 1, 0)
    assert tree.leads_to[3].tolist() == [True, True] + [False] * 8
    assert tree.slices == (slice(0, 3), slice(3, 5), slice(5, 8), slice(8, 10))
    assert tree.question_index.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]


def test_two_parents_are_refused() -> None:
    questions = [Question("a", ["x", "y"]), Question("b", ["x", "y"]), Question("c", ["x", "y"], ["a_x", "b_x"])]
    with pytest.raises(TreeError, match=r"question 'c' is asked after answers of 2 questions \(a, b\)"):
        DecisionTree("t", questions)


def test_a_cycle_is_refused() -> None:
    questions = [
        Question("root", ["x", "y"]),
        Question("a", ["x", "y"], ["c_x"]),
        Question("b", ["x", "y"], ["a_x"]),
        Question("c", ["x", "y"], ["b_x"]),
    ]
    with pytest.raises(TreeError, match="the questions a, b, c depend on each other"):
        DecisionTree("t", questions)
    with pytest.raises(TreeError, match="depend on each other"):
        DecisionTree("t", [Question("a", ["x", "y"], ["a_x"])])


@pytest.mark.parametrize("key", ["asked_after", "scaled_by"])
def test_an_unknown_column_is_refused_with_the_nearest_name(key: str) -> None:
    questions = [Question("edge-on", ["yes", "no"]), Question("bar", ["yes", "no"], **{key: ["edge-on_non"]})]
    with pytest.raises(TreeError, match=r"'bar' names 'edge-on_non', .* Did you mean 'edge-on_no'"):
        DecisionTree("t", questions)


def test_double_names_are_refused() -> None:
    with pytest.raises(TreeError, match="two questions named 'a'"):
        DecisionTree("t", [Question("a", ["x", "y"]), Question("a", ["u", "v"])])
    with pytest.raises(TreeError, match="the column 'a_b_c' twice"):
        DecisionTree("t", [Question("a", ["b_c", "d"]), Question("a_b", ["c", "e"])])
    with pytest.raises(TreeError, match="lists an answer twice"):
        Question("a", ["x", "x"])


def test_a_question_needs_two_answers_and_a_tree_a_question() -> None:
    with pytest.raises(TreeError, match="has 1 answers"):
        Question("a", ["x"])
    with pytest.raises(TreeError, match="asked_after is the text 'a_x'; give a list"):
        Question("b", ["x", "y"], "a_x")
    with pytest.raises(TreeError, match="has no questions"):
        DecisionTree("t", [])


def test_parents_come_before_children_in_the_order_wherever_they_stand() -> None:
    questions = [
        Question("leaf", ["x", "y"], ["twig_x"]),
        Question("twig", ["x", "y"], ["root_x"]),
        Question("root", ["x", "y"]),
    ]
    assert DecisionTree("t", questions).order == (2, 1, 0)


# Arithmetic -----------------------------------------------------------------------------------------------------------


def test_the_probability_of_being_asked_is_the_product_along_the_path(tree: DecisionTree) -> None:
    fractions = np.array([0.5, 0.4, 0.1, 0.25, 0.75, 0.2, 0.3, 0.5, 0.6, 0.4])
    assert np.allclose(tree.asked(fractions), [1, 0.4, 0.4 * 0.75, 0.5 + 0.4])
    assert tree.asked(np.tile(fractions, (2, 3, 1))).shape == (2, 3, 4)


def test_the_product_is_taken_before_the_mean_over_draws() -> None:
    tree = DecisionTree(
        "t", [Question("a", ["x", "y"]), Question("b", ["x", "y"], ["a_x"]), Question("c", ["x", "y"], ["b_x"])]
    )
    draws = np.array([[0.9, 0.1, 0.9, 0.1, 0.5, 0.5], [0.1, 0.9, 0.1, 0.9, 0.5, 0.5]])
    assert np.isclose(tree.asked(draws)[:, 2].mean(), 0.41)


def test_sums_fractions_and_allowed_votes_are_per_question(tree: DecisionTree) -> None:
    votes = np.array([20.0, 15, 5, 5, 10, 2, 3, 5, 30, 5])
    assert tree.question_sums(votes).tolist() == [40, 15, 10, 35]
    assert tree.allowed_votes(votes).tolist() == [math.inf, 15, 10, 35]
    assert np.allclose(tree.fractions(votes)[:3], [0.5, 0.375, 0.125])
    nobody = tree.fractions(np.where(np.arange(10) < 3, 0, votes))
    assert np.isnan(nobody[:3]).all()
    assert not np.isnan(nobody[3:]).any()


# Several trees --------------------------------------------------------------------------------------------------------


def test_combined_trees_stand_side_by_side_with_their_headers() -> None:
    both = combine_trees("both", ["gz2", load_tree("rings")])
    assert both.columns == (*load_tree("gz2").columns, "ring_yes", "ring_no")
    assert both.roots == (0, 10)
    assert both.resolve("t01_smooth_or_features_a01_smooth_count") == "smooth-or-featured-gz2_smooth"
    assert DecisionTree.from_dict(both.to_dict()) == both


def test_trees_with_a_question_of_the_same_name_cannot_be_combined() -> None:
    with pytest.raises(TreeError, match="two questions named 'smooth-or-featured-hubble'"):
        combine_trees("both", ["hubble", "hubble_v2"])


# Files ----------------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"name": "t", "question": [{"name": "a", "answers": ["x", "y"]}]}


def test_a_tree_from_a_file_keeps_everything_it_says() -> None:
    values = {
        "name": "t",
        "title": "A survey",
        "source": "somewhere",
        "citation": "a paper",
        "suffix": "-s",
        "volunteers": 40,
        "votes": "cumulative",
        "min_votes": 20,
        "question": [
            {"name": "a-s", "answers": ["x", "y"], "asked_after": [], "aliases": {"y": ["Class1.2", "why"]}},
            {"name": "b-s", "answers": ["u", "v"], "asked_after": ["a-s_y"], "scaled_by": ["a-s_y"]},
        ],
    }
    tree = DecisionTree.from_dict(values)
    assert tree.to_dict() == values
    assert tree.resolve("why") == "a-s_y"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the entry name is missing"),
        ('name = "t"', "has no questions"),
        ("name = ", "is not valid TOML"),
        ("\xff", "is not valid TOML"),
        ('name = "t"\nquestions = []', "entry 'questions' is unknown. Did you mean 'question'"),
        ('name = "t"\nquestion = "a"', r"must be \[\[question\]\] tables"),
        ('name = "t"\n[[question]]\nname = "a"', "needs a name and a list of answers"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = "xy"', "needs a name and a list of answers"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = [1, 2]', "needs a name and a list of answers"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = ["x"]', "has 1 answers"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = ["x", "y"]\nasked_aftr = []', "Did you mean 'asked_after'"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = ["x", "y"]\nasked_after = 3', "must be a list of columns"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = ["x", "y"]\naliases = {x = "X"}', "must be a list of texts"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = ["x", "y"]\naliases = {z = ["Z"]}', "unknown column 'a_z'"),
        ('name = "t"\n[[question]]\nname = "a"\nanswers = ["x", "y"]\naliases = ["X"]', "aliases"),
    ],
)
def test_a_malformed_file_is_a_tree_error_that_says_what_is_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(TreeError, match=sentence):
        load_tree(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", 3),
        ("source", ["x"]),
        ("citation", {}),
        ("suffix", 5),
        ("votes", "count"),
        ("votes", ["counts"]),
        ("volunteers", "40"),
        ("volunteers", 0),
        ("volunteers", math.nan),
        ("volunteers", True),
        ("min_votes", "30"),
        ("min_votes", -1),
        ("min_votes", math.inf),
    ],
)
def test_an_entry_of_the_wrong_kind_is_refused_by_its_name(key: str, value: object) -> None:
    with pytest.raises(TreeError, match=key):
        DecisionTree.from_dict(GOOD | {key: value})


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.sampled_from(["", "a", "x", "a_x", "-s", "counts"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "x", "name"]), inner, max_size=2),
    max_leaves=3,
)
QUESTION = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b"]) | JUNK, "answers": st.just(["x", "y"]) | JUNK},
    optional={key: st.just(["a_x"]) | JUNK for key in ("asked_after", "scaled_by", "aliases", "more")},
)
TREE = st.fixed_dictionaries(
    {"name": st.just("t") | JUNK, "question": st.lists(QUESTION, max_size=2) | JUNK},
    optional=dict.fromkeys(("title", "source", "citation", "suffix", "votes", "volunteers", "min_votes", "more"), JUNK),
)


@settings(max_examples=300, deadline=None)
@given(TREE)
def test_junk_values_give_a_tree_that_works_or_a_tree_error(values: dict[str, Any]) -> None:
    try:
        tree = DecisionTree.from_dict(values)
    except TreeError:
        return
    assert tree.headers
    assert hash(tree) == hash(DecisionTree.from_dict(tree.to_dict()))


@given(st.sampled_from(["title", "suffix", "volunteers", "min_votes", "votes", "question", "name"]), JUNK)
def test_one_junk_value_in_a_good_tree_gives_a_tree_that_works_or_a_tree_error(key: str, value: object) -> None:
    try:
        tree = DecisionTree.from_dict(GOOD | {key: value})
    except TreeError:
        return
    assert tree.headers
    assert DecisionTree.from_dict(tree.to_dict()) == tree


def test_combined_trees_keep_their_short_headers_and_least_min_votes():
    tree = combine_trees("two", ["decals_dr5", "gz2"])
    assert tree.resolve("bar_strong") == "bar-dr5_strong"
    assert tree.resolve("something-odd_yes") == "something-odd-gz2_yes"
    assert tree.min_votes == 30
    with pytest.raises(TreeError, match="no answer 'smooth-or-featured_smooth'"):
        tree.resolve("smooth-or-featured_smooth")  # both surveys ask it


def test_trees_of_different_kinds_of_votes_are_not_combined():
    with pytest.raises(TreeError, match="different kinds of votes"):
        combine_trees("two", ["gz2", "gz2_kaggle"])


def test_an_answer_alone_is_its_column_where_one_question_has_it(tree):
    assert tree.resolve("smooth") == "smooth-or-featured_smooth"
    with pytest.raises(TreeError, match="several questions of tree 'small' have the answer 'no'; give one of edge-on_no"):
        tree.resolve("no")
    with pytest.raises(TreeError, match="Its answers are smooth-or-featured_smooth, "):
        tree.resolve("spiral")
