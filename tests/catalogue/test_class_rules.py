from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooactive.catalogue import Catalogue, ClassRule, list_rules, load_rule, read_catalogue
from zooactive.foundation.errors import CatalogueError, TreeError
from zooactive.tree import DecisionTree, Question, load_tree

CLASSES = DecisionTree("classes", [Question("kind", ["round", "barred"])], votes="class", min_votes=1)
VOTES = DecisionTree(
    "votes-x",
    [
        Question("shape-x", ["smooth", "disk"]),
        Question("bar-x", ["yes", "no"], ["shape-x_disk"]),
    ],
    suffix="-x",
)
OWN_RULE = """\
name = "own"
trees = ["votes.toml"]
result = "classes.toml"
fractions = "question"
[classes.round]
shape_smooth = 0.6
[classes.barred]
shape_disk = 0.4
bar_yes = 0.5
"""
OWN_TREES = {
    "votes.toml": """\
name = "votes-x"
suffix = "-x"
[[question]]
name = "shape-x"
answers = ["smooth", "disk"]
[[question]]
name = "bar-x"
answers = ["yes", "no"]
asked_after = ["shape-x_disk"]
""",
    "classes.toml": 'name = "classes"\nvotes = "class"\nmin_votes = 1\n'
    '[[question]]\nname = "kind"\nanswers = ["round", "barred"]\n',
}


def rule(**changed) -> ClassRule:
    """Round where 0.6 say smooth; barred where 0.4 say disk and 0.5 of those who were asked say bar."""
    cuts = {"round": {"shape_smooth": 0.6}, "barred": {"shape_disk": 0.4, "bar_yes": 0.5}}
    return ClassRule(**{"name": "own", "trees": (VOTES,), "result": CLASSES, "classes": cuts} | changed)


@pytest.fixture
def own_file(tmp_path):
    """Return a function that writes a rule beside trees of one's own and loads it."""

    def load(text: str = OWN_RULE) -> ClassRule:
        for name, content in OWN_TREES.items():
            (tmp_path / name).write_text(content)
        (tmp_path / "own.toml").write_text(text)
        return load_rule(tmp_path / "own.toml")

    return load


def catalogue(votes: list[list[float]], **options) -> Catalogue:
    ids = np.array([f"g{i}" for i in range(len(votes))], dtype=object)
    table = pd.DataFrame({"mag_r": np.arange(len(votes)) / 10})
    images = tuple(f"{galaxy_id}".encode() for galaxy_id in ids)
    return Catalogue(ids, images, np.array(votes, dtype=float), VOTES, table, "survey.csv", **options)


# Which class ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("votes", "number"),
    [
        ([24, 16, 7, 9], 0),
        ([23, 17, 8, 9], -1),  # 0.575 smooth, 0.47 bar
        ([24, 16, 8, 8], -1),  # both hold: 0.6 smooth, 0.4 disk, 0.5 bar
        ([0, 40, 20, 20], 1),
        ([0, 40, 19, 21], -1),
        ([0, 40, 0, 0], -1),  # nobody was asked about a bar
        ([0, 0, 0, 0], -1),
    ],
)
def test_a_class_holds_from_its_cuts_on_and_two_are_none(votes, number):
    assert rule().classify([votes], VOTES).tolist() == [number]


@pytest.mark.parametrize("volunteers", [1, 3, 7, 40, 49, 1e6])
def test_a_share_that_equals_its_cut_meets_it_whatever_the_number_of_volunteers(volunteers):
    cuts = {"round": {"shape_smooth": 0.619}, "barred": {"bar_yes": 0.715}}
    votes = [[0.619 * volunteers, 0.381 * volunteers, 0, 0]]
    assert rule(classes=cuts).classify(votes, VOTES).tolist() == [0]


def test_shares_of_everybody_count_those_who_were_not_asked():
    votes = [[10, 30, 20, 10], [0, 40, 20, 20]]
    everybody = rule(fractions="everybody")
    assert rule().classify(votes, VOTES).tolist() == [1, 1]
    assert everybody.classify(votes, VOTES).tolist() == [1, 1]  # 30/40 x 20/30 is 0.5
    assert everybody.classify([[11, 29, 19, 10]], VOTES).tolist() == [-1]


def test_too_few_votes_on_a_question_that_a_class_needs_make_no_class():
    votes = [[0, 40, 19, 0], [0, 40, 20, 0], [40, 0, 0, 0]]
    assert rule(min_votes=20).classify(votes, VOTES).tolist() == [-1, 1, 0]


def test_votes_of_another_tree_or_shape_are_refused():
    with pytest.raises(TreeError, match=r"rule 'own' reads votes of 'votes-x', not of tree 'gz2'"):
        rule().classify(np.zeros((1, 40)), load_tree("gz2"))
    with pytest.raises(TreeError, match="has no answer 'bar_yes'"):
        rule().classify(np.zeros((1, 2)), VOTES.only(["shape"]))
    with pytest.raises(CatalogueError, match=r"votes of shape \(1, 3\); tree 'votes-x' needs \(galaxy, 4\)"):
        rule().classify(np.zeros((1, 3)), VOTES)


# A catalogue ------------------------------------------------------------------------------------------------------------


def test_a_catalogue_of_votes_becomes_one_of_clean_labels():
    made = rule().apply(catalogue([[40, 0, 0, 0], [20, 20, 5, 15], [0, 40, 30, 10], [5, 0, 0, 0]]))
    assert list(made.ids) == ["g0", "g2"]  # g1 is between the classes, g3 has too few votes to be labelled
    assert made.tree is CLASSES
    assert made.votes.tolist() == [[1, 0], [0, 1]]
    assert made.labelled.all()
    assert made.images == (b"g0", b"g2")
    assert made.table["mag_r"].tolist() == [0.0, 0.2]


def test_galaxies_keep_their_side_of_the_split():
    survey = catalogue([[40, 0, 0, 0], [20, 20, 5, 15], [0, 40, 30, 10]] * 100)
    made = rule().apply(survey)
    for before, after in zip(survey.split(), made.split(), strict=True):
        assert list(after.ids) == [galaxy_id for galaxy_id in before.ids if galaxy_id in set(made.ids)]


def test_a_catalogue_that_has_the_classes_is_returned_as_it_is():
    made = rule().apply(catalogue([[40, 0, 0, 0]]))
    assert rule().apply(made) is made


def test_a_catalogue_without_votes_or_without_a_clear_case_is_refused():
    with pytest.raises(CatalogueError, match=r"survey\.csv has no votes for rule 'own'"):
        rule().apply(catalogue([[40, 0, 0, 0]]).without_votes())
    with pytest.raises(CatalogueError, match=r"gives a class to none of the 2 galaxies of survey\.csv \(1 of them"):
        rule().apply(catalogue([[22, 18, 0, 18], [4, 0, 0, 0]]))


# Files ------------------------------------------------------------------------------------------------------------------


def test_a_rule_of_ones_own_is_a_file_and_names_trees_beside_it(own_file):
    assert own_file() == rule()
    assert load_rule(rule()).name == "own"


@pytest.mark.parametrize("name", list_rules())
def test_every_rule_of_the_catalogue_says_whence_it_comes(name):
    loaded = load_rule(name)
    assert loaded.name == name
    assert loaded.title
    assert loaded.citation


def test_what_decides_a_class_is_in_the_record():
    record = rule().to_dict()
    for changed in ({"min_votes": 3}, {"fractions": "everybody"}, {"result": replace(CLASSES, min_votes=2)}):
        assert rule(**changed).to_dict() != record


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "own"', "", "the entry name is missing; give a text"),
        ('trees = ["votes.toml"]', "", "the entry trees is missing; give a list of trees"),
        ('trees = ["votes.toml"]', "trees = []", "trees is empty"),
        ('trees = ["votes.toml"]', 'trees = "gz2"', "trees = 'gz2'; give a list of trees"),
        ('trees = ["votes.toml"]', 'trees = ["gz3"]', "no decision tree 'gz3'. Did you mean 'gz2'?"),
        ('result = "classes.toml"', "", "the entry result is missing"),
        ('result = "classes.toml"', 'result = "votes.toml"', "a rule gives one label, so name a tree of one question"),
        ('fractions = "question"', "", "the entry fractions is missing"),
        ('fractions = "question"', 'fractions = "everyone"', "fractions = 'everyone'. Did you mean 'everybody'?"),
        ('fractions = "question"', 'fractons = "question"', "the entry 'fractons' is unknown. Did you mean 'fractions'?"),
        ('name = "own"', 'name = "own"\nmin_votes = -1', "min_votes = -1; give a number of votes"),
        ('name = "own"', 'name = "own"\nmin_votes = nan', "min_votes = nan; give a number of votes"),
        ('name = "own"', 'name = "own"\nnotes = 3', "notes = 3; give a text"),
        ("[classes.round]", "[classes.rund]", "[classes]: tree 'classes' has no class 'rund'. Did you mean 'round'?"),
        ("[classes.round]", "[classes.spiral]", "no class 'spiral'. The classes are round, barred"),
        ("[classes.round]\nshape_smooth = 0.6", "", "[classes.round] is missing"),
        ("shape_smooth = 0.6", "", "[classes.round] has no cuts"),
        ("shape_smooth", "shape_smoth", "[classes.round]: tree 'votes-x' has no answer 'shape_smoth'. Did you mean"),
        ("shape_smooth = 0.6", "shape_smooth = 46.9", "[classes.round]: shape_smooth = 46.9; give a share"),
        ("shape_smooth = 0.6", "shape_smooth = 0", "shape_smooth = 0; give a share above 0"),
        ("shape_smooth = 0.6", "shape_smooth = true", "shape_smooth = True; give a share"),
        ("shape_smooth = 0.6", "shape_smooth = ", "is not readable TOML"),
    ],
)
def test_a_file_that_is_no_rule_is_refused_with_its_name_and_the_mend(own_file, tmp_path, old, new, told):
    assert old in OWN_RULE
    with pytest.raises(CatalogueError) as raised:
        own_file(OWN_RULE.replace(old, new, 1))
    assert str(raised.value).startswith(str(tmp_path / "own.toml"))
    assert told in str(raised.value)


def test_an_unknown_rule_names_the_nearest():
    with pytest.raises(CatalogueError, match="Did you mean 'zhu2019'"):
        load_rule("zhu2018")


# Zhu et al. 2019 --------------------------------------------------------------------------------------------------------

TABLE_1 = {
    "completely-round": {"smooth-or-featured_smooth": 0.469, "how-rounded_round": 0.5},
    "in-between": {"smooth-or-featured_smooth": 0.469, "how-rounded_in-between": 0.5},
    "cigar-shaped": {"smooth-or-featured_smooth": 0.469, "how-rounded_cigar": 0.5},
    "edge-on": {"smooth-or-featured_featured-or-disk": 0.43, "disk-edge-on_yes": 0.602},
    "spiral": {"smooth-or-featured_featured-or-disk": 0.43, "disk-edge-on_no": 0.715, "has-spiral-arms_yes": 0.619},
}
CRUCIAL = ("smooth-or-featured", "how-rounded", "disk-edge-on", "has-spiral-arms")


def classes_of(shares: dict[str, float]) -> list[int]:
    """All classes that hold, by the table as it is printed."""
    return [
        number
        for number, cuts in enumerate(TABLE_1.values())
        if all(shares[answer] >= least - 1e-9 for answer, least in cuts.items())
    ]


def shares_of(votes: np.ndarray, tree: DecisionTree, *, everybody: bool) -> dict[str, float]:
    """Each answer's share of those who were asked, or of everybody: times the share of the answers that lead to it."""
    own: dict[str, float] = {}
    joint: dict[str, float] = {}
    for q in tree.order:
        question, given = tree.questions[q], votes[tree.slices[q]]
        reached = sum(joint[column] for column in question.asked_after) if question.asked_after else 1.0
        for column, number in zip(question.columns, given, strict=True):
            own[column] = number / given.sum() if given.sum() else 0.0
            joint[column] = own[column] * reached
    return joint if everybody else own


def test_the_cuts_are_those_of_the_papers_table_in_the_order_of_its_classes():
    loaded = load_rule("zhu2019")
    assert loaded.classes == TABLE_1
    assert list(TABLE_1) == list(loaded.result.questions[0].answers)


@st.composite
def crowds(draw: st.DrawFn, tree: DecisionTree) -> np.ndarray:
    """Votes that volunteers could have given, often near the edges of the classes."""
    votes = np.zeros(len(tree.columns))
    for q in tree.order:
        question, where = tree.questions[q], tree.slices[q]
        asked = draw(st.integers(0, 60)) if tree.parents[q] < 0 else int(votes[tree.leads_to[q]].sum())
        answers = where.stop - where.start
        if question.name.removesuffix(tree.suffix) not in CRUCIAL:
            votes[where.start] = asked
            continue
        cuts = sorted(draw(st.lists(st.integers(0, asked), min_size=answers - 1, max_size=answers - 1)))
        votes[where] = draw(st.permutations(np.diff([0, *cuts, asked]).tolist()))
    return votes


@pytest.mark.parametrize("name", ["gz2", "gz2_kaggle"])
@pytest.mark.parametrize("fractions", ["everybody", "question"])
def test_the_class_is_the_only_one_whose_cuts_all_hold(name, fractions):
    tree, loaded = load_tree(name), replace(load_rule("zhu2019"), fractions=fractions)

    @settings(max_examples=150, deadline=None)
    @given(crowds(tree))
    def check(votes: np.ndarray) -> None:
        shares = shares_of(votes, tree, everybody=fractions == "everybody")
        expected = classes_of({column.replace(f"{tree.suffix}_", "_"): share for column, share in shares.items()})
        assert loaded.classify(votes[None], tree).tolist() == (expected if len(expected) == 1 else [-1])

    check()


@pytest.fixture
def challenge(shared_data) -> tuple[Catalogue, np.ndarray]:
    """Galaxies of the Kaggle challenge and their published labels, -1 where they are in no published class."""
    folder = shared_data / "gz2_kaggle"
    survey = read_catalogue(folder / "galaxies.csv", tree="gz2_kaggle", images=folder / "images")
    published = pd.read_parquet(shared_data / "zhu5" / "galaxies.parquet", columns=["GalaxyID", "label"])
    labels = published.set_index(published["GalaxyID"].astype(str))["label"]
    return survey, labels.reindex(survey.ids.astype(str)).fillna(-1).to_numpy(dtype=int)


@pytest.mark.filterwarnings("ignore:.*taken for rounding and kept:UserWarning")
def test_the_rule_gives_every_published_label_and_no_other(challenge):
    survey, published = challenge
    assert (published >= 0).sum() == 5201
    np.testing.assert_array_equal(load_rule("zhu2019").classify(survey.votes, survey.tree), published)


@pytest.mark.filterwarnings("ignore:.*taken for rounding and kept:UserWarning")
def test_shares_of_those_who_were_asked_would_make_a_wider_sample(challenge):
    survey, published = challenge
    made = replace(load_rule("zhu2019"), fractions="question").classify(survey.votes, survey.tree)
    clean = published >= 0
    assert ((made == published) & clean).sum() == 5186  # the other 15 have two classes
    assert (made[clean] == -1).sum() == 15
    assert (made[~clean] >= 0).sum() == 893


@pytest.mark.filterwarnings("ignore:.*taken for rounding and kept:UserWarning")
def test_classes_from_counts_agree_with_the_surveys_own_morphology(shared_data):
    folder = shared_data / "gz2_votes"
    survey = read_catalogue(folder / "galaxies.csv", tree="gz2", images=folder / "images")
    made = load_rule("zhu2019").apply(survey)
    assert (len(survey), len(made)) == (426, 306)
    classes = pd.Series(made.votes.argmax(axis=1)), made.table["gz2_class"]
    # Er, Ei and Ec are smooth galaxies by their roundness, Ser, Seb and Sen edge-on ones, S and SB with a letter have arms.
    kind = classes[1].str.extract(r"^(E[ric]|Se|S)")[0]
    assert (kind[classes[0] == 3] == "Se").all()
    assert (kind[classes[0] == 4] == "S").all()
    for number, name in enumerate(("Er", "Ei", "Ec")):
        assert not (classes[0][kind == name] > 2).any()
        assert (classes[0][kind == name] == number).mean() > 0.8
